"""More tables than one transaction can lock."""
import psycopg2
import pytest

from conftest import make_readable
from private_cluster import PrivateCluster, wait_until

TABLES = 300


@pytest.fixture(scope="module")
def cluster():
    """Room for few locks: 10 for each of the processes that there can be."""
    instance = PrivateCluster({"max_locks_per_transaction": 10, "max_connections": 10, "max_wal_senders": 0,
                               "max_worker_processes": 10, "autovacuum_max_workers": 1})
    instance.query("CREATE EXTENSION pg_replicator")
    yield instance
    instance.destroy()


def test_many_tables_are_copied_and_dropped_where_locks_are_scarce(cluster, database, source):
    def fill(connection):
        for number in range(TABLES):
            connection.execute(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, v TEXT)")
            connection.execute(f"INSERT INTO t{number} VALUES (1, 'x'), (2, 'y')")
    path = database("many.db", fill)
    make_readable(path)
    source(path, "many")
    cluster.wait_for_copy("many")
    states = cluster.query("SELECT state, count(*), sum(rows_copied) FROM replicator_tables WHERE source = 'many' GROUP BY 1")
    assert states == [("idle", TABLES, 2 * TABLES)]

    with pytest.raises(psycopg2.Error) as refused:
        cluster.query("SELECT replicator_drop('many', drop_tables => true)")
    assert refused.value.pgcode == "53400"
    assert "300 tables" in refused.value.diag.message_detail and "replicator_drop again" in refused.value.diag.message_hint
    assert cluster.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'many'") == [(TABLES,)]
    assert cluster.status("many")["state"] == "idle"

    # What the hint says, as docs/user/operations.md has it.
    cluster.query("SELECT replicator_pause('many')")
    cluster.query("""DO $$
        DECLARE target text;
        BEGIN
            FOR target IN SELECT t.target FROM replicator_tables t WHERE t.source = 'many' AND t.target IS NOT NULL LOOP
                EXECUTE 'DROP TABLE IF EXISTS ' || target;
                COMMIT;
            END LOOP;
        END $$""")
    cluster.query("SELECT replicator_drop('many', drop_tables => true)")
    assert cluster.query("SELECT count(*) FROM pg_tables WHERE schemaname = 'many'") == [(0,)]
    assert cluster.status("many") is None


def test_side_tables_of_a_copy_that_ends_while_they_are_made_are_removed(cluster, database, source):
    """A refresh makes its staging tables in several transactions: what an end between them leaves must not stay."""
    def fill(connection):
        for number in range(28):
            connection.execute(f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY)")
    path = database("some.db", fill)
    make_readable(path)
    source(path, "some")
    cluster.wait_for_copy("some")
    holder = cluster.connect()
    holder.autocommit = False
    try:
        with holder.cursor() as cursor:
            # The last of them waits for this lock, when most are there already.
            cursor.execute("SELECT id FROM replicator.source_table WHERE name = 't9'")
            last = cursor.fetchone()[0]
            cursor.execute(f"CREATE TABLE replicator.staging_{last} ()")
            cluster.query("SELECT replicator_sync('some')")
            wait_until(lambda: cluster.query("SELECT count(*) > 8 FROM pg_class WHERE relname ~ '^staging_'")[0][0] and
                       cluster.query("SELECT 1 FROM pg_stat_activity WHERE backend_type = 'pg_replicator source worker' AND "
                                     "wait_event_type = 'Lock'"),
                       45, "the worker to wait")
            worker = cluster.status("some")["worker_pid"]
            cluster.query("SELECT pg_terminate_backend(%s)", (worker,))
            wait_until(lambda: not cluster.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (worker,)), 45, "its end")
    finally:
        holder.rollback()
        holder.close()
    cluster.wait_for_copy("some")
    assert cluster.query("SELECT count(*) FROM pg_class WHERE relname ~ '^(staging|seen)_'") == [(0,)]
    assert cluster.query("SELECT state, count(*) FROM replicator_tables WHERE source = 'some' GROUP BY 1") == [("idle", 28)]
