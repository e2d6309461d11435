"""Rights that are taken away while a control call waits."""
import contextlib
import sqlite3

import psycopg2
import pytest

from private_cluster import wait_until
from observing import Waiting


@pytest.fixture
def member(cluster, owners, database, many_rows):
    """A member of the role that owns the source s."""
    cluster.query("CREATE ROLE member LOGIN IN ROLE first_owner; GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO member")
    cluster.query("SELECT replicator_init(%s, name => 's')", (f"sqlite://{database('s.db', many_rows(10))}",), user="first_owner")
    cluster.wait_for_copy("s")
    yield "member"
    if cluster.status("s"):
        cluster.query("SELECT replicator_drop('s', drop_tables => true)")
    cluster.query("DROP OWNED BY member; DROP ROLE member")


@contextlib.contextmanager
def open_transaction(cluster, *statements):
    """Rolled back at the end, unless it was committed."""
    connection = cluster.connect()
    connection.autocommit = False
    with contextlib.closing(connection):
        for statement in statements:
            connection.cursor().execute(statement)
        yield connection
        connection.rollback()


@pytest.mark.parametrize("held_by, call", [("SELECT replicator_drop('s')", "SELECT * FROM replicator_replay('s')"),
                                           ("LOCK TABLE s.t", "SELECT replicator_drop('s', drop_tables => true)")], ids=["turn", "target"])
def test_a_call_that_waits_for_a_lock_has_no_rights_that_were_taken_away(cluster, member, held_by, call):
    with open_transaction(cluster, held_by):
        waiting = Waiting(cluster, call, user=member)
        waiting.waits_for_a_lock(cluster)
        cluster.query("REVOKE first_owner FROM member")
    error = waiting.ended()
    assert isinstance(error, psycopg2.errors.InsufficientPrivilege) and "permission denied for source" in str(error), error
    assert cluster.status("s")["state"] == "idle" and cluster.query("SELECT count(*) FROM s.t") == [(10,)]


SET_ASIDE = "SELECT key FROM replicator_quarantine WHERE source = 's' ORDER BY 1"


def set_rows_aside(cluster, path, *keys):
    """Rows of s.t that a CHECK has refused, which is gone."""
    cluster.query("ALTER TABLE s.t ADD CONSTRAINT no CHECK (data->>'b' <> 'refused')")
    with contextlib.closing(sqlite3.connect(path, timeout=240)) as file:
        file.executescript(f"UPDATE t SET b = 'refused' WHERE id IN ({', '.join(keys)})")
    cluster.query("SELECT replicator_sync('s')")
    cluster.wait_for_copy("s")
    cluster.query("ALTER TABLE s.t DROP CONSTRAINT no")
    assert cluster.query(SET_ASIDE) == [(key,) for key in keys]


@contextlib.contextmanager
def rows_set_aside(cluster, path, *keys):
    """They stay so."""
    set_rows_aside(cluster, path, *keys)
    yield
    assert cluster.query(SET_ASIDE) == [(key,) for key in keys], "nothing was written"


REPLAY = "SELECT * FROM replicator_replay('s')"


def test_a_call_waits_for_the_turn_of_a_session_no_longer_than_lock_timeout(cluster, member, files):
    with rows_set_aside(cluster, files / "s.db", "1"), open_transaction(cluster, REPLAY), contextlib.closing(cluster.connect()) as caller:
        caller.cursor().execute("SET lock_timeout = '4s'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            caller.cursor().execute("SELECT replicator_resync('s')")


def test_a_deadlock_about_the_turn_is_found(cluster, member, files):
    """One session has the turn and asks for the source, the other the other way round."""
    set_rows_aside(cluster, files / "s.db", "1")
    with open_transaction(cluster, REPLAY) as replay:
        waiting = Waiting(cluster, "SELECT replicator_resync('s')")
        waiting.waits_for_a_lock(cluster)
        of_replay = None
        try:
            replay.cursor().execute("SELECT replicator_pause('s')")
        except psycopg2.errors.DeadlockDetected as error:
            of_replay = error
        replay.rollback()
        of_call = waiting.ended()
    assert [type(error) for error in (of_replay, of_call) if error] == [psycopg2.errors.DeadlockDetected]


def test_a_call_that_waits_for_a_row_has_no_rights_that_were_taken_away(cluster, member, files):
    """Whoever waits for a row takes no lock anew, by which it would hear of other roles."""
    with rows_set_aside(cluster, files / "s.db", "1", "2"):
        with open_transaction(cluster, "SELECT FROM s.t WHERE id = '1' FOR UPDATE"):
            waiting = Waiting(cluster, "SELECT * FROM replicator_replay('s')", user=member)
            waiting.waits_for_a_lock(cluster)
            cluster.query("REVOKE first_owner FROM member")
        error = waiting.ended()
    assert isinstance(error, psycopg2.errors.InsufficientPrivilege) and "permission denied for source" in str(error), error


def test_a_wait_does_not_go_on_with_another_extension(cluster, database, many_rows):
    """In which the first source has the number of the one that was waited for."""
    path = database("again.db", many_rows(10))
    cluster.query("CREATE DATABASE made_again")
    cluster.query("CREATE EXTENSION pg_replicator", database="made_again")
    register = f"SELECT replicator_init('sqlite://{path}', name => '%s')"
    with cluster.waiting_at("worker_begins", lambda: cluster.query(register % "first", database="made_again")):
        waiting = Waiting(cluster, "CALL replicator_wait('first', '240 s')", database="made_again")
        wait_until(lambda: cluster.query("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", (waiting.pid,)) == [("Extension",)],
                   what="the call to wait")
        # What the call reads first: it holds nothing that the drop needs while it waits.
        cluster.query("LOCK TABLE replicator.source IN ACCESS EXCLUSIVE MODE; DROP EXTENSION pg_replicator CASCADE; "
                      f"CREATE EXTENSION pg_replicator; {register % 'another'}", database="made_again")
        error = waiting.ended()
    assert "the extension pg_replicator was dropped" in str(error), error
    cluster.wait_for_copy("another", database="made_again")
    cluster.query("SELECT replicator_stop_workers()", database="made_again")
    cluster.query("DROP DATABASE made_again")


def test_a_wait_for_a_copy_ends_with_the_rights_to_it(cluster, member):
    with cluster.waiting_at("source_allowed", lambda: cluster.query("SELECT replicator_sync('s')")):
        waiting = Waiting(cluster, "CALL replicator_wait('s', '240 s')", user=member)
        wait_until(lambda: cluster.query("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", (waiting.pid,)) == [("Extension",)],
                   what="the call to wait")
        cluster.query("REVOKE first_owner FROM member")
        error = waiting.ended()
    assert isinstance(error, psycopg2.errors.InsufficientPrivilege) and "permission denied for source" in str(error), error
