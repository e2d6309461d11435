"""MySQL and MariaDB servers followed: copy, then every change; each test runs against both."""
import contextlib
import subprocess
import threading

import psycopg2
import pytest

from private_cluster import wait_until
from observing import caught_up, equal, rows, table_row


def test_changes_arrive(cluster, db, follow):
    follow()
    db.run("""USE shop; INSERT INTO customer VALUES (18446744073709551615, 'Ω', -0.10, '{"k": 1.5}');
        UPDATE customer SET rate = 2 WHERE id = 1; DELETE FROM customer WHERE id = 2;
        UPDATE line SET b = 'moved' WHERE b = 'X'""")
    caught_up(cluster)
    assert rows(cluster, "customer") == {
        "1": '{"id": 1, "name": "Åsa", "rate": 2.00, "notes": {"a": [1, 2.5]}}',
        "3": '{"id": 3, "name": "", "rate": 0.00, "notes": []}',
        "18446744073709551615": '{"id": 18446744073709551615, "name": "Ω", "rate": -0.10, "notes": {"k": 1.5}}'}
    assert set(rows(cluster, "line")) == {'[1,"x"]', '[1,"moved"]', '[2,""]'}
    wait_until(lambda: cluster.status("s")["lag"] == "00:00:00", 45, "the lag to be gone")  # a server that is held up is not up to date
    status = cluster.status("s")
    assert (status["state"], status["percent"]) == ("streaming", 100)
    table = table_row(cluster, "customer")
    assert (table["state"], table["consistency"]) == ("streaming", "transaction")
    assert (table["rows_inserted"], table["rows_updated"], table["rows_deleted"]) == (1, 1, 1)
    assert equal(cluster)

    def counted():
        db.run("UPDATE line SET v = v + 1", "shop")
        caught_up(cluster)
        return cluster.status("s")["changes_per_second"] > 0
    wait_until(counted, 240, "changes of the last minute")


def test_of_several_changes_of_a_key_the_last_one_counts(cluster, db, follow):
    follow()
    db.run("""USE shop; BEGIN; INSERT INTO customer VALUES (10, 'a', 1, NULL); DELETE FROM customer WHERE id = 10;
        INSERT INTO customer VALUES (10, 'b', 2, NULL); COMMIT;
        BEGIN; UPDATE customer SET id = 99 WHERE id = 1; UPDATE customer SET id = 1 WHERE id = 3;
        UPDATE customer SET id = 3 WHERE id = 99; COMMIT;
        BEGIN; DELETE FROM customer WHERE id = 2; SAVEPOINT s; INSERT INTO customer VALUES (2, 'no', 0, NULL); ROLLBACK TO s; COMMIT;
        BEGIN; DELETE FROM customer; ROLLBACK""")
    caught_up(cluster)
    names = dict(cluster.query("SELECT id, data->>'name' FROM s.customer"))
    assert names == {"1": "", "3": "Åsa", "10": "b"}
    assert equal(cluster)


def test_a_transaction_larger_than_a_batch_is_seen_whole(cluster, db, follow):
    follow(options='{"apply_batch_rows": 100}')
    stop = threading.Event()
    seen = set()

    def look():
        connection = cluster.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("SELECT count(*) FROM s.line WHERE (data->>'a')::int >= 1000")
                seen.add(cursor.fetchone()[0])
        connection.close()
    reader = threading.Thread(target=look)
    reader.start()
    db.run("USE shop; SET @n = 999; INSERT INTO line SELECT @n := @n + 1, 'x', 0 FROM information_schema.columns a, "
           "(SELECT 1 FROM information_schema.columns LIMIT 30) b LIMIT 20000")
    caught_up(cluster)
    stop.set()
    reader.join()
    assert seen <= {0, 20000}
    assert len(rows(cluster, "line")) == 20003
    assert equal(cluster)


def test_what_a_statement_does_to_tables(cluster, db, follow):
    """The lines of docs/user/schema-changes.md, in one stream after another."""
    follow()

    def after(sql, table="customer", database="shop"):
        db.run(sql, database)
        caught_up(cluster)
        return rows(cluster, table)
    assert after("ALTER TABLE customer ADD COLUMN tier INT DEFAULT 7, ADD COLUMN memo TEXT")["3"] == \
        '{"id": 3, "memo": null, "name": "", "rate": 0.00, "tier": 7, "notes": []}'
    assert "memo" not in after("ALTER TABLE customer DROP COLUMN memo")["1"]
    assert '"level": 7' in after("ALTER TABLE customer CHANGE tier level INT")["1"]
    assert '"level": "7"' in after("ALTER TABLE customer MODIFY level VARCHAR(9)")["1"]
    before = after("SELECT 1")
    assert after("ALTER TABLE customer MODIFY level VARCHAR(9) FIRST") == before
    assert after("CREATE TABLE fresh (id INT PRIMARY KEY, v INT); INSERT INTO fresh VALUES (1, 1)", "fresh") == {"1": '{"v": 1, "id": 1}'}
    assert after("CREATE TABLE filled (PRIMARY KEY (id)) AS SELECT id, name FROM customer", "filled").keys() == {"1", "2", "3"}
    assert after("TRUNCATE TABLE filled", "filled") == {}
    assert table_row(cluster, "filled")["state"] == "streaming"
    assert after("INSERT INTO filled VALUES (5, 'five')", "filled") == {"5": '{"id": 5, "name": "five"}'}
    kept = after("DROP TABLE filled", "filled")
    assert kept == {"5": '{"id": 5, "name": "five"}'} and table_row(cluster, "filled")["reason"] == "was dropped at the source"
    assert after("CREATE TABLE filled (id INT PRIMARY KEY, name TEXT); INSERT INTO filled VALUES (6, 'six')", "filled").keys() == {"6"}
    assert after("RENAME TABLE fresh TO renamed; INSERT INTO renamed VALUES (2, 2)", "renamed").keys() == {"1", "2"}
    assert table_row(cluster, "fresh")["state"] == "excluded"
    # The way of online schema changes: a copy takes the table's name.
    assert '"extra": "x"' in after("CREATE TABLE customer_new LIKE customer; ALTER TABLE customer_new ADD COLUMN extra CHAR(1) DEFAULT "
                                   "'x'; "
                                   "INSERT INTO customer_new SELECT *, 'x' FROM customer; DELETE FROM customer_new WHERE id = 3; "
                                   "RENAME TABLE customer TO customer_old, customer_new TO customer")["1"]
    assert set(rows(cluster, "customer")) == {"1", "2"} and set(rows(cluster, "customer_old")) == {"1", "2", "3"}
    assert after("CREATE INDEX i ON line (v); ALTER TABLE line COMMENT 'none of ours'; CREATE VIEW w AS SELECT 1; DROP VIEW w; "
                 "CREATE DATABASE other_one; CREATE TABLE other_one.t (id INT PRIMARY KEY); DROP DATABASE other_one; "
                 "INSERT INTO line VALUES (7, 'z', 7)", "line").keys() >= {'[7,"z"]'}
    assert after("ALTER TABLE line DROP PRIMARY KEY, ADD PRIMARY KEY (b, a)", "line").keys() >= {'["z",7]'}
    assert '[7,"z"]' not in rows(cluster, "line")
    db.run("DROP DATABASE shop")
    wait_until(lambda: table_row(cluster, "line")["state"] == "excluded", 45, "the drop to be met")
    assert rows(cluster, "line")
    assert cluster.status("s")["state"] == "streaming" and not cluster.status("s")["last_error"]


def test_a_key_that_is_too_long_for_an_id_is_hashed_beside_the_stream_too(cluster, db, follow):
    follow()
    db.run("CREATE TABLE long_keys (k VARCHAR(700) PRIMARY KEY, v INT); INSERT INTO long_keys VALUES (REPEAT('漢', 400), 1)", "shop")
    caught_up(cluster)
    (id, data), = rows(cluster, "long_keys").items()
    assert id.startswith("sha256:") and '"v": 1' in data
    db.run("UPDATE long_keys SET v = 2", "shop")
    caught_up(cluster)
    assert cluster.query("SELECT id, data->>'v' FROM s.long_keys") == [(id, "2")]


def test_a_target_may_go_with_its_table(cluster, db, follow):
    follow(options='{"on_drop": "drop"}')
    db.run("DROP TABLE line", "shop")
    caught_up(cluster)
    assert cluster.query("SELECT to_regclass('s.line')") == [(None,)] and table_row(cluster, "line") is None
    assert rows(cluster, "customer")


def test_single_tables_are_paused_added_and_copied_again(cluster, db, follow):
    follow(include_tables=["customer"])
    assert table_row(cluster, "line")["state"] == "excluded"
    cluster.query("SELECT replicator_add_table('s', 'line')")
    caught_up(cluster)
    assert len(rows(cluster, "line")) == 3
    cluster.query("SELECT replicator_pause_table('s', 'line')")
    caught_up(cluster)
    db.run("DELETE FROM line WHERE a = 2; INSERT INTO customer VALUES (50, '', 0, NULL)", "shop")
    caught_up(cluster)
    assert "50" in rows(cluster, "customer") and '[2,""]' in rows(cluster, "line")
    cluster.query("SELECT replicator_resume_table('s', 'line')")
    caught_up(cluster)
    assert '[2,""]' not in rows(cluster, "line")
    cluster.query("UPDATE s.customer SET data = '{}' WHERE id = '1'; DELETE FROM s.customer WHERE id = '2'; INSERT INTO s.customer VALUES "
                  "('x', '{}', now())")
    untouched = cluster.query("SELECT xmin FROM s.customer WHERE id = '50'")
    cluster.query("SELECT replicator_resync('s', 'customer')")
    caught_up(cluster)
    assert equal(cluster) and set(rows(cluster, "customer")) == {"1", "2", "3", "50"}
    assert cluster.query("SELECT xmin FROM s.customer WHERE id = '50'") == untouched
    cluster.query("SELECT replicator_remove_table('s', 'line')")
    caught_up(cluster)
    db.run("DELETE FROM line", "shop")
    caught_up(cluster)
    assert len(rows(cluster, "line")) == 2


def test_a_table_whose_target_another_transaction_is_about_to_take_waits_alone(cluster, db, follow, database):
    follow()
    theirs = database("theirs.db", "CREATE TABLE late (id INTEGER PRIMARY KEY)")
    with contextlib.closing(cluster.connect()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT replicator_init(%s, name => 'theirs', target_schema => 's')", (f"sqlite://{theirs}",))
        db.run("CREATE TABLE late (id INT PRIMARY KEY); INSERT INTO late VALUES (1); INSERT INTO customer VALUES (70, '', 0, NULL)", "shop")
        wait_until(lambda: "70" in rows(cluster, "customer"), what="the other table")
        wait_until(lambda: table_row(cluster, "late")["state"] == "unsupported", what="the table to be left out")
        cursor.execute("ROLLBACK")
    caught_up(cluster)
    assert set(rows(cluster, "late")) == {"1"}


def test_rows_that_are_refused_are_set_aside_until_they_can_be_stored(cluster, db, follow):
    follow()
    cluster.query("ALTER TABLE s.customer ADD CHECK (data->>'name' <> 'bad')")
    db.run("UPDATE customer SET name = 'bad' WHERE id IN (1, 2); INSERT INTO customer VALUES (60, 'bad', 0, NULL), (61, 'good', 0, NULL)",
           "shop")
    caught_up(cluster)
    assert cluster.query("SELECT key FROM replicator_quarantine WHERE source = 's' ORDER BY key") == [("1",), ("2",), ("60",)]
    assert '"name": "good"' in rows(cluster, "customer")["61"] and '"name": "Åsa"' in rows(cluster, "customer")["1"]
    db.run("UPDATE customer SET name = 'fine' WHERE id = 1; DELETE FROM customer WHERE id = 60", "shop")
    caught_up(cluster)
    assert cluster.query("SELECT key FROM replicator_quarantine WHERE source = 's'") == [("2",)]
    cluster.query("ALTER TABLE s.customer DROP CONSTRAINT customer_data_check")
    cluster.query("SELECT replicator_replay('s')")
    assert equal(cluster)


def test_a_table_that_cannot_be_written_fails_alone(cluster, db, follow):
    follow()
    cluster.query("DROP TABLE s.line")
    db.run("INSERT INTO line VALUES (5, 'x', 1); INSERT INTO customer VALUES (70, '', 0, NULL)", "shop")
    wait_until(lambda: table_row(cluster, "line")["state"] == "failed", 45, "the table to fail")
    wait_until(lambda: "70" in rows(cluster, "customer"), 45, "the stream to go on")
    cluster.query("SELECT replicator_resync('s', 'line')")
    caught_up(cluster)
    assert len(rows(cluster, "line")) == 4 and equal(cluster)


def end_connections(server):
    """KILL of all of ours; one may be gone with another before its turn comes."""
    for (connection,) in server.query("SELECT id FROM information_schema.processlist WHERE user = 'replicator'"):
        server._client(f"KILL {connection}", check=False)


def test_it_goes_on_after_anything_dies(cluster, db, follow):
    follow()
    for number, kill in enumerate([
            lambda: cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_replicator source "
                                  "worker'"),
            lambda: cluster.crash(), lambda: cluster.restart("immediate"), lambda: db.restart(),
            lambda: end_connections(db)]):
        db.run(f"INSERT INTO customer VALUES ({1000 + number}, 'before', 0, NULL)", "shop")
        kill()
        db.run(f"UPDATE customer SET name = 'after' WHERE id = {1000 + number}; INSERT INTO line VALUES ({1000 + number}, '', 0)", "shop")
        wait_until(lambda n=number: "after" in dict(cluster.query_when_up("SELECT id, data->>'name' FROM s.customer")).get(str(1000 + n),
                                                                                                                           ""),
                   240, lambda n=number: f"the change to arrive after fault {n}: {cluster.status('s')}")
    cluster.wait_for_state("s", "streaming")
    assert equal(cluster)


def test_a_worker_that_ends_slowly_is_replaced(cluster, db, follow):
    """A probe that comes while it still holds the source's lock must not be the last one."""
    follow()
    # That of the source before may not have ended yet.
    before = wait_until(lambda: (lambda pids: pids if len(pids) == 1 else None)(cluster.workers("source worker")), 45, "one worker")

    def probe():
        recorded = "SELECT count(*) FROM replicator_events WHERE arguments::text LIKE '%nobody%'"
        seen = cluster.query(recorded)
        with pytest.raises(psycopg2.Error):
            cluster.query("SELECT replicator_pause('nobody')")
        wait_until(lambda: cluster.query(recorded) != seen, 45, "a probe")
    with cluster.waiting_at("worker_exits", lambda: cluster.query("SELECT pg_terminate_backend(%s)", before)):
        probe()
    wait_until(lambda: set(cluster.workers("source worker")) - set(before), 45, "another worker")
    db.run("INSERT INTO customer VALUES (4, 'later', 0, NULL)", "shop")
    caught_up(cluster)
    assert equal(cluster)


def test_what_was_paused_goes_on_where_it_was(cluster, db, follow):
    follow()
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    db.run("UPDATE customer SET name = 'while paused'; FLUSH BINARY LOGS; DELETE FROM customer WHERE id = 1", "shop")
    wait_until(lambda: cluster.query("SELECT lag > interval '1 second' FROM replicator_status")[0][0], 45, "the lag to grow")
    assert "1" in rows(cluster, "customer")
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    assert set(rows(cluster, "customer")) == {"2", "3"} and equal(cluster)


def purge(server):
    """Removes all of the log that is not being written to; no reader may hold it."""
    end_connections(server)
    server.run("FLUSH BINARY LOGS; FLUSH BINARY LOGS")
    last = server.query("SHOW BINARY LOGS")[-1][0]

    def purged():
        # MariaDB keeps what it may still need for crash recovery, for a moment.
        server.run(f"PURGE BINARY LOGS TO '{last}'")
        return server.query("SHOW BINARY LOGS")[0][0] == last
    wait_until(purged, 45, "the log to be purged", interval=0.2)


def test_a_log_that_no_longer_reaches_back_is_an_error_or_leads_to_a_copy(cluster, db, follow):
    follow()
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    purge(db)
    db.run("DELETE FROM customer WHERE id = 2", "shop")
    cluster.query("SELECT replicator_resume('s')")
    status = cluster.wait_for_state("s", "failed")
    assert "on_position_lost" in status["hint"] and set(rows(cluster, "customer")) == {"1", "2", "3"}
    cluster.query("""SELECT replicator_alter('s', options => '{"on_position_lost": "resync"}')""")
    cluster.wait_for_state("s", "streaming")
    assert set(rows(cluster, "customer")) == {"3"} and equal(cluster)


def test_a_copy_beside_the_stream_is_seen(cluster, db, follow):
    follow()

    def phases():
        return set(cluster.query("SELECT phase, \"table\" FROM replicator_progress WHERE worker = 'source worker' AND source = 's'"))
    with cluster.waiting_at("window_read", lambda: cluster.query("SELECT replicator_resync('s', 'customer')")):
        status = cluster.status("s")
        assert (status["state"], status["tables_to_copy"]) == ("copying", 1) and status["percent"] < 100, status
        assert phases() == {("streaming", None), ("copying beside the stream", "customer")}
    status = cluster.wait_for_state("s", "streaming")
    assert (status["tables_to_copy"], status["percent"]) == (0, 100) and phases() == {("streaming", None)}
    told = cluster.query("SELECT arguments->>'table', (arguments->>'rows')::int FROM replicator_events WHERE source = 's' AND action = "
                         "'table copied' "
                         "AND at > (SELECT created_at FROM replicator.source WHERE name = 's')")
    assert told == [("shop.customer", 3)]


def test_a_stuck_worker_is_seen_in_the_lag(cluster, db, follow):
    import os
    import signal
    follow()
    pid = cluster.status("s")["worker_pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: cluster.query("SELECT lag > interval '3 seconds' FROM replicator_status")[0][0], 45, "the lag to grow")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: cluster.query("SELECT lag = interval '0' FROM replicator_status")[0][0], 45, "the lag to be gone")


def test_of_a_table_that_is_created_the_source_is_asked_alone(cluster, db, follow):
    """A stream that looks at all tables of the server for each new one falls behind while an application is installed."""
    follow()
    db.run("SET GLOBAL log_output = 'TABLE'; TRUNCATE TABLE mysql.general_log; SET GLOBAL general_log = ON")
    try:
        for number in range(5):
            db.run(f"CREATE TABLE new{number} (id INT PRIMARY KEY); INSERT INTO new{number} VALUES (1)", "shop")
            caught_up(cluster)
    finally:
        db.run("SET GLOBAL general_log = OFF")
    assert [set(rows(cluster, f"new{number}")) for number in range(5)] == [{"1"}] * 5
    asked = [row[0] for row in db.query("SELECT REPLACE(CONVERT(argument USING utf8mb4), '\n', ' ') FROM mysql.general_log "
                                        "WHERE argument LIKE '%FROM information_schema.TABLES%' AND argument NOT LIKE '%general_log%'")]
    assert len(asked) >= 5 and all("new" in question for question in asked), asked


def test_the_error_of_an_outage_goes_with_it(cluster, db, follow):
    """By itself: no call clears it."""
    follow()
    db.stop()
    try:
        assert cluster.wait_for_state("s", "backing_off")["last_error"]
    finally:
        db.start()
    status = cluster.wait_for_state("s", "streaming")
    assert (status["last_error"], status["detail"], status["next_retry_at"]) == (None, None, None), status


def test_databases_may_come_later(cluster, db, mysql_source):
    mysql_source("", "tenants", mode="continuous", include_databases="{tenant_*}")
    try:
        cluster.wait_for_state("tenants", "streaming")
        db.run("CREATE DATABASE tenant_1; CREATE TABLE tenant_1.t (id INT PRIMARY KEY); INSERT INTO tenant_1.t VALUES (1)")
        caught_up(cluster, "tenants")
        assert rows(cluster, "t", "tenants") == {"1": '{"id": 1}'}
        with pytest.raises(psycopg2.Error, match="tenant_2"):  # a name is no pattern
            cluster.query("SELECT replicator_alter('tenants', include_databases => '{tenant_2}')")
    finally:
        db.run("DROP DATABASE IF EXISTS tenant_1")


def test_settings_that_are_missing_are_said_with_the_statement(cluster, db):
    db.run("SET GLOBAL binlog_row_metadata = 'MINIMAL'")
    try:
        checks = {row[0]: row[1:] for row in cluster.query(
            'SELECT "check", ok, severity, hint FROM replicator_validate(%s, mode => \'continuous\')', (db.url("shop"),))}
        assert checks["binlog_row_metadata"][:2] == (False, "error") and "FULL" in checks["binlog_row_metadata"][2]
        with pytest.raises(psycopg2.Error) as refused:
            cluster.query("SELECT replicator_init(%s, name => 'wrong')", (db.url("shop"),))
        assert "binlog_row_metadata" in str(refused.value) and "HINT" in str(refused.value)
    finally:
        db.run("SET GLOBAL binlog_row_metadata = 'FULL'")


def test_a_load_that_is_logged_as_a_statement_has_all_read_again(cluster, db, follow, tmp_path):
    def load(table):
        (tmp_path / "rows").write_text("7,seven\n8,eight\n")
        done = subprocess.run(db.client + ["--no-defaults", f"--socket={db.socket}", "-uroot", "--local-infile=1", "shop"],
                              capture_output=True, input=(
            f"SET SESSION binlog_format = 'STATEMENT'; LOAD DATA LOCAL INFILE '{tmp_path}/rows' INTO TABLE {table} FIELDS TERMINATED BY "
            "','").encode())
        assert done.returncode == 0, done.stderr
    db.run("SET GLOBAL local_infile = 1; CREATE TABLE shop.ours (id INT PRIMARY KEY, v TEXT); CREATE TABLE shop.others LIKE shop.ours")
    follow(exclude_tables=["others"])
    db.run("CREATE TRIGGER shop.t AFTER INSERT ON shop.others FOR EACH ROW INSERT INTO shop.ours VALUES (NEW.id + 100, NEW.v)")
    load("others")
    caught_up(cluster)
    assert set(rows(cluster, "ours")) == {"107", "108"}
    db.run("DELETE FROM ours; INSERT INTO ours VALUES (1, 'x')", "shop")
    load("ours")
    caught_up(cluster)
    assert set(rows(cluster, "ours")) == {"1", "7", "8"}, "it was read again"


def test_labels_that_are_not_valid_in_their_charset_are_bytes_in_copy_and_stream(cluster, db, follow):
    """x'C3A9' is not ASCII, though it would be UTF-8. MySQL shows such labels of a SET as empty ones."""
    set_type = "SET(x'C3A9', 'b')" if db.flavour == "MariaDB" else "SET('a', 'b')"
    db.run(f"USE shop; CREATE TABLE odd (id INT PRIMARY KEY, e ENUM(x'C3A9', 'ok') CHARACTER SET ascii, s {set_type} CHARACTER SET ascii, "
           f"u SET('x', 'y') CHARACTER SET utf16); INSERT INTO odd VALUES (1, 1, 3, 3), (2, 2, 2, 1), (3, 1, 1, 0)")
    follow()
    copied = [row[0] for row in cluster.query("SELECT data - 'id' FROM s.odd ORDER BY id")]
    db.run("INSERT INTO shop.odd SELECT id + 3, e, s, u FROM shop.odd")
    caught_up(cluster)
    assert [row[0] for row in cluster.query("SELECT data - 'id' FROM s.odd WHERE id::int > 3 ORDER BY id")] == copied
    odd = {"$binary": {"base64": "w6k=", "subType": "00"}}
    assert [row["e"] for row in copied] == [odd, "ok", odd]
    assert [row["u"] for row in copied] == [["x", "y"], ["x"], []]
    if db.flavour == "MariaDB":
        assert [row["s"] for row in copied] == [[odd, "b"], ["b"], [odd]]
