"""Views for monitoring: they wait for nobody, and show rows to those only who may read them."""
import sqlite3

import pytest

from private_cluster import wait_until

VIEWS = ("status", "tables", "events", "quarantine", "jobs", "differences", "indexes", "progress")


@pytest.fixture
def watched(cluster, database, source, many_rows):
    """A source with an index on its target, and a row that is set aside; a role that may read the views and nothing of the target."""
    path = database("watched.db", many_rows(10))
    source(path, "watched", rules='{"indexes": {"t": ["data->>\'a\'"]}}')
    wait_until(lambda: cluster.query("SELECT state FROM replicator_indexes WHERE source = 'watched'") == [("ready",)], what="the index")
    cluster.query("ALTER TABLE watched.t ADD CHECK (data->>'a' <> '-1')")
    file = sqlite3.connect(path, timeout=240)
    file.executescript("UPDATE t SET a = -1 WHERE id = 5")
    file.close()
    cluster.query("SELECT replicator_sync('watched')")
    cluster.wait_for_copy("watched")
    cluster.query("CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
    yield
    cluster.query("DROP OWNED BY watcher; DROP ROLE watcher")


def test_views_do_not_wait_for_locks_on_targets_and_need_no_rights_on_them(cluster, watched):
    index, = cluster.query("SELECT index FROM replicator_indexes WHERE source = 'watched'")[0]
    bytes_of = "SELECT target_bytes, bytes FROM replicator_tables JOIN replicator_indexes USING (source) WHERE source = 'watched'"
    assert cluster.query(bytes_of) == cluster.query("SELECT pg_total_relation_size('watched.t'), pg_total_relation_size(%s::regclass)",
                                                    (f'watched."{index}"',))
    holder = cluster.connect()
    holder.autocommit = False
    watcher = cluster.connect(user="watcher")
    try:
        with holder.cursor() as cursor:
            cursor.execute(f'LOCK watched.t IN ACCESS EXCLUSIVE MODE; DROP INDEX watched."{index}"; '
                           "UPDATE replicator.source_table SET note = note; UPDATE replicator.source SET url = url")
        with watcher.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
            for view in VIEWS:
                cursor.execute(f"SELECT * FROM replicator_{view}")
            cursor.execute(bytes_of)
            assert all(size > 0 for size in cursor.fetchone())
        holder.rollback()
        with holder.cursor() as cursor:
            cursor.execute("DROP TABLE watched.t CASCADE")
        with watcher.cursor() as cursor:
            for view in VIEWS:
                cursor.execute(f"SELECT * FROM replicator_{view}")
        holder.rollback()
    finally:
        watcher.close()
        holder.close()


def test_only_those_who_may_read_a_target_see_its_rows_in_errors(cluster, watched):
    cluster.query("INSERT INTO replicator.job (source_id, kind, requested_by, last_error, last_sqlstate) "
                  "SELECT id, 'verify', 'postgres', 'job: -1', '22P02' FROM replicator.source WHERE name = 'watched'; "
                  "INSERT INTO replicator.job_table (job_id, table_id) SELECT j.id, t.id FROM replicator.job j JOIN "
                  "replicator.source_table t "
                  "USING (source_id) WHERE j.last_error = 'job: -1' AND t.name = 't'; "
                  "INSERT INTO replicator.difference (job_id, table_id, key, kind) SELECT job_id, table_id, '5', 'changed' FROM "
                  "replicator.job_table; "
                  "UPDATE replicator.source_state SET last_error = 'state: -1', last_detail = 'state: -1', last_sqlstate = 'X1234'; "
                  "UPDATE replicator.source_table SET last_error = 'table: -1', reason = 'table: -1', last_sqlstate = '22P02' WHERE name = "
                  "'t'; "
                  "UPDATE replicator.target_index SET last_error = 'index: -1', last_sqlstate = '42501*'; "
                  "UPDATE replicator.job SET state = 'failed'")
    shown = {"quarantine": "key, reason, detail", "differences": "key", "jobs": "last_error", "indexes": "last_error",
             "tables": "last_error, reason", "status": "last_error, detail"}

    def seen():
        return "\n".join(str(cluster.query(f"SELECT {columns} FROM replicator_{view} WHERE {'name' if view == 'status' else 'source'} = "
                                           "'watched'",
                                           user="watcher")) for view, columns in shown.items())

    hidden = seen()
    assert "-1" not in hidden and "5'" not in hidden and "22P02" in hidden, "the SQLSTATE is shown in its place"
    cluster.query("GRANT SELECT ON watched.t TO watcher")
    assert seen() == hidden, "without the schema it cannot be read"
    cluster.query("GRANT USAGE ON SCHEMA watched TO watcher")
    readable = seen()
    assert "Failing row" in readable and "job: -1" in readable and "index: -1" in readable and "table: -1" in readable
    assert "state: -1" not in readable, "may be about any table"
    cluster.query("ALTER TABLE watched.t ENABLE ROW LEVEL SECURITY")
    assert seen() == hidden, "not all rows can be read"
    cluster.query("ALTER TABLE watched.t DISABLE ROW LEVEL SECURITY; ALTER TABLE watched.t RENAME TO ours; CREATE TABLE watched.t (id "
                  "text); "
                  "ALTER TABLE watched.t OWNER TO watcher")
    assert seen() == hidden, "this is not the target"
    cluster.query("DROP TABLE watched.t")
    assert seen() == hidden, "there is none"
    cluster.query("ALTER TABLE watched.ours RENAME TO t; GRANT postgres TO watcher")
    assert "state: -1" in seen(), "as members of the owner do"
    cluster.query("REVOKE postgres FROM watcher; UPDATE replicator.source_table SET last_sqlstate = '42501' WHERE name = 't'")


def test_keys_in_control_calls_are_shown_to_members_of_the_owner(cluster, watched):
    with pytest.raises(Exception, match="is not set aside"):
        cluster.query("SELECT * FROM replicator_replay('watched', 't', 'a key')")
    calls = "SELECT arguments->>'key', message FROM replicator_events WHERE source = 'watched' AND action = 'replicator_replay'"
    wait_until(lambda: cluster.query(calls), what="the event")
    assert "a key" in str(cluster.query(calls))
    assert "a key" not in str(cluster.query(calls, user="watcher")) and "P0002" in str(cluster.query(calls, user="watcher"))


def test_what_code_of_the_owner_says_is_not_shown_to_others(cluster, watched):
    """Whatever its SQLSTATE, and its hint no more than its text: pg_monitor read rows in both."""
    cluster.query("CREATE FUNCTION watched.tell(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS "
                  "$$ BEGIN RAISE 'row ofAnna' USING ERRCODE = '42501', HINT = 'hint ofAnna'; END $$; "
                  "SELECT replicator_alter('watched', rules => '{\"indexes\": {\"t\": [\"watched.tell(data->>''a'')\"]}}')")
    failed = "SELECT state, last_error FROM replicator_indexes WHERE source = 'watched'"
    wait_until(lambda: cluster.query(failed) == [("failed", "row ofAnna (hint ofAnna)")], 60,
               lambda: f"the index to fail: {cluster.query(failed)}")
    everything = "; ".join(str(cluster.query(f"SELECT to_jsonb(v)::text FROM replicator_{view} v", user="watcher")) for view in VIEWS)
    assert "ofAnna" not in everything and "SQLSTATE 42501;" in everything


def test_what_the_server_says_of_a_row_is_not_shown_to_others(cluster, database, source, watched):
    """Functions of the server's own, which a CHECK calls with texts of rows, quote those in errors of any class."""
    path = database("quoted.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, b TEXT)")
    source(path, "quoted")
    cluster.wait_for_copy("quoted")
    cluster.query("ALTER TABLE quoted.t ADD CHECK ((data->>'b')::regclass IS NOT NULL)")
    file = sqlite3.connect(path, timeout=240)
    file.executescript("INSERT INTO t VALUES (1, 'text_of_anna')")
    file.close()
    cluster.query("SELECT replicator_sync('quoted')")
    error = "SELECT last_error FROM replicator_tables WHERE source = 'quoted'"
    wait_until(lambda: "text_of_anna" in (cluster.query(error)[0][0] or ""), what=lambda: f"the table to fail: {cluster.query(error)}")
    everything = "; ".join(str(cluster.query(f"SELECT to_jsonb(v)::text FROM replicator_{view} v", user="watcher")) for view in VIEWS)
    assert "text_of_anna" not in everything and "SQLSTATE 42P01;" in everything


VIEWS = ("status", "tables", "events", "indexes", "progress", "jobs", "quarantine", "differences")


def test_views_are_cheap_whichever_tables_have_been_analysed(cluster, database):
    """The server compiles and optimises a query that seems to cost much, which takes seconds."""
    tables = [table for (table,) in cluster.query("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' "
                                                  "AND relnamespace = 'replicator'::regnamespace ORDER BY 1")]
    names = ("cheap_one", "cheap_two", "cheap_three")
    for name in names:
        path = database(name + ".db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 2); CREATE TABLE k (v)")
        cluster.query("SELECT replicator_init(%s, name => %s)", (f"sqlite://{path}", name))
        cluster.wait_for_copy(name)
    for analysed in tables:
        cluster.query(f"ANALYZE {analysed}")
        for view in VIEWS:
            plan = cluster.query(f"EXPLAIN (FORMAT JSON) SELECT * FROM replicator_{view}")[0][0][0]["Plan"]
            assert plan["Total Cost"] < float(cluster.query("SHOW jit_optimize_above_cost")[0][0]), (view, analysed)
    for name in names:
        cluster.query("SELECT replicator_drop(%s, drop_tables => true)", (name,))


def test_tables_of_the_extension_that_were_never_analysed_are(cluster):
    """After pg_upgrade the server knows nothing of them, and autovacuum comes only to those that change."""
    unknown = ("SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'replicator'::regnamespace AND "
               "relpersistence = 'p' AND reltuples < 0")
    cluster.query("DELETE FROM pg_statistic s USING pg_class c WHERE c.oid = s.starelid AND c.relnamespace = 'replicator'::regnamespace")
    cluster.query("UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relkind = 'r' AND relnamespace = 'replicator'::regnamespace")
    assert cluster.query(unknown)
    cluster.query("SELECT replicator.request_probe()")
    wait_until(lambda: not cluster.query(unknown), 45, lambda: f"their statistics: {cluster.query(unknown)}")


def test_what_computes_a_row_at_the_source_may_quote_it_in_an_error(cluster, database, source):
    path = database("quoting.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'row_secret_1'); "
                    "CREATE VIEW quoting AS SELECT json_extract('{}', v) AS x FROM t")
    source(path, "quoting", include_tables=["*", "quoting"])
    cluster.wait_for_copy("quoting")
    cluster.query("CREATE ROLE onlooker LOGIN IN ROLE pg_monitor")
    try:
        shown = {user: [cluster.query(f"SELECT v::text FROM replicator_{view} v", user=user) for view in VIEWS]
                 for user in ("postgres", "onlooker")}
        assert "row_secret_1" in str(shown["postgres"]) and "row_secret_1" not in str(shown["onlooker"])
        assert "may quote rows" in str(shown["onlooker"]) and "Mend the view" in str(shown["onlooker"]), "the hint is ours"
    finally:
        cluster.query("DROP ROLE onlooker")
