"""What PostgreSQL itself makes of the rows that a stream writes: autovacuum, logical decoding, subscribers, standbys, recovery."""
import os
import shutil
import subprocess

import pytest

from private_cluster import BINDIR, PrivateCluster, free_port, unprivileged, wait_until


@pytest.fixture(scope="module")
def cluster(mariadb):
    """With a stream of the table shop.t."""
    instance = PrivateCluster(settings={"wal_level": "logical", "track_commit_timestamp": "on", "autovacuum_naptime": "1s"})
    instance.query("CREATE EXTENSION pg_replicator")
    mariadb.run("CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, v INT)")
    instance.query("SELECT replicator_init(%s, name => 'shop', target_schema => 'shop', mode => 'continuous')", (mariadb.url("shop"),))
    instance.wait_for_state("shop", "streaming")
    yield instance
    instance.destroy()


def apply(cluster, mariadb, sql):
    mariadb.run("USE shop; " + sql)
    cluster.query("CALL replicator_wait('shop', '60 s')")


def test_autovacuum_sees_what_a_stream_writes(cluster, mariadb):
    before = cluster.workers("source worker")
    apply(cluster, mariadb, "INSERT INTO t SELECT seq, 0 FROM seq_1_to_1000")
    for _ in range(2):
        apply(cluster, mariadb, "DELETE FROM t; INSERT INTO t SELECT seq, 1 FROM seq_1_to_1000")
    seen = "SELECT autovacuum_count > 0 AND autoanalyze_count > 0 FROM pg_stat_all_tables WHERE relid = 'shop.t'::regclass"
    wait_until(lambda: cluster.query(seen) == [(True,)], 60, "autovacuum to come")
    ours = "SELECT n_tup_upd > 0 FROM pg_stat_all_tables WHERE relid = 'replicator.position'::regclass"
    wait_until(lambda: cluster.query(ours) == [(True,)], 60, "our own catalog to be seen")
    assert cluster.workers("source worker") == before, "while the worker lives"
    apply(cluster, mariadb, "DELETE FROM t")


def decoded(cluster, slot, **options):
    pairs = {"skip-empty-xacts": "1", "include-xids": "0", **options}
    listed = ", ".join(f"'{key}', '{value}'" for key, value in pairs.items())
    return [row[0] for row in cluster.query(f"SELECT data FROM pg_logical_slot_peek_changes('{slot}', NULL, NULL, {listed})")]


def committed_after(cluster, moment, row, **where):
    return cluster.query("SELECT pg_xact_commit_timestamp(xmin) BETWEEN %s AND clock_timestamp() FROM shop.t WHERE id = %s",
                         (moment, row), **where)


def test_decoders_can_leave_our_rows_out_and_know_when_they_were_committed(cluster, mariadb):
    cluster.query("CREATE TABLE local (id int PRIMARY KEY)")
    cluster.query("SELECT pg_create_logical_replication_slot('decoder', 'test_decoding')")
    apply(cluster, mariadb, "INSERT INTO t VALUES (1, 1)")
    moment = cluster.query("SELECT clock_timestamp()")[0][0]  # no commit that we decode from here on may be of before
    apply(cluster, mariadb, "INSERT INTO t VALUES (2, 2)")
    cluster.query("INSERT INTO local VALUES (1)")

    ours = [line for line in decoded(cluster, "decoder", **{"only-local": "1"}) if line.startswith(("table public.local", "table shop"))]
    assert ours == ["table public.local: INSERT: id[integer]:1"]
    lines = decoded(cluster, "decoder", **{"include-timestamp": "1"})
    of_row = next(i for i, line in enumerate(lines) if line.startswith("table shop.t: INSERT: id[text]:'2'"))
    commit = next(line for line in lines[of_row:] if line.startswith("COMMIT"))
    assert cluster.query("SELECT %s::timestamptz BETWEEN %s AND clock_timestamp()",
                         (commit.partition("(at ")[2].rstrip(")"), moment)) == [(True,)], commit
    assert committed_after(cluster, moment, "2") == [(True,)]

    # What the caller of a replay writes is not marked, nor what a trigger of the target does to another table.
    cluster.query("ALTER TABLE shop.t ADD CONSTRAINT small CHECK ((data->>'v')::int < 100)")
    apply(cluster, mariadb, "INSERT INTO t VALUES (3, 300)")
    cluster.query("ALTER TABLE shop.t DROP CONSTRAINT small; CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS "
                  "$$ BEGIN INSERT INTO public.local VALUES (100 + NEW.id::int); RETURN NEW; END $$; "
                  "CREATE TRIGGER tell AFTER INSERT ON shop.t FOR EACH ROW EXECUTE FUNCTION tell(); ALTER TABLE shop.t ENABLE ALWAYS "
                  "TRIGGER tell")
    cluster.query("DO $$ BEGIN INSERT INTO local VALUES (2); PERFORM * FROM replicator_replay('shop');"
                  "INSERT INTO local VALUES (3); END $$")
    apply(cluster, mariadb, "INSERT INTO t VALUES (4, 4)")
    cluster.query("DROP FUNCTION tell CASCADE")
    assert cluster.query("SELECT count(*) FROM shop.t WHERE id IN ('3', '4')") == [(2,)]
    ours = [line for line in decoded(cluster, "decoder", **{"only-local": "1"}) if line.startswith(("table public.local", "table shop"))]
    assert ours == [f"table public.local: INSERT: id[integer]:{i}" for i in (1, 2, 103, 3, 104)]
    cluster.query("SELECT pg_drop_replication_slot('decoder')")


def test_a_default_subscriber_a_standby_and_recovery_get_them_as_ever(cluster, mariadb):
    cluster.query("CREATE DATABASE subscriber")
    cluster.query("CREATE SCHEMA shop", database="subscriber")
    cluster.query("CREATE TABLE shop.t (id text PRIMARY KEY, data jsonb, _synced_at timestamptz)", database="subscriber")
    validate = ('SELECT ok, detail FROM replicator_validate(%s, name => $$other$$, target_schema => $$shop$$) '
                'WHERE "check" = $$publications$$')
    note = "SELECT note FROM replicator_tables WHERE source = 'shop'"
    assert cluster.query(validate, (mariadb.url("shop"),))[0][0] and "origin" not in (cluster.query(note)[0][0] or "")
    cluster.query("CREATE PUBLICATION p FOR TABLE shop.t")
    assert "hold target tables: p. " in cluster.query(validate, (mariadb.url("shop"),))[0][1]
    assert "origin = none" in cluster.query(note)[0][0]
    cluster.query("SELECT pg_create_logical_replication_slot('subscribed', 'pgoutput')")
    cluster.query("CREATE SUBSCRIPTION s CONNECTION %s PUBLICATION p WITH (create_slot = false, slot_name = 'subscribed', copy_data = "
                  "false)",
                  (f"host={cluster.directory} port={cluster.port} dbname=postgres user=postgres",), database="subscriber")
    directory = os.path.join(cluster.directory, "standby")
    cluster._run([f"{BINDIR}/pg_basebackup", "-D", directory, "-R", "-c", "fast", "-h", cluster.directory, "-p", str(cluster.port),
                  "-U", "postgres"])
    assert not [name for name in os.listdir(directory) if name.startswith("pgsql_tmp")]
    port = free_port()
    run = unprivileged([f"{BINDIR}/pg_ctl", "-D", directory, "-w", "-o", f"-p {port}", "-l", directory + ".log", "start"],
                       cluster.directory)
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        moment = cluster.query("SELECT clock_timestamp()")[0][0]
        apply(cluster, mariadb, "INSERT INTO t VALUES (50, 50)")
        there = "SELECT data->>'v' FROM shop.t WHERE id = '50'"
        wait_until(lambda: cluster.query(there, database="subscriber") == [("50",)], 60, "the subscriber to get the row")
        primary, cluster.port = cluster.port, port
        try:
            wait_until(lambda: cluster.query(there) == [("50",)], 60, "the standby to get the row")
            assert committed_after(cluster, moment, "50") == [(True,)]
        finally:
            cluster.port = primary
    finally:
        subprocess.run(unprivileged([f"{BINDIR}/pg_ctl", "-D", directory, "-m", "immediate", "stop"], cluster.directory),
                       check=True, stdout=subprocess.DEVNULL)
        shutil.rmtree(directory)
    cluster.query("ALTER SUBSCRIPTION s DISABLE", database="subscriber")
    cluster.query("ALTER SUBSCRIPTION s SET (slot_name = NONE)", database="subscriber")
    cluster.query("DROP SUBSCRIPTION s", database="subscriber")
    cluster.crash()
    wait_until(lambda: cluster.query_when_up(there) == [("50",)], 60, "the row after a crash")
    assert committed_after(cluster, moment, "50") == [(True,)]
    wait_until(lambda: not cluster.query("SELECT 1 FROM pg_replication_slots WHERE active"), 60, "the slot to be free")
    cluster.query("SELECT pg_drop_replication_slot('subscribed')")
