"""What readers of the target and copies beside the stream see while MySQL and MariaDB are written to all the time."""
import random
import threading
import time

import mysql_compare
from convergence import SECONDS, SEED
from mysql_writer import Writer, WritingThread
from mysql_written_database import create_database
from private_cluster import wait_until


def test_no_reader_sees_a_transaction_in_part(cluster, server, mysql_source, assert_converged):
    """Money goes from row to row of two tables; from the moment of streaming its sum is right at every look."""
    rows, balance = 6000, 1000
    server.run(f"""DROP DATABASE IF EXISTS money; CREATE DATABASE money; USE money;
        CREATE TABLE a (id INT PRIMARY KEY, money BIGINT, filler CHAR(40)); CREATE TABLE b LIKE a;
        INSERT INTO a SELECT seq, {balance}, '' FROM (SELECT @n := @n + 1 AS seq FROM information_schema.columns x,
            (SELECT 1 FROM information_schema.columns LIMIT 100) y, (SELECT @n := 0) z LIMIT {rows}) s;
        INSERT INTO b SELECT * FROM a""")
    total = 2 * rows * balance
    rng = random.Random(f"{SEED} money")
    stop = threading.Event()

    def move():
        connection = mysql_compare.connect(server, "money")
        while not stop.is_set():
            amount, one, other = rng.randint(1, 50), *rng.sample(("a", "b"), 2)
            low = rng.randint(1, rows)
            statements = [f"UPDATE {one} SET money = money - {amount} WHERE id = {low}",
                          f"UPDATE {other} SET money = money + {amount} WHERE id = {rng.randint(1, rows)}"]
            if rng.random() < 0.1:
                statements = [f"UPDATE {table} SET money = money {sign} {amount} WHERE id <= 5000" for table,
                              sign in ((one, "-"), (other, "+"))]
            elif rng.random() < 0.1:  # the row moves, with its money
                statements = [f"UPDATE {one} SET id = {rows + 1} WHERE id = {low}", f"UPDATE {one} SET id = {low} WHERE id = {rows + 1}"]
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
                for statement in statements:
                    cursor.execute(statement)
                cursor.execute("COMMIT" if rng.random() < 0.95 else "ROLLBACK")
        connection.close()
    writer = threading.Thread(target=move)
    writer.start()
    looks, seen = 0, set()
    try:
        mysql_source("money", "money", mode="continuous", options='{"apply_batch_rows": 700}')
        cluster.wait_for_state("money", "streaming")
        ends = time.monotonic() + max(SECONDS / 2, 5)
        latest = ends + 240  # where few looks come in a second
        while time.monotonic() < ends or (len(seen) <= 3 and time.monotonic() < latest):
            if looks % 25 == 24:
                cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_replicator source worker'")
            sums = cluster.query("SELECT (SELECT sum((data->>'money')::bigint) FROM money.a), (SELECT sum((data->>'money')::bigint) FROM "
                                 "money.b)")[0]
            assert sum(sums) == total
            seen.add(sums)
            looks += 1
    finally:
        stop.set()
        writer.join()
    print(f"{looks} looks saw {len(seen)} states")
    assert len(seen) > 3
    assert_converged("money", {"money": "money"})
    server.run("DROP DATABASE money")


def test_copies_beside_the_stream_are_exact_under_writes(cluster, server, mysql_source, assert_converged):
    """A table is read again and again in small windows, while rows in and around the windows change."""
    server.run("""DROP DATABASE IF EXISTS windows; CREATE DATABASE windows; USE windows;
        CREATE TABLE t (id INT PRIMARY KEY, n INT, body VARCHAR(60)); CREATE TABLE u (k VARCHAR(20) PRIMARY KEY, n INT);
        INSERT INTO t SELECT seq, seq % 97, CONCAT('row ', seq) FROM (SELECT @n := @n + 1 AS seq FROM information_schema.columns x,
            (SELECT 1 FROM information_schema.columns LIMIT 100) y, (SELECT @n := 0) z LIMIT 60000) s;
        INSERT INTO u SELECT CONCAT('key ', id), n FROM t WHERE id <= 5000""")
    mysql_source("windows", "windows", mode="continuous", options='{"apply_batch_rows": 500}')
    cluster.wait_for_state("windows", "streaming")
    rng = random.Random(f"{SEED} windows")
    stop = threading.Event()
    front = [0]

    def copied_rows():
        found = cluster.query("SELECT \"table\", state, coalesce(rows_copied, 0) FROM replicator_tables WHERE source = 'windows' ORDER "
                              "BY 1")
        return {table: (state, copied) for table, state, copied in found}

    def write():
        connection = mysql_compare.connect(server, "windows", autocommit=True)
        while not stop.is_set():
            # Mostly where the copy is just now, which goes in the order of the key.
            low = max(1, int(rng.gauss(front[0], 800))) if rng.random() < 0.8 else rng.randint(1, 60_000)
            count = rng.choice((1, 5, 60, 900))
            between = f"WHERE id BETWEEN {low} AND {low + count}"
            sql = rng.choice((f"UPDATE t SET n = n + 1 {between}", f"DELETE FROM t {between}",
                              f"REPLACE INTO t VALUES ({low}, 1, 'again')",
                              f"INSERT IGNORE INTO t SELECT id + {count}, n, 'moved' FROM t {between}",
                              f"UPDATE t SET id = id + {rng.choice((1, 700, 30_000))} {between} ORDER BY id DESC",
                              f"UPDATE t SET id = id - {rng.choice((1, 700))} {between} ORDER BY id",
                              f"REPLACE INTO u VALUES ('key {low % 6000}', {count})", f"DELETE FROM u WHERE k = 'key {low % 6000}'"))
            try:
                with connection.cursor() as cursor:
                    cursor.execute("BEGIN")
                    cursor.execute(sql)
                    cursor.execute(rng.choices(("COMMIT", "ROLLBACK"), (9, 1))[0])
            except mysql_compare.pymysql.err.IntegrityError:
                pass
        connection.close()
    writer = threading.Thread(target=write)
    writer.start()
    copies = 0
    try:
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            cluster.query("SELECT replicator_resync('windows', 't')")
            if rng.random() < 0.3:
                cluster.query("SELECT replicator_resync('windows', 'u')")
            if rng.random() < 0.3:  # rows that only the copy can mend
                cluster.query("UPDATE windows.t SET data = '{}' WHERE id::int % 1000 = 7; DELETE FROM windows.t WHERE id::int % 1000 = 8; "
                              "INSERT INTO windows.t VALUES ('-1', '{}', now()) ON CONFLICT DO NOTHING")
                cluster.query("SELECT replicator_resync('windows', 't')")
            until = time.monotonic() + rng.choice((1, 6, 20))
            while time.monotonic() < min(until, ends):
                state, copied = copied_rows()["t"]
                front[0] = copied
                if state == "streaming":
                    copies += 1
                    break
                time.sleep(0.02)
            if rng.random() < 0.2:
                cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_replicator source worker'")
        if not copies:  # each was started over before its end
            wait_until(lambda: copied_rows()["t"][0] == "streaming", what="a copy to come to its end")
            copies += 1
    finally:
        stop.set()
        writer.join()
    print(f"{copies} copies came to their end")
    assert copies > 0
    # What was damaged here since the last copy began is the copy's to mend.
    cluster.query("SELECT replicator_resync('windows', 't')")
    assert_converged("windows", {"windows": "windows"})
    server.run("DROP DATABASE windows")


def test_two_sources_follow_one_server(cluster, server, mysql_source, assert_converged):
    create_database(server, "shared", rows=100, seed=SEED)
    for name in ("first", "second"):
        mysql_source("shared", name, mode="continuous")
    thread = WritingThread(Writer(server, "shared", f"{SEED} shared", definitions=0.02))
    try:
        for name in ("first", "second"):
            cluster.wait_for_state(name, "streaming")
        time.sleep(3)
        workers = cluster.workers("source worker")
        time.sleep(2)
        assert cluster.workers("source worker") == workers, "they end each other"
    finally:
        thread.stop()
    for name in ("first", "second"):
        assert_converged(name, {"shared": name})
    server.run("DROP DATABASE shared")
