"""Rights that are taken away while a control call waits."""
import contextlib
import threading

import psycopg2
import pytest

from private_cluster import wait_until


class Waiting:
    """A call in a session of its own, which is expected to wait; its error afterwards."""
    def __init__(self, cluster, call, user="postgres"):
        self.error = None
        self.connection = cluster.connect(user=user)
        self.pid = self.connection.info.backend_pid
        self.thread = threading.Thread(target=self.run, args=(call,))
        self.thread.start()

    def run(self, call):
        with contextlib.closing(self.connection):
            try:
                self.connection.cursor().execute(call)
            except psycopg2.Error as error:
                self.error = error

    def waits_for_a_lock(self, cluster):
        wait_until(lambda: cluster.query("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", (self.pid,)) == [("Lock",)],
                   what="the call to wait")

    def ended(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.error


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


def test_a_wait_for_a_copy_ends_with_the_rights_to_it(cluster, member):
    with cluster.waiting_at("source_allowed", lambda: cluster.query("SELECT replicator_sync('s')")):
        waiting = Waiting(cluster, "CALL replicator_wait('s', '240 s')", user=member)
        wait_until(lambda: cluster.query("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", (waiting.pid,)) == [("Extension",)],
                   what="the call to wait")
        cluster.query("REVOKE first_owner FROM member")
        error = waiting.ended()
    assert isinstance(error, psycopg2.errors.InsufficientPrivilege) and "permission denied for source" in str(error), error
