"""Tables that go at the source where no statement is met that says so: while it is copied as a whole, or is read ahead of its log."""
import pytest

from private_cluster import wait_until
from observing import caught_up, registered, rows, run_bytes, table_row

ACCOUNT = "'narrow'@'127.0.0.1'"


def pause(cluster):
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")


def copied_as_a_whole(cluster):
    """The log is followed from a place after the statements."""
    cluster.query("SELECT replicator_resync('s'), replicator_resume('s')")
    cluster.wait_for_state("s", "streaming")
    caught_up(cluster)
    status = cluster.status("s")
    assert (status["state"], status["percent"], status["last_error"]) == ("streaming", 100, None), status


def gone(cluster, table, on_drop, kept):
    if on_drop == "keep":
        row = table_row(cluster, table)
        assert (row["state"], row["reason"], row["last_error"]) == ("excluded", "is no longer at the source", None), row
        assert len(rows(cluster, table)) == kept
    else:
        assert table_row(cluster, table) is None and cluster.query("SELECT to_regclass(%s)", (f"s.{table}",)) == [(None,)]


@pytest.mark.parametrize("on_drop", ["keep", "drop"])
def test_tables_that_go_before_a_copy_of_all_are_as_after_the_statement(cluster, db, keyless, follow, on_drop):
    follow(options=f'{{"on_drop": "{on_drop}"}}')
    pause(cluster)
    db.run("DROP TABLE line; DROP TABLE log; RENAME TABLE customer TO client", "shop")
    copied_as_a_whole(cluster)
    for table, kept in (("line", 3), ("log", 7), ("customer", 3)):
        gone(cluster, table, on_drop, kept)
    assert len(rows(cluster, "client")) == 3
    db.run("CREATE TABLE line (a INT PRIMARY KEY); INSERT INTO line VALUES (5)", "shop")
    caught_up(cluster)
    assert rows(cluster, "line") == {"5": '{"a": 5}'} and table_row(cluster, "line")["state"] == "streaming"


def test_a_target_on_which_others_depend_stays_when_its_table_goes(cluster, db, follow):
    follow(options='{"on_drop": "drop"}')
    pause(cluster)
    db.run("DROP TABLE line", "shop")
    cluster.query("CREATE VIEW s.depends AS SELECT * FROM s.line")
    copied_as_a_whole(cluster)
    row = table_row(cluster, "line")
    assert row["state"] == "excluded" and row["reason"].startswith("is no longer at the source; its target stays: "), row
    assert len(rows(cluster, "line")) == 3
    cluster.query("DROP VIEW s.depends")


def test_tables_that_have_gone_with_the_log_are_let_go_when_all_is_copied_again(cluster, db, follow):
    """The log that held the statement is lost."""
    follow(options='{"on_position_lost": "resync"}')
    pause(cluster)
    db.run("DROP TABLE line; INSERT INTO customer VALUES (9, '', 0, NULL)", "shop")
    db.begin_log_file()
    wait_until(lambda: purged(db), 45, "the log to be purged")
    cluster.query("SELECT replicator_resume('s')")
    wait_until(lambda: "9" in rows(cluster, "customer"), 240, lambda: f"the copy: {cluster.status('s')}")
    caught_up(cluster)
    gone(cluster, "line", "keep", 3)
    assert cluster.status("s")["percent"] == 100


def purged(db):
    """All log files but the last one, which is new."""
    logs = [row[0] for row in db.query("SHOW BINARY LOGS")]
    if len(logs) > 1:
        db.run(f"PURGE BINARY LOGS TO '{logs[-1]}'")
    else:
        db.begin_log_file()
    return len(logs) > 1 and len(db.query("SHOW BINARY LOGS")) == 1


@pytest.mark.parametrize("table", ["line", "log"])
@pytest.mark.parametrize("on_drop", ["keep", "drop"])
def test_a_table_that_a_copy_beside_the_stream_does_not_find_is_as_after_the_statement(cluster, db, keyless, follow, table, on_drop):
    """The statement is met a moment later."""
    follow(options=f'{{"on_drop": "{on_drop}"}}')
    kept = len(rows(cluster, table))
    with cluster.waiting_at("between_batches"):
        db.run(f"DROP TABLE {table}", "shop")
        cluster.query("SELECT replicator_resync('s', %s)", (table,))
    caught_up(cluster)
    gone(cluster, table, on_drop, kept)


def test_a_call_that_does_not_find_a_table_leaves_it_to_the_log(cluster, db, keyless, follow):
    follow()
    pause(cluster)
    failures = cluster.query("SELECT count(*) FROM replicator_events WHERE action = 'table failed'")
    db.run("DROP TABLE log", "shop")
    cluster.query("SELECT replicator_alter('s', exclude_tables => '{nothing}')")
    assert table_row(cluster, "log")["state"] == "idle"
    assert cluster.query("SELECT count(*) FROM replicator_events WHERE action = 'table failed'") == failures
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    row = table_row(cluster, "log")
    assert row["state"] == "excluded" and row["reason"] in ("was dropped at the source", "is no longer at the source"), row
    assert len(rows(cluster, "log")) == 7


@pytest.fixture
def narrow(cluster, db, source_s):
    """An account with rights to two tables, by which they are followed: even the targets of tables that go would go."""
    db.run(f"CREATE USER {ACCOUNT} IDENTIFIED BY 'pw'; GRANT REPLICATION SLAVE ON *.* TO {ACCOUNT}; "
           f"GRANT SELECT ON shop.customer TO {ACCOUNT}; GRANT SELECT ON shop.line TO {ACCOUNT}")
    registered(cluster, db.url("shop", user="narrow", password="pw"), options='{"on_drop": "drop"}')
    caught_up(cluster)
    yield
    db.run(f"DROP USER {ACCOUNT}")


def denied(cluster, kept=3):
    wait_until(lambda: cluster.query("SELECT 1 FROM replicator.source_table WHERE name = 'line' AND (changed OR state NOT IN ('failed', "
                                     "'excluded'))") == [], 240, lambda: f"the table to be looked at: {table_row(cluster, 'line')}")
    row = table_row(cluster, "line")
    assert row and row["state"] == "failed" and "may not read" in row["reason"] and len(rows(cluster, "line")) == kept, row


def given_back(cluster, db):
    db.run(f"GRANT SELECT ON shop.line TO {ACCOUNT}; INSERT INTO shop.line (a, b, v) VALUES (8, 'open', 8)")
    wait_until(lambda: '[8,"open"]' in rows(cluster, "line"), 240, "the table to come back")
    cluster.wait_for_state("s", "streaming")


def test_a_table_that_may_not_be_seen_any_more_is_not_taken_for_gone(cluster, db, narrow):
    pause(cluster)
    db.run(f"REVOKE SELECT ON shop.line FROM {ACCOUNT}")
    cluster.query("SELECT replicator_resync('s'), replicator_resume('s')")
    denied(cluster)
    given_back(cluster, db)


NOT_UNDERSTOOD = b"ALTER TABLE line ADD COLUMN c VARBINARY(3) DEFAULT _binary'\xff\xfe\x80', COMMENT 'off'"
LOOKS = {
    "resync": lambda cluster, db: cluster.query("SELECT replicator_resync('s')"),
    "resync of the table": lambda cluster, db: cluster.query("SELECT replicator_resync('s', 'line')"),
    "resume of the table": lambda cluster, db: cluster.query("SELECT replicator_resume_table('s', 'line')"),
    "resume": lambda cluster, db: (pause(cluster), cluster.query("SELECT replicator_resume('s')")),
    "ALTER": lambda cluster, db: db.run("ALTER TABLE line ADD w INT", "shop"),
    "TRUNCATE": lambda cluster, db: db.run("TRUNCATE line", "shop"),
    "not understood": lambda cluster, db: run_bytes(db, NOT_UNDERSTOOD, "sjis"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_table_that_was_denied_stays_so_each_time_that_it_is_looked_for(cluster, db, narrow, look):
    """The rights are the same as at the last look; that they have changed since the table was read is known all the same."""
    db.run(f"REVOKE SELECT ON shop.line FROM {ACCOUNT}")
    denied(cluster)
    for number in (11, 12):
        LOOKS[look](cluster, db) if number == 11 or look.startswith("res") or look == "TRUNCATE" else None
        db.run(f"INSERT INTO customer VALUES ({number}, '', 0, NULL)", "shop")
        wait_until(lambda: str(number) in rows(cluster, "customer"), 240, lambda: f"the other table: {cluster.status('s')}")
        denied(cluster)
    given_back(cluster, db)


def test_a_table_that_was_denied_and_is_dropped_goes(cluster, db, narrow):
    db.run(f"REVOKE SELECT ON shop.line FROM {ACCOUNT}")
    denied(cluster)
    db.run("DROP TABLE line", "shop")
    wait_until(lambda: table_row(cluster, "line") is None, 240, "the table to go")
    gone(cluster, "line", "drop", 3)


def test_a_statement_that_is_not_understood_takes_no_table_that_may_not_be_seen(cluster, db, narrow):
    with cluster.waiting_at("between_batches"):
        db.run(f"SET sql_log_bin = 0; REVOKE SELECT ON shop.line FROM {ACCOUNT}")
        run_bytes(db, NOT_UNDERSTOOD, "sjis")
    denied(cluster)
    given_back(cluster, db)
