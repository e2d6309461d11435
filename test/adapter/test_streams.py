"""Change streams: what was committed, in order, whole transactions, from any position on."""
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from private_cluster import wait_until
from expected import inserts, n


def test_inserts_updates_and_deletes_come_in_order(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x'), (2, NULL); UPDATE {table} SET b = 'y' WHERE a = 1; "
               f"DELETE FROM {table} WHERE a = 2", "d")
    assert stream.changes() == [
        ["insert", f"d.{table}", [n(1), "x"]], ["insert", f"d.{table}", [n(2), None]],
        ["update", f"d.{table}", [n(1), "x"], [n(1), "y"]], ["delete", f"d.{table}", [n(2), None]]]


def test_an_update_of_the_key_shows_both(server, adapter, table):
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    stream = adapter.stream(table)
    server.run(f"UPDATE {table} SET a = 5", "d")
    assert stream.changes() == [["update", f"d.{table}", [n(1), "x"], [n(5), "x"]]]


def test_the_layout_is_the_snapshots(server, adapter, table):
    server.run(f"DROP TABLE {table}; CREATE TABLE {table} (a int, g int AS (a + 1), b binary(3), c varchar(5), s int AS (a) STORED,"
               "PRIMARY KEY (c, b))", "d")
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} (a, b, c) VALUES (1, 'x', 'y')", "d")
    batch = stream.read_all()[0]
    columns = ["a", "b", "c"] if server.flavour == "MariaDB" and server.version() >= (11,) else ["a", "b", "c", "s"]
    assert batch["layouts"][f"d.{table}"] == {"columns": columns, "key": ["c", "b"], "styles": ["0", "2", "0", "0"][:len(columns)],
                                              "lacks": ""}
    assert batch["changes"] == [["insert", f"d.{table}", adapter.rows("d", table)[0]]]


def test_a_transaction_is_whole_and_ends_with_a_position(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"BEGIN; INSERT INTO {table} VALUES (1, 'x'); INSERT INTO {table} VALUES (2, 'x'); COMMIT", "d")
    batch, = [batch for batch in stream.read_all() if batch["changes"]]
    assert (batch["changes"], batch["complete"], batch["transactions"]) == (inserts(table, 1, 2), 2, 1)
    assert abs(batch["commit_time"] / 1e6 - time.time()) < 100
    assert stream.ask(f"reached {batch['position']}\t{stream.ask('high')}") == "1"


def test_the_time_of_a_commit_is_the_servers_where_its_log_tells_it(server, adapter, table, is_mariadb):
    """MariaDB's log has the time that the session believes it is."""
    stream = adapter.stream(table)
    server.run(f"SET timestamp = 1000000000; INSERT INTO {table} VALUES (1, 'x')", "d")
    batch, = [batch for batch in stream.read_all() if batch["changes"]]
    assert abs(batch["commit_time"] / 1e6 - (1_000_000_000 if is_mariadb else time.time())) < 100


def test_a_transaction_larger_than_a_batch_comes_in_several(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"BEGIN; INSERT INTO {table} VALUES (0, 'x'); COMMIT; BEGIN;" +
               "".join(f"INSERT INTO {table} VALUES ({i}, 'x');" for i in range(1, 100)) + "COMMIT", "d")
    batches = [batch for batch in stream.read_all(10) if batch["changes"] or batch["transactions"]]
    assert sum((batch["changes"] for batch in batches), []) == inserts(table, *range(100))
    assert len(batches) >= 10
    for batch in batches:
        assert (batch["transactions"] > 0) == (batch["position"] != "")
        assert len(batch["changes"]) < 20
    assert sum(batch["transactions"] for batch in batches) == 2
    assert batches[-1]["complete"] == len(batches[-1]["changes"])


def test_limits_are_in_bytes_too(server, adapter, table):
    server.run(f"ALTER TABLE {table} MODIFY b longtext", "d")
    stream = adapter.stream(table)
    server.run("".join(f"INSERT INTO {table} VALUES ({i}, REPEAT('x', 20000));" for i in range(20)), "d")
    batches = [batch for batch in stream.read_all(10_000, 50_000) if batch["changes"]]
    assert len(batches) >= 5
    assert [(batch["complete"], len(batch["changes"])) for batch in batches if len(batch["changes"]) > 3] == []


def test_what_is_rolled_back_does_not_come(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"BEGIN; INSERT INTO {table} VALUES (1, 'x'); ROLLBACK; BEGIN; INSERT INTO {table} VALUES (2, 'x'); "
               f"SAVEPOINT s; INSERT INTO {table} VALUES (3, 'x'); ROLLBACK TO s; INSERT INTO {table} VALUES (4, 'x'); COMMIT", "d")
    assert stream.changes() == inserts(table, 2, 4)


def test_savepoints_beside_a_table_without_transactions(server, adapter, table, is_mariadb):
    """The log then holds what was rolled back, and that it was."""
    if not is_mariadb:
        pytest.skip("MySQL with GTIDs refuses to mix engines in a transaction")
    server.run("DROP TABLE IF EXISTS my; CREATE TABLE my (a int PRIMARY KEY, b varchar(20)) ENGINE = MyISAM", "d")
    stream = adapter.stream(table, "my")
    server.run(f"BEGIN; INSERT INTO {table} VALUES (1, 'x'); SAVEPOINT s; INSERT INTO {table} VALUES (2, 'x'); "
               f"INSERT INTO my VALUES (1, 'x'); INSERT INTO my SELECT a + 1, b FROM {table}; ROLLBACK TO s; COMMIT;"
               f"BEGIN; INSERT INTO {table} VALUES (7, 'x'); INSERT INTO my VALUES (7, 'x'); ROLLBACK;", "d")
    changes = stream.changes()
    for name in (table, "my"):
        present = {row[0] for row in server.query(f"SELECT a FROM {name}", "d")}
        assert {change[2][0]["n"] for change in changes if change[1] == f"d.{name}"} == present


@pytest.mark.parametrize("back", ["S", "`s`", "É", "`é`"])
def test_names_of_savepoints_know_no_case(server, adapter, table, back, is_mariadb):
    """Behind a change that cannot be rolled back the log holds what was rolled back, and that it was."""
    server.run("CREATE TABLE IF NOT EXISTS safe (a int) ENGINE = MyISAM", "d")
    stream = adapter.stream(table)
    name = "é" if back in "É`é`" else "s"
    unsafe = "INSERT INTO safe VALUES (1)" if is_mariadb else "DROP TEMPORARY TABLE IF EXISTS never"
    server.run(f"BEGIN; INSERT INTO {table} VALUES (1, 'x'); SAVEPOINT {name}; INSERT INTO {table} VALUES (2, 'x'); {unsafe}; "
               f"ROLLBACK TO {back}; INSERT INTO {table} VALUES (3, 'x'); COMMIT", "d")
    if back == "É" and is_mariadb:
        (kind, _, _, text), = [change for batch in stream.read_all() for change in batch["schema"]]
        assert kind == "unread rows" and "savepoint" in text
    else:
        assert stream.changes() == inserts(table, 1, 3)


def test_tables_without_transactions_are_followed(server, adapter, table):
    server.run(f"ALTER TABLE {table} ENGINE = MyISAM", "d")
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x'); UPDATE {table} SET a = 2; DELETE FROM {table}", "d")
    assert [change[0] for change in stream.changes()] == ["insert", "update", "delete"]


def test_other_tables_only_move_the_position(server, adapter, table):
    server.run("DROP TABLE IF EXISTS other; CREATE TABLE other (a int)", "d")
    stream = adapter.stream(table)
    server.run("INSERT INTO other VALUES (1)", "d")
    batches = stream.read_all()
    assert not any(batch["changes"] or batch["layouts"] for batch in batches)
    assert sum(batch["transactions"] for batch in batches) == 1 and stream.position != stream.start


def test_tables_are_followed_and_forgotten_on_the_way(server, adapter, table):
    server.run(f"CREATE TABLE IF NOT EXISTS late_{table} LIKE {table}", "d")
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x'); INSERT INTO late_{table} VALUES (1, 'x')", "d")
    assert stream.changes() == inserts(table, 1)
    assert stream.ask(f"table d late_{table}") == "followed"
    assert stream.ask(f"forget d {table}") == "forgotten"
    server.run(f"INSERT INTO {table} VALUES (2, 'x'); INSERT INTO late_{table} VALUES (2, 'x')", "d")
    assert stream.changes() == inserts(f"late_{table}", 2)


def test_a_table_that_is_followed_within_a_transaction_misses_nothing(server, adapter, table):
    """Whoever follows a table behind a position is given every change of it behind that position."""
    server.run(f"CREATE TABLE late_{table} LIKE {table}; CREATE TABLE seed_{table} AS SELECT seq AS a FROM "
               "(WITH RECURSIVE s (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM s WHERE seq < 1000) SELECT seq FROM s) x", "d")
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x'); BEGIN; INSERT INTO late_{table} SELECT x.a * 1000 + y.a, 'x' FROM "
               f"seed_{table} x, seed_{table} y WHERE x.a <= 300; COMMIT", "d")
    end = stream.ask("high")
    while stream.ask(f"reached {stream.position or stream.start}\t{end}") != "1":
        batch = stream.read(1000, 1_000_000, 1)
        if not batch["transactions"]:
            continue
        # It may be followed wherever a batch has ended without a change that is open.
        assert len(batch["changes"]) == batch["complete"]
        stream.ask(f"forget d late_{table}")
        assert stream.ask(f"table d late_{table}") == "followed"
        is_behind = stream.ask(f"reached {stream.position}\t{end}") == "1"
        count = sum(change[1] == f"d.late_{table}" for change in stream.changes())
        assert count == (0 if is_behind else 300_000)


def test_a_stream_goes_on_behind_any_position(server, adapter, table):
    stream = adapter.stream(table)
    positions = []
    for key in range(6):
        server.run(f"INSERT INTO {table} VALUES ({key}, 'x')", "d")
        stream.read_all()
        positions.append(stream.position)
    for key, position in enumerate(positions):
        assert adapter.stream(table, position=position).changes() == inserts(table, *range(key + 1, 6))
    assert adapter.stream(table, position=stream.start).changes() == inserts(table, *range(6))


def test_what_comes_is_handed_out_at_once(server, adapter, table):
    stream = adapter.stream(table)
    while not stream.read(100, 1000, 100)["end"]:
        pass
    took = []
    while not took or (min(took) >= 0.4 and len(took) < 20):  # once is enough: the next heartbeat is never sooner
        server.run(f"INSERT INTO {table} VALUES ({len(took)}, 'x')", "d")
        began = time.monotonic()
        assert stream.read(100, 100_000, 20_000)["changes"] == inserts(table, len(took))
        took.append(time.monotonic() - began)
    assert min(took) < 0.4, took


def test_the_marks_bound_what_is_seen(server, adapter, table):
    stream = adapter.stream(table)
    low = stream.ask("low")
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    high = stream.ask("high")
    assert stream.ask(f"reached {low}\t{low}") == "1"
    assert stream.ask(f"reached {high}\t{low}") == "1"
    assert stream.ask(f"reached {low}\t{high}") == "0"
    server.run("KILL CONNECTION " + server.value("SELECT id FROM information_schema.processlist WHERE user = 'replicator' AND "
                                                "command IN ('Sleep') ORDER BY id DESC LIMIT 1"))
    assert stream.ask("high") == high  # on a new connection


def test_a_copy_under_writers_is_mended_by_the_log(server, adapter):
    """Each transaction moves an amount between two accounts: from the high mark on, the sum is right at each position."""
    server.run("DROP TABLE IF EXISTS accounts; CREATE TABLE accounts (a int PRIMARY KEY, b bigint); INSERT INTO accounts VALUES " +
               ",".join(f"({i}, 100)" for i in range(50)), "d")
    stop = threading.Event()

    def write(seed):
        choice = random.Random(seed)
        while not stop.is_set():
            sql = ""
            for _ in range(100):
                one, other = sorted(choice.sample(range(50), 2))
                sql += f"BEGIN; UPDATE accounts SET b = b - 7 WHERE a = {one}; UPDATE accounts SET b = b + 7 WHERE a = {other}; COMMIT;"
                if choice.random() < 0.1:
                    sql += f"BEGIN; DELETE FROM accounts WHERE a = {one}; INSERT INTO accounts VALUES ({one}, 100); ROLLBACK;"
            server.run("SET SESSION innodb_lock_wait_timeout = 50;" + sql, "d")
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(5):
            spread = "SELECT SUM(b * b) FROM accounts"
            before = server.value(spread, "d")
            wait_until(lambda b=before: server.value(spread, "d") != b, 45, lambda: "the writers to go on")
            stream = adapter.stream("accounts")
            copy = stream.ask("copy d accounts")
            high = stream.ask("high")
            stream = adapter.stream("accounts", position=copy["position"])
            rows = {row[0]["n"]: int(row[1]["n"]) for row in copy["rows"]}
            checked = 0
            while checked < 5:
                batch = stream.read(40)
                assert "error" not in batch, batch
                for change in batch["changes"]:
                    assert change[0] == "update"
                    rows[change[3][0]["n"]] = int(change[3][1]["n"])
                if batch["complete"] == len(batch["changes"]) and stream.position and \
                        stream.ask(f"reached {stream.position}\t{high}") == "1":
                    assert sum(rows.values()) == 5000
                    checked += 1
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    stream.changes()


def test_a_stream_survives_what_it_does_not_follow(server, adapter, table):
    """Users, events, routines, sequences, tables in memory after a restart."""
    server.run(f"CREATE TABLE m_{table} (a int) ENGINE = MEMORY; INSERT INTO m_{table} VALUES (1)", "d")
    stream = adapter.stream(table, f"m_{table}")
    server.run(f"CREATE USER u_{table}@localhost IDENTIFIED BY 'x'; GRANT SELECT ON d.* TO u_{table}@localhost; DROP USER "
               f"u_{table}@localhost; "
               "CREATE PROCEDURE p() SELECT 1; DROP PROCEDURE p; CREATE FUNCTION f() RETURNS int DETERMINISTIC RETURN 1; DROP FUNCTION f; "
               f"FLUSH TABLES; ANALYZE TABLE {table}; INSERT INTO {table} VALUES (1, 'x')", "d")
    assert stream.changes() == inserts(table, 1)
    stream.close()
    server.restart()
    server.query(f"SELECT * FROM m_{table}", "d")
    assert adapter.stream(table, f"m_{table}", position=stream.position).schema() == [("truncated", f"d.m_{table}", "")]


@pytest.mark.parametrize("parameters", ["sslmode=disable", "sslmode=prefer"])
def test_an_interrupt_ends_the_wait_for_changes(server, adapter, table, parameters):
    process = subprocess.Popen(adapter.command(server.url(parameters=parameters), "stream-interrupt", 4712, "d", table, 2500),
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "reading\n"
    os.kill(server.pid(), signal.SIGSTOP)
    try:
        began = time.monotonic()
        out, _ = process.communicate(timeout=240)
        assert time.monotonic() - began < 20  # of the minute that it was ready to wait
    finally:
        os.kill(server.pid(), signal.SIGCONT)
    assert process.returncode == 3 and '"error": 17' in out


def test_a_name_that_a_session_only_holds_is_not_waited_for(server, adapter, table, is_mariadb):
    """It may never be used. That nothing of it was logged shows in what was logged later."""
    if is_mariadb:
        pytest.skip("MariaDB names a transaction when it is logged")
    stream = adapter.stream(table).is_open()
    held = threading.Thread(target=lambda: server._client("SET gtid_next = 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:77'; BEGIN; SELECT "
                                                          "SLEEP(240)", check=False))
    held.start()
    running = "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(240)%'"
    wait_until(lambda: server.query(running) and server.value("SELECT @@GLOBAL.gtid_owned"), 45, "the session")
    try:
        server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
        mark = stream.ask("high")
        server.run(f"INSERT INTO {table} VALUES (2, 'x')", "d")
        changes = []
        wait_until(lambda: changes.extend(stream.read()["changes"]) or len(changes) == 2, 45, "the rows")
        assert stream.ask(f"reached {stream.position}\t{mark}") == "1"
        assert stream.ask(f"reached {stream.position}\t{stream.ask('high')}") == "0", "it may be logged by now"
    finally:
        server.run(f"KILL {server.value(running)}")
        held.join()
    assert stream.ask(f"reached {stream.position}\t{stream.ask('high')}") == "1"


def test_a_table_that_is_being_made_is_locked_and_not_without_columns(server, adapter, table, is_mariadb):
    """MariaDB answers questions about such a table, without rows, and warns."""
    if not is_mariadb:
        pytest.skip("MySQL shows a table when it is complete")
    server.run("SET GLOBAL max_error_count = 0")  # sessions that keep no warnings, unless they ask for some
    stream = adapter.stream(table)
    made = threading.Thread(target=lambda: server._client(f"CREATE TABLE made_{table} (id INT PRIMARY KEY) AS SELECT 1 AS id, SLEEP(240)",
                                                          "d", check=False))
    made.start()
    running = f"SELECT id FROM information_schema.processlist WHERE info LIKE 'CREATE TABLE made_{table}%' AND state = 'User sleep'"
    wait_until(lambda: server.query(running), 45, "the statement")
    try:
        answer = stream.ask(f"table d made_{table}")
        assert (answer["error"], answer["retryable"]) == (21, True), answer
    finally:
        server.run(f"KILL {server.value(running)}; SET GLOBAL max_error_count = 64")
        made.join()
