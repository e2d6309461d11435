"""The catalog of the extension says whose rights workers use: nobody but superusers changes it, whatever was granted."""
import psycopg2
import pytest

from private_cluster import has_ended, PrivateCluster, wait_until

CHANGES = ("UPDATE replicator.source_state SET owner = 10", "DELETE FROM replicator.target_relation",
           "UPDATE replicator.source SET rules = '{\"indexes\": {\"t\": [\"theirs.run(id)\"]}}'",
           "INSERT INTO replicator.job (source_id, kind, requested_by) SELECT id, 'verify', 'postgres' FROM replicator.source",
           "WITH gone AS (DELETE FROM replicator.source_table RETURNING id) SELECT count(*) FROM gone",
           "MERGE INTO replicator.source s USING (SELECT 1) one ON true WHEN MATCHED THEN UPDATE SET owner = 'postgres'",
           "SELECT id FROM replicator.source FOR UPDATE",
           "COPY replicator.event (action, role, outcome) FROM PROGRAM 'true'", "TRUNCATE replicator.event",
           "CREATE TRIGGER run BEFORE INSERT ON replicator.event FOR EACH ROW EXECUTE FUNCTION theirs.fire()",
           "CREATE TABLE theirs.refers (id integer REFERENCES replicator.source ON DELETE CASCADE)")


@pytest.fixture(scope="module")
def cluster():
    instance = PrivateCluster({"wal_level": "logical"})
    instance.query("CREATE EXTENSION pg_replicator")
    yield instance
    instance.destroy()


@pytest.fixture
def writer(cluster):
    """A role to which an administrator has given all that can be given on tables."""
    cluster.query("CREATE DATABASE granted")
    cluster.query("CREATE ROLE writer LOGIN IN ROLE pg_read_all_data, pg_write_all_data, pg_execute_server_program")
    for statement in ("TABLES", "SEQUENCES", "FUNCTIONS", "SCHEMAS", "TYPES"):
        cluster.query(f"ALTER DEFAULT PRIVILEGES GRANT ALL ON {statement} TO writer", database="granted")
    yield "writer"
    cluster.query("DROP DATABASE granted WITH (FORCE)")
    cluster.query("DROP ROLE writer")


def attempts_of(cluster, user):
    refused = []
    for change in CHANGES:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege) as error:
            cluster.query(change, database="granted", user=user)
        refused.append(str(error.value))
    return refused


def test_default_privileges_give_nothing_on_what_the_extension_makes(cluster, writer, database, many_rows):
    cluster.query("CREATE EXTENSION pg_replicator", database="granted")
    given = ("SELECT c.relname FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = 'writer'::regrole AND relnamespace <> "
             "'information_schema'::regnamespace "
             "UNION ALL SELECT p.proname FROM pg_proc p, aclexplode(p.proacl) a WHERE a.grantee = 'writer'::regrole "
             "UNION ALL SELECT n.nspname FROM pg_namespace n, aclexplode(n.nspacl) a WHERE a.grantee = 'writer'::regrole")
    assert cluster.query(given, database="granted") == []
    path = database("given.db", many_rows(10))
    # A periodic source keeps its side tables; those of another are there while a refresh runs, for a moment.
    cluster.query("SELECT replicator_init(%s, name => 'given', mode => 'periodic', refresh_interval => '1 day')", (f"sqlite://{path}",),
                  database="granted")
    cluster.wait_for_copy("given", database="granted")
    cluster.query("SELECT replicator_sync('given')", database="granted")
    cluster.wait_for_copy("given", database="granted")
    side_tables = "SELECT count(*) FROM pg_class WHERE relname ~ '^(staging|seen)_' AND relnamespace = 'replicator'::regnamespace"
    assert cluster.query(side_tables, database="granted") == [(2,)]
    assert {name for name, in cluster.query(given, database="granted")} == {"t", "given"}, "the owner's own defaults"


def test_nobody_but_superusers_changes_the_catalog(cluster, writer, database, many_rows):
    cluster.query("CREATE EXTENSION pg_replicator; CREATE SCHEMA theirs AUTHORIZATION writer", database="granted")
    path = database("kept.db", many_rows(10))
    cluster.query("SELECT replicator_init(%s, name => 'kept')", (f"sqlite://{path}",), database="granted")
    cluster.wait_for_copy("kept", database="granted")
    cluster.query("GRANT ALL ON ALL TABLES IN SCHEMA replicator TO writer", database="granted")
    cluster.query("CREATE FUNCTION theirs.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
                  "CREATE VIEW theirs.sources AS SELECT * FROM replicator.source", database="granted", user="writer")
    assert cluster.query("SELECT count(*) FROM replicator.source", database="granted", user="writer") == [(1,)], "it may read"
    refused = attempts_of(cluster, "writer")
    assert all("permission denied for table replicator." in error and "only superusers change it" in error for error in refused), refused
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cluster.query("UPDATE theirs.sources SET owner = 'postgres'", database="granted", user="writer")
    cluster.query("UPDATE replicator.source SET owner = owner; SELECT replicator_pause('kept'); SELECT replicator_resume('kept')",
                  database="granted")


def test_nobody_else_changes_it_while_the_library_is_not_preloaded(cluster, writer, database, many_rows):
    """No hook is there then; what is left of a change would be acted by as soon as there is."""
    cluster.query("CREATE EXTENSION pg_replicator; CREATE SCHEMA theirs AUTHORIZATION writer; GRANT ALL ON ALL TABLES IN SCHEMA replicator "
                  "TO writer",
                  database="granted")
    path = database("alone.db", many_rows(10))
    cluster.query("SELECT replicator_init(%s, name => 'alone')", (f"sqlite://{path}",), database="granted")
    cluster.wait_for_copy("alone", database="granted")
    cluster.configure(shared_preload_libraries="")
    cluster.restart()
    try:
        for change in CHANGES:
            if "TRIGGER" not in change and "REFERENCES" not in change and "FOR UPDATE" not in change:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cluster.query(change.replace("FROM PROGRAM 'true'", "FROM PROGRAM 'printf \"x\\ty\\tok\\n\"'"), database="granted",
                                  user="writer")
    finally:
        cluster.configure(shared_preload_libraries="pg_replicator")
        cluster.restart()


def test_what_a_subscription_brings_of_another_catalog_is_left_out(cluster, source, database, many_rows):
    """A publication FOR ALL TABLES has it: the sources would be followed from both sides, as one reader."""
    cluster.query("CREATE DATABASE elsewhere")
    cluster.query("CREATE EXTENSION pg_replicator; CREATE SCHEMA sent; CREATE TABLE sent.t (id text PRIMARY KEY, data jsonb, _synced_at "
                  "timestamptz)",
                  database="elsewhere")
    source(database("sent.db", many_rows(10)), "sent")
    other = database("here.db", many_rows(3))
    cluster.query("SELECT replicator_init(%s, name => 'here')", (f"sqlite://{other}",), database="elsewhere")
    cluster.wait_for_copy("here", database="elsewhere")
    catalog = ("SELECT (SELECT jsonb_agg(to_jsonb(s)) FROM replicator.source s), (SELECT jsonb_agg(to_jsonb(t) - 'file') FROM "
               "replicator.source_table t), "
               "(SELECT count(*) FROM replicator.source_state), (SELECT count(*) FROM replicator.target_relation)")
    before = cluster.query(catalog, database="elsewhere")
    cluster.query("CREATE PUBLICATION everything FOR ALL TABLES")
    cluster.query("SELECT pg_create_logical_replication_slot('everything', 'pgoutput')")
    try:
        cluster.query("CREATE SUBSCRIPTION everything CONNECTION %s PUBLICATION everything WITH (create_slot = false)",
                      (f"host={cluster.directory} port={cluster.port} dbname=postgres user=postgres",), database="elsewhere")
        wait_until(lambda: cluster.query("SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'",
                                         database="elsewhere") == [(0,)],
                   what="the tables to be copied")
        assert cluster.query("SELECT count(*) FROM sent.t", database="elsewhere") == [(10,)]
        # Both have a source with the number 1: what is changed or deleted there must not be changed here.
        cluster.query("SELECT replicator_pause('sent'); UPDATE replicator.source SET options = '{\"copy_workers_per_source\": 1}'")
        cluster.query("SELECT replicator_drop('sent', drop_tables => false); DELETE FROM sent.t WHERE id = '1'")
        wait_until(lambda: cluster.query("SELECT count(*) FROM sent.t", database="elsewhere") == [(9,)], what="the last change to arrive")
        assert cluster.query(catalog, database="elsewhere") == before
        cluster.query("TRUNCATE replicator.event")
        wait_until(lambda: cluster.query("SELECT apply_error_count > 0 FROM pg_stat_subscription_stats", database="elsewhere") == [(True,)],
                   what="the subscription to be refused the TRUNCATE")
        assert cluster.query("SELECT count(*) > 0 FROM replicator.event", database="elsewhere") == [(True,)]
        cluster.query("SELECT replicator_sync('here')", database="elsewhere")
        cluster.wait_for_copy("here", database="elsewhere")
    finally:
        cluster.query("ALTER SUBSCRIPTION everything DISABLE", database="elsewhere")
        cluster.query("ALTER SUBSCRIPTION everything SET (slot_name = NONE)", database="elsewhere")
        cluster.query("DROP SUBSCRIPTION everything", database="elsewhere")
        wait_until(lambda: not cluster.query("SELECT 1 FROM pg_replication_slots WHERE active"), 60, "the slot to be free")
        cluster.query("SELECT pg_drop_replication_slot('everything'); DROP PUBLICATION everything")
        cluster.query("DROP DATABASE elsewhere WITH (FORCE)")


def test_nobody_else_has_a_schema_of_the_catalogs_name(cluster, writer, database, many_rows):
    """What a worker says next is said by that name, whatever has become of the extension meanwhile."""
    cluster.query("CREATE EXTENSION pg_replicator; GRANT CREATE ON DATABASE granted TO writer", database="granted")
    path = database("held.db", many_rows(10))
    cluster.query("SELECT replicator_init(%s, name => 'held')", (f"sqlite://{path}",), database="granted")
    cluster.wait_for_copy("held", database="granted")
    with cluster.waiting_at("source_allowed", lambda: cluster.query("SELECT replicator_sync('held')", database="granted")):
        worker, = cluster.workers("source worker", database="granted")
        cluster.query("DROP EXTENSION pg_replicator", database="granted")
        cluster.query("CREATE SCHEMA theirs", database="granted", user="writer")
        for attempt in ("CREATE SCHEMA replicator", "CREATE SCHEMA replicator AUTHORIZATION writer CREATE VIEW source_state AS SELECT 1",
                        "ALTER SCHEMA theirs RENAME TO replicator"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege, match='only superusers have a schema "replicator"'):
                cluster.query(attempt, database="granted", user="writer")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cluster.query("CREATE SCHEMA replicator AUTHORIZATION writer", database="granted")
        cluster.query("CREATE SCHEMA replicator", database="granted")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cluster.query("ALTER SCHEMA replicator OWNER TO writer", database="granted")
        # Another extension: what is numbered in it begins at 1 again.
        cluster.query("DROP SCHEMA replicator; CREATE EXTENSION pg_replicator", database="granted")
    wait_until(lambda: has_ended(worker), what="the worker to end")
    assert "the extension pg_replicator was dropped" in cluster.log_text(), "it did nothing in the other"
