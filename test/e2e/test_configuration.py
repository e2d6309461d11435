"""Changes of the configuration, and faults, while a copy is under way. Each of these was lost or left something behind once."""
import contextlib
import pathlib
import shutil
import threading
import time

import psycopg2
import pytest

from private_cluster import PrivateCluster, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def two_tables(database, many_rows):
    def make(name, rows=210_000):
        return database(name, many_rows(rows), "CREATE TABLE u (id INTEGER PRIMARY KEY, v); INSERT INTO u VALUES (1, 1);")
    return make


def test_a_table_added_during_a_copy_is_copied(cluster, two_tables, source, assert_equal):
    path = two_tables("added.db")
    with cluster.waiting_at("chunk_committed", lambda: source(path, "added", exclude_tables=["u"])):
        assert cluster.status("added")["state"] == "snapshot"
        cluster.query("SELECT replicator_add_table('added', 'u')")
    cluster.wait_for_copy("added")
    assert_equal(path, "added")


def test_a_new_url_during_a_copy_is_what_is_copied(cluster, two_tables, source, assert_equal):
    first, second = two_tables("first.db"), two_tables("second.db", 5)
    with cluster.waiting_at("chunk_committed", lambda: source(first, "moved")):
        assert cluster.status("moved")["state"] == "snapshot"
        cluster.query("SELECT replicator_alter('moved', source_url => %s)", (f"sqlite://{second}",))
    cluster.wait_for_copy("moved")
    assert_equal(second, "moved")


def test_a_table_removed_during_a_refresh_leaves_no_staging_table(cluster, two_tables, source):
    path = two_tables("removed.db")
    source(path, "removed")
    cluster.wait_for_copy("removed")
    with cluster.waiting_at("chunk_committed", lambda: cluster.query("SELECT replicator_sync('removed')")):
        assert cluster.query("SELECT count(*) FROM replicator.source_table WHERE copy_way IN ('staging', 'staged')") == [(2,)]
        cluster.query("SELECT replicator_remove_table('removed', 'u')")
    cluster.wait_for_copy("removed")
    assert cluster.query("SELECT relname FROM pg_class WHERE relname ~ '^(staging|seen)_[0-9]'") == []
    assert cluster.query("SELECT state FROM replicator_tables WHERE source = 'removed' AND \"table\" = 'u'") == [("excluded",)]


def test_a_table_removed_as_its_copy_begins_stays_out(cluster, two_tables, source):
    """The worker has decided what to copy, and has not begun: the person's word is the later one."""
    path = two_tables("early.db", 5)
    with cluster.waiting_at("targets_made", lambda: source(path, "early")):
        cluster.query("SELECT replicator_remove_table('early', 'u')")
    cluster.wait_for_copy("early")
    assert cluster.query("SELECT \"table\", state FROM replicator_tables WHERE source = 'early' ORDER BY 1") == [
        ("t", "idle"), ("u", "excluded")]


@pytest.fixture
def second_call(cluster):
    """Runs one statement in an open transaction, another in a second session until it waits for the first, and commits.
    Returns the error of the second, if it had one."""
    def run(first, second):
        one, two = cluster.connect(), cluster.connect()
        errors = []

        def call():
            with two.cursor() as cursor:
                try:
                    cursor.execute(*second)
                except psycopg2.Error as error:
                    errors.append(error.diag)
        one.autocommit = False
        caller = threading.Thread(target=call)
        try:
            one.cursor().execute(*first)
            caller.start()
            # The source's worker may stand between the two.
            wait_until(lambda: cluster.query("SELECT 1 WHERE pg_blocking_pids(%s) <> '{}'", (two.info.backend_pid,)),
                       what="the second call to wait")
            one.commit()
        finally:
            one.close()
            if caller.ident is not None:
                caller.join()
            two.close()
        return errors[0] if errors else None
    return run


def test_calls_that_change_a_source_at_once_both_take_effect(cluster, database, source, second_call):
    path = database("both.db", "CREATE TABLE t (a); CREATE TABLE u (a)")
    source(path, "both")
    assert second_call(("SELECT replicator_alter('both', options => '{\"max_quarantined\": 7}')",),
                       ("SELECT replicator_alter('both', mode => 'periodic', refresh_interval => '1 day')",)) is None
    assert second_call(("SELECT replicator_remove_table('both', 't')",), ("SELECT replicator_remove_table('both', 'u')",)) is None
    assert second_call(("SELECT replicator_pause('both')",), ("SELECT replicator_alter('both', refresh_interval => '2 days')",)) is None
    stored = "SELECT options, mode, refresh_interval::text, exclude_tables, paused FROM replicator.source WHERE name = 'both'"
    assert cluster.query(stored) == \
        [({"max_quarantined": 7}, "periodic", "2 days", ["t", "u"], True)]
    assert second_call(("SELECT replicator_drop('both')",), ("SELECT replicator_pause('both')",)).sqlstate == "42704"


@pytest.mark.parametrize("call", ["replicator_verify('gone')", "replicator_repair('gone', 't')", "replicator_replay('gone')",
                                  "replicator_sync('gone')"])
def test_a_call_beside_a_drop_says_that_the_source_is_gone(cluster, database, source, second_call, call):
    source(database("gone.db", "CREATE TABLE t (a)"), "gone")
    cluster.wait_for_copy("gone")
    error = second_call(("SELECT replicator_drop('gone', drop_tables => true)",), ("SELECT " + call,))
    assert (error.sqlstate, error.message_primary) == ("42704", 'source "gone" does not exist')


def test_a_name_that_is_registered_twice_at_once_is_taken_once(cluster, database, source, second_call):
    path = database("twice.db", "CREATE TABLE t (a)")
    init = "SELECT replicator_init(%s, name => 'twice', target_schema => %s)"
    error = second_call((init, (f"sqlite://{path}", "twice")), (init, (f"sqlite://{path}", "left_behind")))
    assert (error.sqlstate, error.message_primary) == ("42710", 'source "twice" exists already'), error.message_primary
    assert cluster.query("SELECT target_schema FROM replicator.source WHERE name = 'twice'") == [("twice",)]
    assert cluster.query("SELECT 1 FROM pg_namespace WHERE nspname = 'left_behind'") == []
    cluster.wait_for_copy("twice")
    cluster.query("SELECT replicator_drop('twice', drop_tables => true)")


def test_a_copy_worker_that_is_terminated_does_not_hold_up_the_copy(cluster, database, source, many_rows, assert_equal):
    path = database("leased.db", many_rows(210_000), "CREATE TABLE u AS SELECT * FROM t")

    def leaseholders():
        pids = {row[0] for row in cluster.query("SELECT lease_pid FROM replicator.chunk WHERE state = 'leased'")}
        return pids if len(pids) == 2 else None
    with cluster.waiting_at("chunk_committed", lambda: source(path, "leased")):
        pid = min(wait_until(leaseholders, 45, "two copy workers at work"))
        cluster.query("SELECT pg_terminate_backend(%s)", (pid,))
    cluster.wait_for_copy("leased", timeout=240)
    assert_equal(path, "leased")


def test_a_target_truncated_during_a_refresh_is_filled_again(cluster, two_tables, source, assert_equal):
    path = two_tables("truncated.db")
    source(path, "truncated")
    cluster.wait_for_copy("truncated")
    with cluster.waiting_at("chunk_committed", lambda: cluster.query("SELECT replicator_sync('truncated')")):
        wait_until(lambda: cluster.query("SELECT 1 FROM replicator.chunk WHERE found_rows BETWEEN 10 AND 209999"), 45,
                   "a part to be compared")
        cluster.query("TRUNCATE truncated.t")
    cluster.wait_for_copy("truncated")
    assert_equal(path, "truncated")


@pytest.mark.parametrize("whole_server", [True, False])
def test_the_server_starts_after_an_aborted_transaction_that_made_a_side_table(whole_server):
    """PostgreSQL's own defect: src/pg/unlogged_table.hpp."""
    cluster = PrivateCluster()
    try:
        shutil.copy(ROOT / "build/pg_replicator_test.so", cluster.directory)
        cluster.query("CREATE EXTENSION pg_replicator")
        cluster.query(f"CREATE FUNCTION make_side_table() RETURNS void LANGUAGE c AS '{cluster.directory}/pg_replicator_test', "
                      "'test_side_table'")
        victim, maker = cluster.connect(), cluster.connect()
        maker.autocommit = False
        maker.cursor().execute("SELECT make_side_table()")
        cluster.query("CREATE TABLE flushed (i int)")  # its commit flushes the log of the creation
        maker.rollback()
        if whole_server:
            cluster.crash()
        else:
            cluster.kill(victim.info.backend_pid)
        assert cluster.query_when_up("SELECT 1", timeout=240) == [(1,)]
    finally:
        cluster.destroy()


def test_the_choice_of_tables_can_be_interrupted_however_much_is_to_be_compared(cluster, database):
    """What the user gives times what the source has."""
    path = database("names.db", *(f"CREATE TABLE t{number} (a)" for number in range(1000)))
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '5s'")
        began = time.monotonic()
        with contextlib.suppress(psycopg2.errors.QueryCanceled):
            cursor.execute("SELECT * FROM replicator_validate(%s, exclude_tables => (SELECT array_agg('*x' || i) FROM "
                           "generate_series(1, 200000) i))", (f"sqlite://{path}",))
        assert time.monotonic() - began < 60
    for given in ("exclude_tables => ARRAY[repeat('a', 1025)]",
                  "rules => jsonb_build_object('gin', jsonb_build_object(repeat('a', 1025), 'jsonb_ops'))"):
        with pytest.raises(psycopg2.errors.InvalidParameterValue, match="too long"):
            cluster.query(f"SELECT replicator_init(%s, name => 'names', {given})", (f"sqlite://{path}",))
