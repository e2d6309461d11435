"""What users add to the targets of a stream: constraints, triggers, views; none of it stops the source."""
import contextlib

import psycopg2
import pytest

from private_cluster import wait_until
from observing import caught_up, equal, locking, rows, table_row


def set_aside(cluster):
    return {key for (key,) in cluster.query("SELECT key FROM replicator_quarantine WHERE source = 's'")}


def refuse(cluster, table, event):
    cluster.query(f"CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not here'; END$$; "
                  f"CREATE TRIGGER refuse BEFORE {event} ON s.{table} FOR EACH ROW EXECUTE FUNCTION refuse(); "
                  f"ALTER TABLE s.{table} ENABLE ALWAYS TRIGGER refuse")


def caught_up_but_for_a_table(cluster):
    with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState, match="failed"):
        caught_up(cluster)


@pytest.fixture
def without_function(cluster):
    yield
    cluster.query_when_up("DROP FUNCTION IF EXISTS refuse() CASCADE")


def test_values_that_move_from_row_to_row_under_a_unique_index_are_stored(cluster, db, follow):
    follow()
    cluster.query("CREATE UNIQUE INDEX ON s.customer ((data->>'name'))")
    db.run("USE shop; BEGIN; UPDATE customer SET name = 'x' WHERE id = 1; UPDATE customer SET name = 'Åsa' WHERE id = 2; "
           "UPDATE customer SET name = '漢字' WHERE id = 1; COMMIT; "
           "BEGIN; UPDATE customer SET name = 'old' WHERE id = 3; INSERT INTO customer VALUES (0, '', 0, NULL); COMMIT")
    caught_up(cluster)
    assert set_aside(cluster) == set()
    assert dict(cluster.query("SELECT id, data->>'name' FROM s.customer")) == {"0": "", "1": "漢字", "2": "Åsa", "3": "old"}
    cluster.query("INSERT INTO s.customer VALUES ('mine', '{\"name\": \"taken\"}', now())")
    db.run("USE shop; BEGIN; UPDATE customer SET name = 'taken' WHERE id = 0; UPDATE customer SET name = 'free' WHERE id = 3; COMMIT")
    caught_up(cluster)
    assert set_aside(cluster) == {"0"}
    assert dict(cluster.query("SELECT id, data->>'name' FROM s.customer WHERE id <> 'mine'")) == {"0": "", "1": "漢字", "2": "Åsa",
                                                                                                  "3": "free"}


def test_a_target_that_others_depend_on_stays_behind(cluster, db, follow):
    follow(options='{"on_drop": "drop"}')
    cluster.query("CREATE VIEW s.lines AS SELECT * FROM s.line")
    db.run("DROP TABLE line; INSERT INTO customer VALUES (70, '', 0, NULL)", "shop")
    caught_up(cluster)
    assert "70" in rows(cluster, "customer") and cluster.status("s")["state"] == "streaming"
    row = table_row(cluster, "line")
    assert row["state"] == "excluded" and "was dropped at the source" in row["reason"] and "depend" in row["reason"]
    assert len(rows(cluster, "line")) == 3
    cluster.query("DROP VIEW s.lines")
    db.run("CREATE TABLE line (id INT PRIMARY KEY); INSERT INTO line VALUES (5)", "shop")
    caught_up(cluster)
    assert set(rows(cluster, "line")) == {"5"}


def test_a_truncate_that_the_target_refuses_concerns_that_table(cluster, db, follow, without_function):
    follow()
    refuse(cluster, "line", "DELETE")
    db.run("TRUNCATE TABLE line; INSERT INTO customer VALUES (70, '', 0, NULL)", "shop")
    caught_up_but_for_a_table(cluster)
    assert "70" in rows(cluster, "customer") and cluster.status("s")["state"] == "streaming"
    assert table_row(cluster, "line")["state"] == "failed" and "not here" in table_row(cluster, "line")["reason"]
    cluster.query("DROP FUNCTION refuse() CASCADE; SELECT replicator_resync('s', 'line')")
    caught_up(cluster)
    assert rows(cluster, "line") == {} and equal(cluster)


def test_rows_that_were_set_aside_go_with_a_truncate(cluster, db, follow):
    follow()
    cluster.query("ALTER TABLE s.customer ADD CHECK (data->>'name' <> 'bad')")
    db.run("UPDATE customer SET name = 'bad' WHERE id = 1; UPDATE line SET v = 9", "shop")
    caught_up(cluster)
    assert set_aside(cluster) == {"1"}
    db.run("TRUNCATE TABLE customer; INSERT INTO customer VALUES (2, 'bad', 0, NULL)", "shop")
    caught_up(cluster)
    assert set_aside(cluster) == {"2"} and rows(cluster, "customer") == {}


def test_the_target_of_a_table_without_a_key_may_be_changed(cluster, keyless, follow):
    follow()
    cluster.query("ALTER TABLE s.log RENAME COLUMN data TO document")
    keyless.run("INSERT INTO log VALUES (5, 'e'); INSERT INTO customer VALUES (70, '', 0, NULL)", "shop")
    caught_up_but_for_a_table(cluster)
    assert "70" in rows(cluster, "customer") and cluster.status("s")["state"] == "streaming"
    assert table_row(cluster, "log")["state"] == "failed" and "cannot be brought up to date" in table_row(cluster, "log")["reason"]
    cluster.query("ALTER TABLE s.log RENAME COLUMN document TO data; SELECT replicator_resync('s', 'log')")
    caught_up(cluster)
    assert cluster.query("SELECT count(*) FROM s.log") == [(8,)]


def test_indexes_are_built_as_soon_as_a_table_is_read_in_full(cluster, keyless, follow):
    """No worker ends then, and nobody calls a function: each copy that is complete has to ask for them itself."""
    def ready(*tables):
        # Long enough for a build, and far less than what the launcher looks again for by itself.
        built = "SELECT tablename FROM pg_indexes WHERE schemaname = 's' AND indexname ~ '_idx$'"
        wait_until(lambda: {table for (table,) in cluster.query(built)} == set(tables), 45,
                   lambda: f"the indexes: {cluster.query('SELECT * FROM replicator_indexes')}")
    follow(rules='{"gin": "jsonb_ops"}', options='{"keyless_refresh_interval": "3s"}')
    ready("customer", "line", "log", "nothing")
    keyless.run("CREATE TABLE later (id INT PRIMARY KEY); INSERT INTO later VALUES (5)", "shop")
    ready("customer", "line", "log", "nothing", "later")
    cluster.query("DROP TABLE s.log")
    wait_until(lambda: cluster.query("SELECT to_regclass('s.log')") != [(None,)], what="the refresh that makes it again")
    ready("customer", "line", "log", "nothing", "later")

def test_an_error_with_any_code_concerns_its_row(cluster, db, follow, without_function):
    """Code of users can raise any SQLSTATE: the source's worker must neither stop nor try again for ever."""
    follow()
    cluster.query("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF NEW.data->>'name' ~ '^[0-9A-Z]{5}$' "
                  "THEN RAISE 'not here' USING ERRCODE = NEW.data->>'name'; END IF; RETURN NEW; END$$; "
                  "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON s.customer FOR EACH ROW EXECUTE FUNCTION refuse(); "
                  "ALTER TABLE s.customer ENABLE ALWAYS TRIGGER refuse")
    worker = cluster.status("s")["worker_pid"]
    codes = ["45000", "AB123", "57014", "57P01", "53100", "08006", "58030", "55P03", "40001", "40P01", "XX000", "42501"]
    values = ", ".join(f"({100 + n}, '{code}', 0, NULL)" for n, code in enumerate(codes))
    db.run(f"USE shop; BEGIN; INSERT INTO customer VALUES {values}, (70, 'fine', 0, NULL); UPDATE line SET v = 9; COMMIT")
    caught_up(cluster)
    assert dict(cluster.query("SELECT key, sqlstate FROM replicator_quarantine")) == {str(100 + n): code for n, code in enumerate(codes)}
    assert "70" in rows(cluster, "customer") and cluster.query("SELECT DISTINCT data->>'v' FROM s.line") == [("9",)]
    assert (cluster.status("s")["state"], cluster.status("s")["worker_pid"]) == ("streaming", worker)


def test_what_a_trigger_resets_is_as_before_for_the_next_write(cluster, db, follow, without_function):
    """RESET ALL in one left the worker writing as if it were no replica, for its life."""
    follow()
    cluster.query("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF TG_NARGS > 0 THEN RAISE 'not for replicas'; END "
                  "IF; RESET ALL; "
                  "RETURN NEW; END$$; CREATE TRIGGER reset BEFORE INSERT ON s.customer FOR EACH ROW EXECUTE FUNCTION refuse(); "
                  "ALTER TABLE s.customer ENABLE REPLICA TRIGGER reset; "
                  "CREATE TRIGGER here BEFORE INSERT OR UPDATE ON s.line FOR EACH ROW EXECUTE FUNCTION refuse('x')")
    for n in (70, 71):
        db.run(f"USE shop; INSERT INTO customer VALUES ({n}, '', 0, NULL); UPDATE line SET v = {n}")
        caught_up(cluster)
    assert set_aside(cluster) == set() and equal(cluster)


def aside(cluster, table="customer"):
    return cluster.query("SELECT state, consistency, blocked_by, blocking_query FROM replicator_tables "
                         'WHERE source = %s AND "table" = %s AND locked_since IS NOT NULL', ("s", table))


def lines_become(cluster, db, value):
    """Of two tables that one transaction has changed, the other one's rows arrive."""
    db.run(f"USE shop; BEGIN; UPDATE customer SET rate = {value}; INSERT INTO customer VALUES ({100 + value}, '', 0, NULL); "
           f"UPDATE line SET v = {value}; COMMIT")
    wait_until(lambda: cluster.query("SELECT DISTINCT data->>'v' FROM s.line") == [(str(value),)], what="the changes of the other table")


def test_a_locked_target_holds_up_its_own_table_only(cluster, db, follow):
    follow(options='{"target_lock_patience": "200ms"}')
    with locking(cluster, "LOCK TABLE s.customer") as pid:
        lines_become(cluster, db, 7)
        assert aside(cluster) == [("pending", "locked", [pid], "BEGIN; LOCK TABLE s.customer")]
        status = cluster.status("s")
        assert status["blocked_by"] == [pid] and status["state"] == "copying" and "customer: its target is locked" in status["last_error"]
        lines_become(cluster, db, 8)
        with pytest.raises(psycopg2.errors.QueryCanceled, match="not up to date within the timeout\nDETAIL: .*customer"):
            cluster.query("CALL replicator_wait('s', '100 ms')")
    caught_up(cluster)
    row = table_row(cluster, "customer")
    assert (row["state"], row["consistency"], row["locked_since"]) == ("streaming", "transaction", None)
    with locking(cluster, "SELECT FROM s.customer FOR UPDATE"):  # which is not seen without waiting for it
        lines_become(cluster, db, 9)
        assert [row[:3] for row in aside(cluster)] in ([], [("pending", "locked", [])])
    caught_up(cluster)
    assert set_aside(cluster) == set() and equal(cluster)


def test_locked_targets_are_waited_for_once_in_a_batch_and_not_in_the_next(cluster, db, follow):
    db.run("CREATE TABLE free (id INT PRIMARY KEY)", "shop")
    follow(options='{"target_lock_patience": "2s"}')
    cluster.configure(log_lock_waits="on", deadlock_timeout="200ms")  # each wait of 200 ms is a line in the log
    cluster.reload()
    try:
        with locking(cluster, "LOCK TABLE s.customer, s.line"):
            before = len(cluster.log_text())
            db.run("USE shop; BEGIN; UPDATE customer SET rate = 7; UPDATE line SET v = 7; INSERT INTO free VALUES (1); COMMIT")
            wait_until(lambda: aside(cluster) and aside(cluster, "line"), 60, "both tables to wait aside")
            db.run("USE shop; BEGIN; UPDATE customer SET rate = 8; UPDATE line SET v = 8; INSERT INTO free VALUES (2); COMMIT")
            wait_until(lambda: len(rows(cluster, "free")) == 2, 60, "the next batch")
            waits = [line for line in cluster.log_text()[before:].splitlines() if "still waiting for" in line]
            assert len(waits) == 1, waits
    finally:
        cluster.configure(log_lock_waits="off", deadlock_timeout="1s")
        cluster.reload()
    caught_up(cluster)
    assert equal(cluster)


def test_a_schema_that_is_being_renamed_holds_up_its_own_tables_only(cluster, db, follow):
    """Its owner needs no right on the targets for that. Their names have to be held, so the whole source stood still."""
    db.run("DROP DATABASE IF EXISTS side; CREATE DATABASE side; CREATE TABLE side.near (id INT PRIMARY KEY, v INT); INSERT INTO side.near "
           "VALUES (1, 1)")
    cluster.query("CREATE ROLE landlord; GRANT CREATE ON DATABASE postgres TO landlord; CREATE SCHEMA shop AUTHORIZATION landlord")
    follow(database="shop,side", target_schema="{database}", options='{"target_lock_patience": "200ms"}')
    rename = "SET LOCAL ROLE landlord; SAVEPOINT a; ALTER SCHEMA shop RENAME TO elsewhere"
    with locking(cluster, rename) as pid:
        db.run("BEGIN; UPDATE shop.customer SET rate = 7; UPDATE side.near SET v = 7; COMMIT")
        wait_until(lambda: cluster.query("SELECT data->>'v' FROM side.near") == [("7",)], 60,
                   lambda: f"the other table: {cluster.status('s')}")
        assert aside(cluster) == [("pending", "locked", [pid], f"BEGIN; {rename}")]
        assert cluster.status("s")["blocked_by"] == [pid]
        db.run("UPDATE side.near SET v = 8")
        wait_until(lambda: cluster.query("SELECT data->>'v' FROM side.near") == [("8",)], what="the other table, again")
        assert aside(cluster) == [("pending", "locked", [pid], f"BEGIN; {rename}")]
        cluster.query("SELECT pg_terminate_backend(%s)", (pid,))
        caught_up(cluster)
    assert table_row(cluster, "customer")["state"] == "streaming" and set_aside(cluster) == set() and equal(cluster)
    cluster.query("SELECT replicator_drop('s', drop_tables => true); DROP SCHEMA shop, side; DROP OWNED BY landlord; DROP ROLE landlord")
    db.run("DROP DATABASE side")


def test_no_call_waits_for_a_locked_target(cluster, db, follow):
    """Not even in the midst of a transaction of the source that is larger than a batch."""
    follow(options='{"target_lock_patience": "1h", "apply_batch_rows": 1}')
    with locking(cluster, "LOCK TABLE s.customer") as pid:
        db.run("USE shop; BEGIN; UPDATE line SET v = 7; UPDATE customer SET rate = 7; COMMIT")
        wait_until(lambda: cluster.status("s")["blocked_by"] == [pid], what="the worker to wait")
        for call in ("SELECT replicator_sync('s')", "SELECT replicator_pause('s')", "SELECT replicator_resume('s')"):
            cluster.query(f"SET statement_timeout = '20s'; {call}")
        with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '20s'")
            with pytest.raises(psycopg2.errors.QueryCanceled, match="not up to date within the timeout"):
                cursor.execute("CALL replicator_wait('s', '100 ms')")
    caught_up(cluster)
    assert set_aside(cluster) == set() and equal(cluster)


def test_what_is_said_of_a_row_by_code_of_the_owner_is_shown_to_those_who_may_read_it(cluster, db, follow):
    """A trigger refuses one row in words of its own; a CHECK has the server quote another, which fails its table."""
    follow()
    cluster.query("CREATE FUNCTION s.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.data->>'name' ~ '^quoted' THEN "
                  "RAISE 'no %', NEW.data->>'name' USING ERRCODE = '42501', HINT = NEW.data->>'name', DETAIL = NEW.data->>'name'; "
                  "END IF; RETURN NEW; END $$; "
                  "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON s.customer FOR EACH ROW EXECUTE FUNCTION s.refuse(); "
                  "ALTER TABLE s.customer ENABLE ALWAYS TRIGGER refuse; "
                  "ALTER TABLE s.line ADD CHECK (data->>'b' !~ '^quoted' OR (data->>'b')::regclass IS NOT NULL); "
                  "CREATE ROLE onlooker LOGIN IN ROLE pg_monitor")
    try:
        db.run("INSERT INTO customer VALUES (90, 'quoted_name', 0, NULL); INSERT INTO line VALUES (9, 'quoted_b', 9)", "shop")
        wait_until(lambda: set_aside(cluster) == {"90"} and "quoted_b" in (table_row(cluster, "line")["last_error"] or ""),
                   what=lambda: f"both errors: {set_aside(cluster)} {table_row(cluster, 'line')}")
        views = ("status", "tables", "events", "indexes", "progress", "jobs", "quarantine", "differences")
        shown = {user: str([cluster.query(f"SELECT v::text FROM replicator_{view} v", user=user) for view in views])
                 for user in ("postgres", "onlooker")}
        assert all(text in shown["postgres"] for text in ("no quoted_name", "quoted_b"))
        assert "quoted_" not in shown["onlooker"] and "SQLSTATE 42P01" in shown["onlooker"]
    finally:
        cluster.query("DROP OWNED BY onlooker; DROP ROLE onlooker; DROP FUNCTION s.refuse() CASCADE")
