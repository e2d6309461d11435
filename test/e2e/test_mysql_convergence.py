"""MySQL and MariaDB followed while random writers write and everything that can end ends: at the end both sides are equal,
by a comparison that shares no code with pg_replicator.

PGREPL_CONVERGENCE_SEED replays the draws (not their timing), PGREPL_CONVERGENCE_SECONDS makes the tests longer, and
PGREPL_CONVERGENCE_TABLES gives the source of many tables more of them."""
import os
import random
import threading
import time

import psycopg2
import pytest

import mysql_compare
from mysql_servers import MariaDbServer, MySqlServer, UnavailableServer
from mysql_writer import Writer, WritingThread, create_database
from private_cluster import PrivateCluster, wait_until
from observing import finished

SEED = os.environ.get("PGREPL_CONVERGENCE_SEED") or str(random.SystemRandom().randrange(10 ** 9))
SECONDS = float(os.environ.get("PGREPL_CONVERGENCE_SECONDS", 25))
TABLES = int(os.environ.get("PGREPL_CONVERGENCE_TABLES", 2000))
# What is committed outlives the server's end.
DURABLE = {"innodb-flush-log-at-trx-commit": 1, "sync-binlog": 1}


@pytest.fixture(scope="module", params=[MariaDbServer, MySqlServer], ids=["MariaDB", "MySQL"])
def server(request):
    recovering = {} if request.param is MariaDbServer else {"myisam-recover-options": "BACKUP,FORCE"}
    try:
        instance = request.param({**DURABLE, **recovering})
    except UnavailableServer as error:
        pytest.skip(str(error))
    print(f"PGREPL_CONVERGENCE_SEED={SEED}")
    yield instance
    instance.destroy()


@pytest.fixture
def roomy_cluster():
    """PostgreSQL's locks suffice for the tables of one transaction, such as one that drops them all."""
    instance = PrivateCluster({"max_locks_per_transaction": 256})
    instance.query("CREATE EXTENSION pg_replicator")
    yield instance
    instance.destroy()


@pytest.fixture
def assert_converged(cluster, server):
    """The target holds what the source holds, and replicator_verify says the same."""
    def check(name, schemas, timeout_s=480, cluster=cluster):
        cluster.query_when_up("CALL replicator_wait(%s, %s)", (name, f"{timeout_s} s"), timeout=timeout_s)
        connection = cluster.connect()
        try:
            assert mysql_compare.differences(server, connection, schemas) == []
        finally:
            connection.close()
        job = cluster.query("SELECT replicator_verify(%s)", (name,))[0][0]
        wrong = {table: row for table, row in finished(cluster, job).items()
                 if (row["state"], row["changed"], row["missing"], row["extra"], row["unconfirmed"]) != ("done", 0, 0, 0, 0)}
        assert wrong == {}
        assert cluster.query("SELECT source, \"table\", state, reason FROM replicator_tables WHERE source = %s AND state NOT IN "
                             "('streaming', 'excluded', 'unsupported')", (name,)) == []
        assert cluster.query("SELECT count(*) FROM replicator_quarantine WHERE source = %s", (name,)) == [(0,)]
    return check


class Faults:
    """Whatever may happen to a source, one at a time."""

    def __init__(self, cluster, server, name, rng, guard):
        self.cluster, self.server, self.name, self.rng, self.guard = cluster, server, name, rng, guard
        self.log = []

    def hit(self):
        kind = self.rng.choices((self.end_our_worker, self.crash_our_server, self.kill_the_source, self.restart_the_source,
                                 self.end_our_connections, self.pause, self.resync, self.next_log), (4, 1, 2, 1, 4, 2, 4, 2))[0]
        self.log.append(kind.__name__)
        kind()

    def end_our_worker(self):
        self.cluster.query_when_up("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = "
                                   "'pg_replicator source worker'")

    def crash_our_server(self):
        self.cluster.crash()

    def kill_the_source(self):
        with self.guard:
            self.server.kill()
        time.sleep(self.rng.uniform(0, 0.5))
        self.server.start()

    def restart_the_source(self):
        with self.guard:
            self.server.restart()

    def end_our_connections(self):
        self.server.end_connections("replicator")

    def pause(self):
        self.cluster.query_when_up("SELECT replicator_pause(%s)", (self.name,))
        time.sleep(self.rng.uniform(0, 0.5))
        self.cluster.query_when_up("SELECT replicator_resume(%s)", (self.name,))

    def resync(self):
        tables = self.cluster.query_when_up("SELECT \"table\" FROM replicator_tables WHERE source = %s AND state IN ('streaming', "
                                            "'copying', 'pending', 'catching_up') ORDER BY 1", (self.name,))
        if tables:
            try:
                self.cluster.query_when_up("SELECT replicator_resync(%s, %s)", (self.name, self.rng.choice(tables)[0]))
            except psycopg2.errors.lookup("42P01"):
                pass  # it has been dropped meanwhile

    def next_log(self):
        self.server.run("FLUSH BINARY LOGS")


def test_it_converges_whatever_ends_meanwhile(cluster, server, mysql_source, assert_converged):
    create_database(server, "churn", seed=SEED)
    guard = threading.Lock()
    rng = random.Random(f"{SEED} faults")
    writers = [Writer(server, "churn", f"{SEED} {i}", definitions=definitions, guard=guard)
               for i, definitions in enumerate((0.03, 0.0))]
    threads = [WritingThread(writer) for writer in writers]
    mysql_source("churn", "churn", mode="continuous")
    faults = Faults(cluster, server, "churn", rng, guard)
    try:
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            time.sleep(rng.uniform(0.2, 2))
            assert not any(thread.error for thread in threads), [thread.error for thread in threads]
            faults.hit()
    finally:
        for thread in threads:
            thread.stop()
        print("faults:", faults.log)
        print("transactions:", [writer.transactions for writer in writers], "definitions:", dict(writers[0].made),
              "refused:", [dict(writer.errors) for writer in writers])
    assert_converged("churn", {"churn": "churn"})
    server.run("DROP DATABASE churn")


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
                statements = [f"UPDATE {table} SET money = money {sign} {amount} WHERE id <= 5000" for table, sign in ((one, "-"), (other, "+"))]
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
            sums = cluster.query("SELECT (SELECT sum((data->>'money')::bigint) FROM money.a), (SELECT sum((data->>'money')::bigint) FROM money.b)")[0]
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
        found = cluster.query("SELECT \"table\", state, coalesce(rows_copied, 0) FROM replicator_tables WHERE source = 'windows' ORDER BY 1")
        return {table: (state, copied) for table, state, copied in found}

    def write():
        connection = mysql_compare.connect(server, "windows", autocommit=True)
        while not stop.is_set():
            # Mostly where the copy is just now, which goes in the order of the key.
            low = max(1, int(rng.gauss(front[0], 800))) if rng.random() < 0.8 else rng.randint(1, 60_000)
            count = rng.choice((1, 5, 60, 900))
            between = f"WHERE id BETWEEN {low} AND {low + count}"
            sql = rng.choice((f"UPDATE t SET n = n + 1 {between}", f"DELETE FROM t {between}",
                              f"REPLACE INTO t VALUES ({low}, 1, 'again')", f"INSERT IGNORE INTO t SELECT id + {count}, n, 'moved' FROM t {between}",
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
        if not copies:  # each was begun anew before its end
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


def test_fifty_databases_are_one_source(cluster, server, assert_converged):
    names = [f"tenant_{i}" for i in range(50)]
    server.run("".join(f"CREATE DATABASE {n}; CREATE TABLE {n}.t (id INT PRIMARY KEY, v TEXT); INSERT INTO {n}.t VALUES (1, '{n}');" for n in names))
    try:
        cluster.query("SELECT replicator_init(%s, name => 'tenants', mode => 'continuous', include_databases => ARRAY['tenant_*'])",
                      (server.url(""),))
        cluster.wait_for_state("tenants", "streaming")
        server.run("".join(f"BEGIN; INSERT INTO {n}.t VALUES (2, 'new'); UPDATE tenant_0.t SET v = '{n}'; COMMIT;" for n in names))
        server.run("CREATE TABLE tenant_7.late (id INT PRIMARY KEY); INSERT INTO tenant_7.late VALUES (1); DROP DATABASE tenant_8; "
                   "CREATE DATABASE tenant_50; CREATE TABLE tenant_50.t (id INT PRIMARY KEY, v TEXT); INSERT INTO tenant_50.t VALUES (1, 'x')")
        names = [n for n in names if n != "tenant_8"] + ["tenant_50"]
        assert_converged("tenants", {n: n for n in names})
    finally:
        cluster.query("SELECT replicator_drop('tenants', drop_tables => true)")
        server.run("".join(f"DROP DATABASE IF EXISTS {n};" for n in names))


def test_many_tables_are_followed(roomy_cluster, server, assert_converged):
    cluster, count = roomy_cluster, TABLES
    server.run("DROP DATABASE IF EXISTS wide; CREATE DATABASE wide; USE wide;" + "".join(
        f"CREATE TABLE t{i} (id INT PRIMARY KEY, v TEXT); INSERT INTO t{i} VALUES (1, 'x'), (2, 'y');" for i in range(count)))
    times = {}
    began = time.monotonic()
    cluster.query("SELECT replicator_init(%s, name => 'wide', target_schema => 'wide')", (server.url("wide"),))
    times["init"] = time.monotonic() - began
    cluster.wait_for_state("wide", "streaming", timeout=60 + 0.4 * count)
    times["streaming"] = time.monotonic() - began
    began = time.monotonic()
    server.run("".join(f"INSERT INTO t{i} VALUES (3, 'z');" for i in range(0, count, 10)), "wide")
    times["written"] = time.monotonic() - began
    cluster.query("CALL replicator_wait('wide', '240 s')")
    times["changes"] = time.monotonic() - began
    began = time.monotonic()
    server.run("ALTER TABLE t5 ADD COLUMN w INT DEFAULT 1; CREATE TABLE late (id INT PRIMARY KEY); INSERT INTO late VALUES (1)", "wide")
    cluster.query("CALL replicator_wait('wide', '240 s')")
    times["definitions"] = time.monotonic() - began
    began = time.monotonic()
    assert_converged("wide", {"wide": "wide"}, cluster=cluster)
    times["comparison"] = time.monotonic() - began
    began = time.monotonic()
    cluster.query("SELECT replicator_drop('wide', drop_tables => true)")
    times["drop"] = time.monotonic() - began
    print({what: round(seconds, 1) for what, seconds in times.items()})
    server.run("DROP DATABASE wide")


def test_a_table_that_leaves_its_first_copy_is_copied_beside_the_stream(cluster, server, mysql_source, assert_converged):
    """By a request, or by a statement at the source; its target has no primary key yet."""
    server.run("""DROP DATABASE IF EXISTS early; CREATE DATABASE early; USE early; CREATE TABLE small (id INT PRIMARY KEY, v TEXT);
        INSERT INTO small VALUES (1, 'x'), (2, 'y'); CREATE TABLE altered LIKE small; INSERT INTO altered SELECT * FROM small;
        CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(60)); INSERT INTO big (v) VALUES (REPEAT('x', 60)), ('é')""")
    for _ in range(17):
        server.run("INSERT INTO big (v) SELECT v FROM big", "early")

    def states():
        return dict(cluster.query("SELECT \"table\", state FROM replicator_tables WHERE source = 'early'"))
    with cluster.waiting_at("chunk_committed", lambda: mysql_source("early", "early", mode="continuous", options='{"copy_workers_per_source": 0}')):
        cluster.query("SELECT replicator_pause('early')")
    assert states()["small"] == "copying"
    cluster.query("SELECT replicator_resync('early', 'small')")
    server.run("ALTER TABLE altered ADD COLUMN w INT DEFAULT 5; UPDATE altered SET v = 'z' WHERE id = 1; DELETE FROM small WHERE id = 1; "
               "INSERT INTO small VALUES (3, 'new')", "early")
    cluster.query("SELECT replicator_resume('early')")
    assert_converged("early", {"early": "early"})
    assert states() == {"small": "streaming", "altered": "streaming", "big": "streaming"}
    server.run("DROP DATABASE early")
