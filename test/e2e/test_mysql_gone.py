"""Tables that go at the source where no statement is met that says so: while it is copied as a whole, or is read ahead of its log."""
import pytest

from private_cluster import wait_until
from observing import caught_up, locking, registered, rows, run_bytes, table_row

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


def test_a_right_that_is_taken_while_a_copy_of_all_looks_for_tables_takes_none_away(cluster, db, narrow):
    pause(cluster)
    cluster.query("SELECT replicator_resync('s')")
    with cluster.waiting_at("rights_asked", lambda: cluster.query("SELECT replicator_resume('s')")):
        db.run(f"REVOKE SELECT ON shop.line FROM {ACCOUNT}")
    denied(cluster)
    given_back(cluster, db)


def test_a_right_that_is_given_back_at_once_hides_no_table_from_a_copy_of_all(cluster, db, narrow):
    target = cluster.query("SELECT to_regclass('s.line')::oid")
    pause(cluster)
    cluster.query("SELECT replicator_resync('s')")
    with cluster.waiting_at("rights_asked", lambda: cluster.query("SELECT replicator_resume('s')")):
        db.run(f"REVOKE SELECT ON shop.line FROM {ACCOUNT}")
        cluster.fail_at("tables_missed:wait")
        cluster.wait_for_waiting("tables_missed")
        db.run(f"GRANT SELECT ON shop.line TO {ACCOUNT}")
    cluster.wait_for_state("s", "streaming")
    caught_up(cluster)
    assert table_row(cluster, "line")["state"] == "streaming" and cluster.query("SELECT to_regclass('s.line')::oid") == target


def test_a_table_that_one_of_two_looks_has_found_is_not_taken_for_gone(cluster, db, narrow):
    """The first has missed another one, which is why there is a second."""
    target = cluster.query("SELECT to_regclass('s.customer')::oid")
    pause(cluster)
    cluster.query("SELECT replicator_resync('s')")
    with cluster.waiting_at("rights_asked", lambda: cluster.query("SELECT replicator_resume('s')")):
        db.run(f"REVOKE SELECT ON shop.line FROM {ACCOUNT}")
        cluster.fail_at("tables_missed:wait")
        cluster.wait_for_waiting("tables_missed")
        db.run(f"GRANT SELECT ON shop.line TO {ACCOUNT}; RENAME TABLE customer TO away", "shop")
        cluster.fail_at("tables_registered:wait")
        cluster.wait_for_waiting("tables_registered")
        db.run("RENAME TABLE away TO customer", "shop")
    wait_until(lambda: (table_row(cluster, "customer") or {}).get("state") == "streaming", 240, lambda: f"{table_row(cluster, 'customer')}")
    caught_up(cluster)
    assert len(rows(cluster, "customer")) == 3 and cluster.query("SELECT to_regclass('s.customer')::oid") == target


def test_rights_that_a_copy_of_all_has_seen_are_not_known_before_what_they_hide(cluster, db, narrow):
    """A copy that fails in between begins again."""
    pause(cluster)
    db.run(f"REVOKE SELECT ON shop.line FROM {ACCOUNT}")
    cluster.fail_at("tables_registered:error")
    cluster.query("SELECT replicator_resync('s'), replicator_resume('s')")
    cluster.wait_for_failure()
    denied(cluster)
    given_back(cluster, db)


def note_change(cluster, table):
    """As a statement does that the source does not show yet when it is met."""
    cluster.query("UPDATE replicator.source_table SET changed = true WHERE name = %s", (table,))


def test_a_table_that_is_to_be_looked_at_may_be_out_of_sight_too(cluster, db, narrow):
    pause(cluster)
    note_change(cluster, "line")
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


def test_a_table_that_was_denied_stays_so_in_other_modes(cluster, db, narrow):
    db.run(f"REVOKE SELECT ON shop.line FROM {ACCOUNT}")
    denied(cluster)
    cluster.query("SELECT replicator_alter('s', mode => 'periodic', refresh_interval => '1 hour')")
    cluster.wait_for_copy("s")
    denied(cluster)
    cluster.query("SELECT replicator_alter('s', exclude_tables => '{nothing}')")
    denied(cluster)
    cluster.wait_for_copy("s")
    cluster.query("SELECT replicator_alter('s', mode => 'continuous')")
    cluster.wait_for_state("s", "streaming")
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


def waits_aside(cluster, pid, table="line"):
    """The table is gone, its target is to go, and is locked."""
    def row():
        return table_row(cluster, table) or {}
    wait_until(lambda: row().get("state") == "pending" and row().get("blocked_by") == [pid], 240,
               lambda: f"the table to wait aside: {row()}")
    assert cluster.query("SELECT to_regclass(%s) IS NOT NULL", (f"s.{table}",)) == [(True,)]


def go_and_are_copied(cluster, db):
    pause(cluster)
    db.run("DROP TABLE customer; DROP TABLE line; DROP TABLE log", "shop")
    cluster.query("SELECT replicator_resync('s'), replicator_resume('s')")


def is_looked_for(cluster, db):
    with cluster.waiting_at("between_batches"):
        db.run("SET sql_log_bin = 0; DROP TABLE line", "shop")
        cluster.query("SELECT replicator_resync('s', 'line')")


WAYS_TO_GO = {
    "a copy of all": go_and_are_copied,
    "the log": lambda cluster, db: db.run("DROP TABLE line", "shop"),
    "a copy beside the stream": is_looked_for,
}
READ = "LOCK TABLE s.line IN ACCESS SHARE MODE"


@pytest.mark.parametrize("way", WAYS_TO_GO)
def test_a_target_that_is_to_go_and_is_locked_goes_later(cluster, db, keyless, follow, way):
    """Others go at once."""
    follow(options='{"on_drop": "drop", "target_lock_patience": "200ms"}')
    with locking(cluster, READ) as pid:
        WAYS_TO_GO[way](cluster, db)
        waits_aside(cluster, pid)
        if way == "a copy of all":
            wait_until(lambda: table_row(cluster, "log") is None and table_row(cluster, "customer") is None, 240, "the others to go")
        db.run("INSERT INTO nothing VALUES (1)", "shop")
        cluster.query("SELECT replicator_resync('s', 'nothing')")
        wait_until(lambda: len(rows(cluster, "nothing")) == 1, 240, lambda: f"the stream to go on: {cluster.status('s')}")
    caught_up(cluster)
    gone(cluster, "line", "drop", 3)


def waits_for(cluster, pid):
    wait_until(lambda: cluster.status("s")["blocked_by"] == [pid], 240, lambda: f"the worker to wait: {cluster.status('s')}")


def test_a_target_that_goes_is_held_by_no_lock_on_another(cluster, db, keyless, follow):
    follow(options='{"on_drop": "drop", "target_lock_patience": "1h"}')
    with locking(cluster, READ) as pid:
        go_and_are_copied(cluster, db)
        waits_for(cluster, pid)
        assert cluster.query("SELECT to_regclass('s.customer')") == [(None,)]
    caught_up(cluster)
    gone(cluster, "line", "drop", 3)


def left_by(cluster, db, follow, way, call):
    """What becomes of line, which goes while a reader holds its target, and the call is made meanwhile."""
    follow(options='{"on_drop": "drop", "target_lock_patience": "1h"}')
    with locking(cluster, READ) as pid:
        WAYS_TO_GO[way](cluster, db)
        waits_for(cluster, pid)
        cluster.query(call)
    caught_up(cluster)
    row = table_row(cluster, "line")
    assert row and row["state"] == "excluded" and len(rows(cluster, "line")) == 3, row
    return row


@pytest.mark.parametrize("way", WAYS_TO_GO)
def test_a_target_stays_whose_table_a_person_removes_while_it_is_waited_for(cluster, db, keyless, follow, way):
    row = left_by(cluster, db, follow, way, "SELECT replicator_remove_table('s', 'line')")
    assert row["reason"] == "named by exclude_tables"


@pytest.mark.parametrize("way", WAYS_TO_GO)
def test_a_target_stays_that_options_keep_before_it_goes(cluster, db, keyless, follow, way):
    left_by(cluster, db, follow, way, "SELECT replicator_alter('s', options => '{\"on_drop\": \"keep\"}')")


def test_a_copy_that_has_begun_drops_no_target_that_options_keep_by_then(cluster, db, follow):
    follow(options='{"on_drop": "drop"}')
    pause(cluster)
    db.run("DROP TABLE customer; DROP TABLE line", "shop")
    cluster.query("SELECT replicator_resync('s')")
    with cluster.waiting_at("tables_registered", lambda: cluster.query("SELECT replicator_resume('s')")):
        cluster.query("SELECT replicator_alter('s', options => '{\"on_drop\": \"keep\"}')")
    cluster.wait_for_state("s", "streaming")
    caught_up(cluster)
    gone(cluster, "line", "keep", 3)
    gone(cluster, "customer", "keep", 3)


def test_a_target_stays_whose_row_a_call_holds(cluster, db, follow):
    """Whoever holds the row may wait for the target, which is let go of, and tried again."""
    follow(options='{"on_drop": "drop", "target_lock_patience": "1h"}')
    with locking(cluster, "SELECT replicator_pause_table('s', 'customer')") as pid:
        db.run("DROP TABLE customer", "shop")
        waits_for(cluster, pid)
        assert cluster.query("SET lock_timeout = '20s'; SELECT count(*) FROM s.customer") == [(3,)]
    caught_up(cluster)
    gone(cluster, "customer", "drop", 3)


@pytest.fixture
def side(db):
    db.run("DROP DATABASE IF EXISTS side; CREATE DATABASE side; CREATE TABLE side.near (id INT PRIMARY KEY); "
           "INSERT INTO side.near VALUES (1)")
    yield
    db.run("DROP DATABASE IF EXISTS side")


def test_a_table_that_is_to_be_looked_at_goes_with_its_database_from_the_url(cluster, db, side, follow):
    """Its target stays, as those of the database's other tables do."""
    follow(database="shop,side", options='{"on_drop": "drop"}')
    pause(cluster)
    note_change(cluster, "near")
    cluster.query("SELECT replicator_alter('s', source_url => %s)", (db.url("shop"),))
    row = table_row(cluster, "near")
    assert (row["state"], row["reason"]) == ("excluded", "its database is no part of the source"), row
    assert cluster.query("SELECT changed FROM replicator.source_table WHERE name = 'near'") == [(False,)]
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    assert table_row(cluster, "near")["state"] == "excluded" and rows(cluster, "near") == {"1": '{"id": 1}'}


def test_the_last_table_of_a_database_goes_as_its_statement_says(cluster, db, side, follow):
    """A call that finds nothing of the database leaves that to the log."""
    follow(database="shop,side", options='{"on_drop": "drop"}')
    pause(cluster)
    db.run("DROP TABLE side.near")
    cluster.query("SELECT replicator_alter('s', exclude_tables => '{nothing}')")
    assert table_row(cluster, "near")["state"] == "streaming"
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    gone(cluster, "near", "drop", 1)
