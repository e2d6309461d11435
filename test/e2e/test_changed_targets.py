"""Targets that their owner, or the owner of their schema, has changed or replaced: what does not fit fails with the reason,
nothing is written where it does not belong, and the other tables go on."""
import contextlib
import os
import shutil
import sqlite3
import tempfile

import psycopg2
import pytest

from conftest import make_readable
from private_cluster import wait_until

# What is done to a target, and what is said of the table then; None: it goes on, and is equal.
CHANGES = {
    "untouched": ("", None),
    "{staging}": ("", None), "{gone}": ("", None), "{not_seen}": ("", None), "{target}": ("", None),
    "forced": ("ALTER TABLE s.forced ENABLE ROW LEVEL SECURITY; ALTER TABLE s.forced FORCE ROW LEVEL SECURITY", "row security is forced"),
    "textdata": ("ALTER TABLE s.textdata ALTER data TYPE text USING data::text", 'column "data" is not jsonb'),
    "number": ("ALTER TABLE s.number ALTER data DROP NOT NULL, ALTER data TYPE bigint USING 4711", 'column "data" is not jsonb'),
    "domained": ("CREATE DOMAIN s.jd AS jsonb CHECK (value ? 'id'); ALTER TABLE s.domained ALTER data TYPE s.jd",
                 'column "data" is not jsonb'),
    "short": ("ALTER TABLE s.short ALTER _synced_at TYPE timestamptz(0)", 'column "_synced_at" is not'),
    "view": ("ALTER TABLE s.view RENAME TO view_old; CREATE VIEW s.view AS SELECT * FROM s.view_old", "put in its place"),
    "stored": ("ALTER TABLE s.stored RENAME TO stored_old; CREATE MATERIALIZED VIEW s.stored AS SELECT * FROM s.stored_old",
               "put in its place"),
    "sequence": ("DROP TABLE s.sequence; CREATE SEQUENCE s.sequence", "put in its place"),
    "parted": ("ALTER TABLE s.parted RENAME TO parted_old; CREATE TABLE s.parted (LIKE s.parted_old, PRIMARY KEY (id)) "
               "PARTITION BY HASH (id); CREATE TABLE s.part0 PARTITION OF s.parted FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
               "put in its place"),
    "parent": ("CREATE TABLE s.child () INHERITS (s.parent); INSERT INTO s.child VALUES ('c1', '{}', now())", None),
    "generated": ("ALTER TABLE s.generated ADD n2 text GENERATED ALWAYS AS (data->>'n') STORED", None),
    "needy": ("ALTER TABLE s.needy ADD must int NOT NULL DEFAULT 0; ALTER TABLE s.needy ALTER must DROP DEFAULT", "must be given a value"),
    "keyless": ("ALTER TABLE s.keyless DROP CONSTRAINT keyless_pkey", "no unique index on id"),
    "intid": ("ALTER TABLE s.intid ALTER id TYPE bigint USING id::bigint", 'column "id" is not text'),
    "shorn": ("ALTER TABLE s.shorn ADD x int DEFAULT 5, DROP COLUMN _synced_at", 'no column "_synced_at"'),
    "renamed": ("ALTER TABLE s.renamed RENAME TO renamed2", None),
    "moved": ("CREATE SCHEMA s2; ALTER TABLE s.moved SET SCHEMA s2", None),
    "unlogged": ("ALTER TABLE s.unlogged SET UNLOGGED", "is unlogged"),
    "deferred": ("ALTER TABLE s.deferred DROP CONSTRAINT deferred_pkey; ALTER TABLE s.deferred ADD PRIMARY KEY (id) DEFERRABLE INITIALLY "
                 "DEFERRED",
                 "DEFERRABLE"),
    "ruled": ("CREATE RULE r AS ON INSERT TO s.ruled DO INSTEAD NOTHING", None),
    "governed": ("CREATE RULE r AS ON INSERT TO s.governed DO INSTEAD NOTHING; ALTER TABLE s.governed ENABLE ALWAYS RULE r",
                 "rewrite rule"),
    "collated": ('ALTER TABLE s.collated ALTER id TYPE text COLLATE "en-US-x-icu"', 'column "id" is not text COLLATE'),
    "wider": ('ALTER TABLE s.wider ADD "DATA" text, ALTER data DROP NOT NULL', None),
    # As Citus leaves a table that it has distributed: its own heap is empty, and statements find the rows all the same.
    "scattered": ("CREATE TABLE s.shard () INHERITS (s.scattered); WITH gone AS (DELETE FROM ONLY s.scattered RETURNING *) "
                  "INSERT INTO s.shard SELECT * FROM gone; INSERT INTO pg_catalog.pg_dist_partition VALUES ('s.scattered')", None),
    "given": ("ALTER TABLE s.given OWNER TO postgres", 'belongs to role "postgres"'),
}


def run_as(cluster, role, *statements):
    connection = cluster.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {role}")
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def new_role(cluster, name):
    cluster.query(f"CREATE ROLE {name}; GRANT CREATE ON DATABASE postgres TO {name}; GRANT pg_read_server_files TO {name}; "
                  f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {name}")


def served(cluster, name):
    """All requests: each table is done, or failed."""
    wait_until(lambda: cluster.query_when_up(
        "SELECT st.sync_done >= st.sync_requested AND st.state = 'idle' FROM replicator.source_state st "
        "JOIN replicator.source s ON s.id = st.source_id WHERE s.name = %s", (name,))[0][0], 60, lambda: f"{name}: {cluster.status(name)}")


def reason(cluster, name, table):
    return cluster.query('SELECT state, reason FROM replicator_tables WHERE source = %s AND "table" = %s', (name, table))[0]


def rows(path, table):
    with sqlite3.connect(path) as file:
        return {(str(key), n) for key, n in file.execute(f'SELECT id, n FROM "{table}"')}


def held(cluster, table):
    only = "" if table == "scattered" else "ONLY"
    return set(cluster.query(f"SELECT id, data->>'n' FROM {only} s.\"{table}\""))


@pytest.fixture(scope="module")
def changed(cluster):
    """The source `s`, after all of its targets were changed and its tables have got, changed and lost a row."""
    directory = tempfile.mkdtemp(prefix="pgreplfiles")
    os.chmod(directory, 0o777)
    path = os.path.join(directory, "changed.db")
    with sqlite3.connect(path) as file:
        for table in CHANGES:
            file.execute(f'CREATE TABLE "{table}" (id INTEGER PRIMARY KEY, n TEXT)')
            file.execute(f"INSERT INTO \"{table}\" VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    make_readable(path)
    new_role(cluster, "holder")
    run_as(cluster, "holder", f"SELECT replicator_init('sqlite://{path}', name => 's', target_schema => 's', options => "
                              "'{\"copy_workers_per_source\": 0}')")
    cluster.wait_for_copy("s")
    # Citus keeps here which tables it has distributed.
    run_as(cluster, "postgres", "SET allow_system_table_mods = on", "CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass)",
           "GRANT ALL ON pg_catalog.pg_dist_partition TO holder")
    for table, (change, _) in CHANGES.items():
        if change:
            run_as(cluster, "postgres" if table in ("given", "scattered") else "holder",
                   "SET allow_system_table_mods = on" if table == "scattered" else "SELECT",
                   change)
    with sqlite3.connect(path) as file:
        for table in CHANGES:
            file.executescript(f"UPDATE \"{table}\" SET n = 'changed' WHERE id = 1; DELETE FROM \"{table}\" WHERE id = 2; "
                               f"INSERT INTO \"{table}\" VALUES (4, 'd')")
    cluster.query("SELECT replicator_sync('s')")
    served(cluster, "s")
    yield path
    cluster.query("SELECT replicator_drop('s'); DROP SCHEMA s, s2 CASCADE")
    shutil.rmtree(directory, ignore_errors=True)
    run_as(cluster, "postgres", "SET allow_system_table_mods = on", "DROP TABLE pg_catalog.pg_dist_partition")


@pytest.mark.parametrize("table", CHANGES)
def test_what_does_not_fit_fails_with_the_reason_and_the_others_go_on(cluster, changed, table):
    expected = CHANGES[table][1]
    state, why = reason(cluster, "s", table)
    if expected is None:
        assert (state, held(cluster, table)) == ("idle", rows(changed, table)), why
    else:
        assert state == "failed" and expected in why
        assert cluster.query('SELECT hint <> \'\' FROM replicator_tables WHERE source = \'s\' AND "table" = %s', (table,)) == [(True,)]


def test_a_comparison_of_changed_targets_names_what_is_changed(cluster, changed):
    """Bytes of another type were read as jsonb: the server crashed, again and again."""
    before = cluster.postmaster_pid(), cluster.query("SELECT pg_postmaster_start_time(), (SELECT backend_start FROM pg_stat_activity "
                                                     "WHERE backend_type = 'checkpointer')")
    job = cluster.query("SELECT replicator_verify('s')")[0][0]
    wait_until(lambda: cluster.query_when_up("SELECT bool_and(state NOT IN ('pending', 'running')) FROM replicator_jobs WHERE job = %s",
                                             (job,))[0][0], 60)
    found = dict((table, rest) for table, *rest in cluster.query(
        'SELECT "table", state, coalesce(last_error, \'\'), changed + missing + extra + unconfirmed FROM replicator_jobs WHERE job = %s',
        (job,)))
    for table, (_, expected) in CHANGES.items():
        state, error, differences = found[table]
        if expected is None:
            assert (state, differences) == ("done", 0), table
        else:
            assert state == "failed" and expected in error, table
    assert (cluster.postmaster_pid(), cluster.query("SELECT pg_postmaster_start_time(), (SELECT backend_start FROM pg_stat_activity "
                                                    "WHERE backend_type = 'checkpointer')")) == before


def test_rows_of_children_stay(cluster, changed):
    assert cluster.query("SELECT id FROM s.child") == [("c1",)]


def test_a_target_of_another_make_is_taken_where_a_person_says_so(cluster, changed):
    """Only that of the source's owner."""
    cluster.query("SELECT replicator_resync('s', 'parted'); SELECT replicator_resync('s', 'given'); SELECT replicator_resync('s', 'view')")
    served(cluster, "s")
    assert reason(cluster, "s", "parted")[0] == "idle" and set(cluster.query("SELECT id, data->>'n' FROM s.parted")) == rows(changed,
                                                                                                                             "parted")
    assert reason(cluster, "s", "given")[0] == "failed" and "it is a view" in reason(cluster, "s", "view")[1]
    assert cluster.query("SELECT count(*) FROM s.part0") == [(3,)]
    cluster.query("ALTER TABLE s.given OWNER TO holder; SELECT replicator_resync('s', 'given')")
    served(cluster, "s")
    assert held(cluster, "given") == rows(changed, "given")


def test_a_first_copy_does_not_go_on_in_a_table_of_other_types(cluster, database, source):
    """Rows went into the heap by position: their addresses were found in the column id."""
    path = database("swap.db", *(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO {table} WITH RECURSIVE n(i) AS "
                                 f"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i, i FROM n;"
                                 for table, rows in (("first", 100), ("swapped", 50), ("altered", 40), ("fine", 30))))
    with cluster.waiting_at("chunk_written", lambda: source(path, "swap", options='{"copy_workers_per_source": 0}')):
        cluster.query("DROP TABLE swap.swapped; CREATE TABLE swap.swapped (id bigint, data name, _synced_at timestamptz); "
                      "ALTER TABLE swap.altered ALTER id TYPE bigint USING id::bigint, ALTER data TYPE name USING 'x'")
    served(cluster, "swap")
    assert cluster.query("SELECT count(*) FROM swap.swapped UNION ALL SELECT count(*) FROM swap.altered") == [(0,), (0,)]
    assert "put in its place" in reason(cluster, "swap", "swapped")[1]
    assert 'column "id" is not text' in reason(cluster, "swap", "altered")[1]
    assert cluster.query("SELECT (SELECT count(*) FROM swap.first), (SELECT count(*) FROM swap.fine)") == [(100, 30)]
    cluster.query("DROP TABLE swap.swapped")


def test_the_owner_of_a_schema_gets_no_rights_of_the_owner_of_a_source(cluster, database, source):
    """Its table would run its trigger with them."""
    path = database("app.db", "CREATE TABLE orders (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO orders VALUES (1, 'a')")
    cluster.query("CREATE ROLE app; CREATE SCHEMA app AUTHORIZATION app; GRANT CREATE ON DATABASE postgres TO app")
    source(path, "app", target_schema="app", options='{"target_lock_patience": "200ms"}')
    cluster.wait_for_copy("app")
    swap = """DROP TABLE app.orders;
        CREATE TABLE app.orders (id text COLLATE "C" PRIMARY KEY, data jsonb NOT NULL, _synced_at timestamptz NOT NULL);
        CREATE OR REPLACE FUNCTION app.t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN EXECUTE 'ALTER ROLE app SUPERUSER'; END IF;
          RETURN NEW; END $$;
        CREATE TRIGGER t BEFORE INSERT OR UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.t();
        ALTER TABLE app.orders ENABLE ALWAYS TRIGGER t; GRANT ALL ON app.orders TO PUBLIC"""
    run_as(cluster, "app", swap)
    for call in ("SELECT replicator_sync('app')", "SELECT replicator_resync('app', 'orders')"):  # nobody can vouch for it, either
        cluster.query(call)
        served(cluster, "app")
        assert reason(cluster, "app", "orders")[0] == "failed"
    assert 'belongs to role "app"' in reason(cluster, "app", "orders")[1]
    job = cluster.query("SELECT replicator_repair('app', 'orders')")[0][0]
    wait_until(lambda: cluster.query("SELECT state FROM replicator_jobs WHERE job = %s", (job,)) == [("failed",)], 45)
    assert cluster.query("SELECT rolsuper FROM pg_roles WHERE rolname = 'app'") == [(False,)]
    run_as(cluster, "app", "DROP TABLE app.orders")
    cluster.query("SELECT replicator_sync('app')")
    cluster.wait_for_copy("app")
    assert cluster.query("SELECT id FROM app.orders") == [("1",)]
    # Nor while it is being written to: not the table alone is held, its name is too.
    with sqlite3.connect(path) as file:
        file.execute("INSERT INTO orders VALUES (2, 'b')")
    with cluster.waiting_at("merge_table", lambda: cluster.query("SELECT replicator_sync('app')")):
        for statement in ("ALTER SCHEMA app RENAME TO app_old", "DROP TABLE app.orders"):
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                run_as(cluster, "app", "SET lock_timeout = '50ms'", statement)
    cluster.wait_for_copy("app")
    assert len(cluster.query("SELECT id FROM app.orders")) == 2
    # Nor can it keep workers waiting by a new name that is never committed.
    with contextlib.closing(cluster.connect()) as other, other.cursor() as cursor:
        cursor.execute("SET ROLE app; BEGIN; ALTER SCHEMA app RENAME TO app_old")
        job = cluster.query("SELECT replicator_verify('app')")[0][0]
        cluster.query("SELECT replicator_sync('app')")
        blocked = "SELECT blocked_by FROM replicator_tables WHERE source = 'app' AND locked_since IS NOT NULL"
        wait_until(lambda: cluster.query(blocked) == [([other.info.backend_pid],)], 60,
                   lambda: f"the table to wait aside: {cluster.status('app')}")
        wait_until(lambda: cluster.query("SELECT last_sqlstate FROM replicator.job WHERE id = %s", (job,)) == [("55P03",)], 60,
                   "the job to wait")
        cursor.execute("ROLLBACK")
    cluster.query("CALL replicator_wait('app', '240 s')")
    wait_until(lambda: cluster.query("SELECT state FROM replicator_jobs WHERE job = %s", (job,)) == [("done",)], 60)
    cluster.query("SELECT replicator_drop('app', drop_tables => true); DROP SCHEMA app CASCADE; DROP OWNED BY app; DROP ROLE app")
