"""Many databases in one cluster: none waits for another, none is forgotten, and what is left of a gone one is removed."""
import contextlib
import os
import signal
import sqlite3

import psycopg2
import pytest

from private_cluster import wait_until


@pytest.fixture(scope="module")
def second(cluster):
    cluster.query("CREATE DATABASE second")
    cluster.query("CREATE EXTENSION pg_replicator", database="second")
    yield "second"
    cluster.query("SELECT replicator_stop_workers()", database="second")
    cluster.query("DROP DATABASE second")


@pytest.fixture
def source_in_second(cluster, second, database, many_rows):
    cluster.query("SELECT replicator_init(%s, name => 'other')", (f"sqlite://{database('o.db', many_rows(10))}",),
                  database=second)
    cluster.wait_for_copy("other", database=second)
    yield "other"
    cluster.query("SELECT replicator_drop('other', drop_tables => true)", database=second)


@contextlib.contextmanager
def locked(cluster, database, table):
    """Nobody else can read the table meanwhile."""
    with contextlib.closing(cluster.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


def stop_waiting_probe(cluster, database):
    """Stops a probe of the database while it waits for a lock, and returns its pid; none if it went on in that moment."""
    waiting = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_replicator probe' AND datname = %s AND wait_event_type = 'Lock'"
    for pid, in cluster.query(waiting, (database,)):
        with contextlib.suppress(ProcessLookupError):
            cluster.kill(pid, signal.SIGSTOP)
            if (pid,) in cluster.query(waiting, (database,)):
                return pid
            cluster.kill(pid, signal.SIGCONT)
    return None


def test_a_probe_that_hangs_delays_no_other_database_and_one_that_dies_is_replaced(
        cluster, second, source_in_second, source, database, many_rows):
    with locked(cluster, second, "pg_catalog.pg_extension"):
        cluster.query("SELECT replicator.request_probe()", database=second)
        probe = wait_until(lambda: stop_waiting_probe(cluster, second), what="a probe that waits")
        try:
            source(database("mine.db", many_rows(10)), "mine")
            cluster.wait_for_copy("mine", timeout=45)  # less than the patience with a probe
            # A wish of which nobody hears.
            cluster.query("UPDATE replicator.source_state SET sync_requested = sync_requested + 1", database=second)
            assert cluster.workers("probe", second) == [probe]
            cluster.query("SELECT pg_terminate_backend(%s)", (probe,))
        finally:
            cluster.kill(probe, signal.SIGCONT)
        wait_until(lambda: probe not in cluster.workers("probe", second), what="its end")
    cluster.wait_for_copy(source_in_second, database=second)


def test_a_lock_on_the_events_keeps_no_worker_from_starting(cluster, source, database, many_rows):
    name = source(database("e.db", many_rows(10)), "e")
    cluster.wait_for_copy(name)
    with pytest.raises(psycopg2.Error):
        cluster.query("SELECT replicator_sync('e', ARRAY['none'])")
    with locked(cluster, "postgres", "replicator.event"):
        cluster.query("UPDATE replicator.source_state SET sync_requested = sync_requested + 1")
        cluster.query("SELECT replicator.request_probe()")
        cluster.wait_for_copy(name)
    # The failed call was kept, and is written down once.
    wait_until(lambda: cluster.query("SELECT count(*) FROM replicator_events WHERE source = 'e' AND outcome = 'error'")
               == [(1,)], what="the event")


def test_the_number_of_databases_has_no_limit(cluster, second, source_in_second):
    """Databases that exist in the catalog alone; none of them is allowed, so none is connected to."""
    cluster.configure(**{"pg_replicator.databases": "postgres, second, late"})
    cluster.reload()
    many = ("SET allow_system_table_mods = on; INSERT INTO pg_database SELECT r.* FROM pg_database d, "
            "generate_series(1, 300) i, jsonb_populate_record(d, jsonb_build_object('oid', 3000000000 + i, "
            "'datname', 'many' || i)) r WHERE d.datname = 'second'")
    cluster.query(many)
    try:
        cluster.query("SELECT replicator_sync('other')", database=second)
        cluster.wait_for_copy("other", database=second)  # so the launcher has seen them
        cluster.query("CREATE DATABASE late TEMPLATE second")
        assert cluster.status("other", "late")["state"] == "restored"
        cluster.query("SELECT replicator_resume('other'); SELECT replicator_sync('other')", database="late")
        cluster.wait_for_copy("other", database="late")
        cluster.query("SELECT replicator_stop_workers()", database="late")
        cluster.query("DROP DATABASE late")
    finally:
        cluster.query("SET allow_system_table_mods = on; DELETE FROM pg_database WHERE oid > 3000000000::oid")
        cluster.configure(**{"pg_replicator.databases": ""})
        cluster.reload()


def test_private_copies_are_removed_with_their_database_or_source(cluster, source, database, many_rows):
    """DROP DATABASE and DROP EXTENSION run no code of ours."""
    source(database("kept.db", many_rows(10)), "kept")
    cluster.wait_for_copy("kept")
    [(this, kept)] = cluster.query("SELECT d.oid::text, s.id FROM pg_database d, replicator.source s "
                                   "WHERE datname = current_database()")
    cluster.query("CREATE DATABASE third")
    [(gone,)] = cluster.query("SELECT oid::text FROM pg_database WHERE datname = 'third'")
    root = os.path.join(cluster.data, "pgsql_tmp_pg_replicator")
    directories = {name: os.path.join(root, name)
                   for name in (f"{this}_{kept}", f"{this}_{kept + 1000}", f"{gone}_1", f"{gone}_1_jobs", "lost+found")}
    for directory in [root, *directories.values()]:
        os.makedirs(directory, exist_ok=True)
        cluster.give_to_server(directory)
    with open(os.path.join(directories[f"{gone}_1"], "copy"), "w"):
        pass
    cluster.query("DROP DATABASE third")
    cluster.query("SELECT replicator.request_probe()")
    wait_until(lambda: set(os.listdir(root)) == {f"{this}_{kept}", "lost+found"}, what=lambda: f"{os.listdir(root)}")
    os.rmdir(directories["lost+found"])


# What a database may set, and what a worker must have instead.
SETTINGS = {
    "default_transaction_isolation": ("serializable", "read committed"),
    "default_transaction_read_only": ("on", "off"),
    "default_transaction_deferrable": ("on", "off"),
    "statement_timeout": ("1ms", "0"),
    "lock_timeout": ("1ms", "1h"),  # pg_replicator.target_lock_patience, within a statement on a target
    "idle_in_transaction_session_timeout": ("1ms", "0"),
    "idle_session_timeout": ("1ms", "0"),
    "transaction_timeout": ("1ms", "0"),
    "exit_on_error": ("on", "off"),
    "role": ("poor", "none"),
    "session_authorization": ("poor", "postgres"),
    "restrict_nonsystem_relation_kind": ("view", ""),
    "row_security": ("off", "on"),
    "client_encoding": ("LATIN1", "UTF8"),
    "search_path": ("public", "pg_catalog, pg_temp"),
    "DateStyle": ("SQL, DMY", "ISO, MDY"),
    "IntervalStyle": ("iso_8601", "postgres"),
    "TimeZone": ("Asia/Kolkata", "UTC"),
    "bytea_output": ("escape", "hex"),
    "extra_float_digits": ("-15", "1"),
    "standard_conforming_strings": ("off", "on"),
    "quote_all_identifiers": ("on", "off"),
    "transform_null_equals": ("on", "off"),
    "array_nulls": ("off", "on"),
    "xmloption": ("document", "content"),
    "default_table_access_method": ("another", "heap"),
    "plan_cache_mode": ("force_generic_plan", "auto"),
}
# Of the sessions of this test.
PGOPTIONS = " ".join(f"-c {name}={SETTINGS[name][1]}" for name in SETTINGS
                     if "timeout" in name and name != "transaction_timeout" or name in ("exit_on_error", "role", "session_authorization")
                     ) + " -c default_transaction_read_only=off"


def test_settings_of_a_database_keep_no_worker_from_its_work(cluster, database, many_rows, monkeypatch):
    path = database("settings.db", many_rows(100))
    cluster.query("CREATE DATABASE odd")
    cluster.query("CREATE ROLE poor; CREATE EXTENSION pg_replicator; "
                  "CREATE ACCESS METHOD another TYPE TABLE HANDLER heap_tableam_handler", database="odd")
    there = {row[0] for row in cluster.query("SELECT name FROM pg_settings")} & set(SETTINGS) | {"role", "session_authorization"}
    for name in there:
        cluster.query(f"ALTER DATABASE odd SET {name} = '{SETTINGS[name][0]}'")
    monkeypatch.setenv("PGOPTIONS", PGOPTIONS + "".join(f" -c {name}={SETTINGS[name][1]}" for name in (
        "transaction_timeout", "restrict_nonsystem_relation_kind") if name in there))

    def query(sql, *parameters):
        return cluster.query(sql, parameters or None, database="odd")
    query("SELECT replicator_init(%s, name => 's', refresh_interval => '90 min', mode => 'periodic', "
          "rules => '{\"indexes\": {\"t\": [\"data->>''b''\"]}}')", f"sqlite://{path}")
    cluster.wait_for_copy("s", database="odd")
    # A build waits for all older transactions of its database, and would wait for one that wants its table next.
    wait_until(lambda: query("SELECT state FROM replicator_indexes") == [("ready",)], what="the index")
    assert query("SELECT a.amname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.oid = 's.t'::regclass") == [("heap",)]
    query("CREATE TABLE public.seen (name text, value text) USING heap; "
          "CREATE FUNCTION public.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
          "INSERT INTO public.seen SELECT n, current_setting(n) FROM unnest(TG_ARGV) n; RETURN NEW; END $$; "
          "CREATE TRIGGER look BEFORE UPDATE ON s.t FOR EACH ROW EXECUTE FUNCTION public.look(" +
          ", ".join(f"'{name}'" for name in sorted(there)) + "); ALTER TABLE s.t ENABLE ALWAYS TRIGGER look; "
          "ALTER TABLE s.t ADD CHECK (data->>'b' <> 'refused')")
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE t SET b = CASE id WHEN 1 THEN 'stored' ELSE 'refused' END WHERE id < 3")
        file.commit()
    query("SELECT replicator_sync('s')")
    cluster.wait_for_copy("s", database="odd")
    # An error that is dealt with ends no process.
    assert query("SELECT key, sqlstate FROM replicator_quarantine") == [("2", "23514")]
    assert query("SELECT data->>'b' FROM s.t WHERE id = '1'") == [("stored",)]
    # The role is the owner's while a trigger runs.
    assert {**dict(query("SELECT DISTINCT name, value FROM public.seen")), "role": "none"} \
        == {name: SETTINGS[name][1] for name in there}
    job = query("SELECT replicator_verify('s')")[0][0]
    wait_until(lambda: query("SELECT state FROM replicator_jobs WHERE job = %s", job) == [("done",)], what="the comparison")
    assert query("SELECT state FROM replicator_indexes") == [("ready",)]
    # A control call runs in a session of the database.
    assert query("SELECT arguments->>'refresh_interval' FROM replicator_events WHERE action = 'replicator_init'") \
        == [("01:30:00",)]
    hint = "SELECT hint FROM replicator_status"
    cluster.query("ALTER DATABASE odd IS_TEMPLATE true")
    assert "is a template" in query(hint)[0][0]
    cluster.query("ALTER DATABASE odd IS_TEMPLATE false")
    query("SELECT replicator_stop_workers()")
    assert "replicator_stop_workers was called" in query(hint)[0][0]
    query("SELECT replicator_drop('s', drop_tables => true); SELECT replicator_stop_workers()")
    monkeypatch.delenv("PGOPTIONS")
    cluster.query("DROP DATABASE odd")
    cluster.query("DROP ROLE poor")


def test_a_worker_that_cannot_even_say_what_is_wrong_is_not_started_again_at_once(cluster, source, database, many_rows):
    name = source(database("w.db", many_rows(10)), "w")
    cluster.wait_for_copy(name)
    cluster.query("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the catalog is full'; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE OF generation ON replicator.source_state FOR EACH ROW EXECUTE FUNCTION refuse();
        ALTER TABLE replicator.source_state ENABLE ALWAYS TRIGGER refuse""")
    try:
        cluster.query("SELECT replicator_sync('w')")
        cluster.query("SELECT pg_sleep(2)")
        wait_until(lambda: "the catalog is full" in cluster.log_text(), what="the error")
        assert cluster.log_text().count("source worker ERROR:  the catalog is full") <= 2
    finally:
        cluster.query("DROP FUNCTION refuse CASCADE")
    cluster.wait_for_copy(name)


def test_values_of_one_source_harm_no_other(cluster, source, database):
    """Sums beyond what a type holds made statements about all sources fail."""
    size = "ANALYZE; UPDATE sqlite_stat1 SET stat = '9223372036854775807 1'"
    many = database("many.db", *(f"CREATE TABLE {t} (id INTEGER PRIMARY KEY, v INT); CREATE INDEX i{t} ON {t} (v); INSERT INTO {t} VALUES "
                                 "(1, 2)" for t in "ab"), size)
    path = database("other.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1)")
    with pytest.raises(psycopg2.Error, match="The most is 100 years"):
        source(many, "endless", mode="periodic", refresh_interval="293000 years")
    source(many, "endless", mode="periodic", refresh_interval="100 years")
    source(path, "other", mode="periodic", refresh_interval="1 s")
    for name in ("endless", "other"):
        cluster.wait_for_copy(name)
    # As a catalog that was restored may have them.
    cluster.query("UPDATE replicator.source SET refresh_interval = '293000 years' WHERE name = 'endless'; "
                  "UPDATE replicator.source_table SET rows_expected = 9223372036854775807 WHERE target_schema = 'endless'")
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE t SET v = 2")
        file.commit()
    wait_until(lambda: cluster.query("SELECT data->>'v' FROM other.t") == [("2",)], 60,
               lambda: f"the other source: {cluster.status('other')}")
    # As a clock that was ahead for a while leaves it.
    cluster.query("UPDATE replicator.source_state SET state_read_at = now() + interval '1 year' WHERE source_id = (SELECT id FROM "
                  "replicator.source WHERE name = 'other')")
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE t SET v = 3")
        file.commit()
    wait_until(lambda: cluster.query("SELECT data->>'v' FROM other.t") == [("3",)], 90, lambda: f"the refresh: {cluster.status('other')}")
    assert cluster.query("SELECT rows_expected FROM replicator_status WHERE name = 'endless'") == [(9223372036854775807,)]


def test_an_open_transaction_keeps_nothing_from_being_recorded(cluster, source, database, many_rows):
    """It holds rows that the probe wants to remove: failed calls of all were not recorded for as long as it was open."""
    source(database("held.db", many_rows(10)), "held")
    cluster.wait_for_copy("held")
    job = cluster.query("SELECT replicator_verify('held')")[0][0]
    wait_until(lambda: cluster.query("SELECT state FROM replicator_jobs WHERE job = %s", (job,)) == [("done",)], what="the comparison")
    cluster.query("UPDATE replicator.job SET finished_at = '2000-01-01'")
    with contextlib.closing(cluster.connect()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT replicator_drop('held')")
        with pytest.raises(psycopg2.Error, match="does not exist"):
            cluster.query("SELECT replicator_pause('nobody')")
        wait_until(lambda: cluster.query("SELECT 1 FROM replicator.event WHERE source = 'nobody'"), 45, "the event")
        cursor.execute("ROLLBACK")
    cluster.query("SELECT replicator.request_probe()")
    wait_until(lambda: cluster.query("SELECT 1 FROM replicator.job WHERE id = %s", (job,)) == [], 45, "the old job to be gone")
