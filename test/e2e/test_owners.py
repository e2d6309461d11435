"""Who owns a source and its targets: owners that go, that change, and what stands in a target's place."""
import contextlib
import os
import sqlite3
import subprocess

import psycopg2
import pytest

from private_cluster import BINDIR, unprivileged, wait_until
from observing import refresh


def owners_of(cluster, name):
    return cluster.query("SELECT o.name, (SELECT tableowner FROM pg_tables WHERE schemaname = s.name AND tablename = 't') "
                         "FROM replicator.source s JOIN replicator.source_owner o ON o.source_id = s.id WHERE s.name = %s", (name,))[0]


def test_a_source_whose_owner_was_dropped_fails_until_it_gets_another(cluster, database, source, many_rows, owners):
    path = database("left.db", many_rows(10))
    cluster.query("SELECT replicator_init(%s, name => 'left_behind')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("left_behind")
    cluster.query("REASSIGN OWNED BY first_owner TO second_owner; DROP OWNED BY first_owner; DROP ROLE first_owner")
    status = cluster.status("left_behind")
    assert status["state"] == "failed" and '"first_owner"' in status["last_error"] and "owner =>" in status["hint"]
    cluster.query("SELECT replicator_sync('left_behind')")
    wait_until(lambda: cluster.query("SELECT last_sqlstate FROM replicator.source_state st JOIN replicator.source s ON s.id = st.source_id "
                                     "WHERE s.name = 'left_behind' AND st.state = 'failed'") == [("42704",)], what="the worker to say so")
    # Another role of that name inherits nothing.
    cluster.query("CREATE ROLE first_owner LOGIN; GRANT pg_read_server_files TO first_owner; GRANT EXECUTE ON ALL ROUTINES IN SCHEMA "
                  "public TO first_owner")
    for call in ("replicator_pause('left_behind')", "replicator_alter('left_behind', owner => 'first_owner')"):
        with pytest.raises(Exception, match="permission denied"):
            cluster.query("SELECT " + call, user="first_owner")
    assert cluster.status("left_behind")["state"] == "failed"
    with pytest.raises(Exception, match="may not create tables in it"):
        cluster.query("SELECT replicator_alter('left_behind', owner => 'first_owner')")
    cluster.query("SELECT replicator_alter('left_behind', owner => 'second_owner')")
    refresh(cluster, path, "left_behind", 77)
    assert owners_of(cluster, "left_behind") == ("second_owner", "second_owner")
    cluster.query("SELECT replicator_drop('left_behind', drop_tables => true)", user="second_owner")


def test_a_source_and_its_targets_go_to_another_owner_and_follow_its_name(cluster, database, source, many_rows, owners):
    path = database("handed.db", many_rows(10))
    cluster.query("SELECT replicator_init(%s, name => 'handed')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("handed")
    with pytest.raises(Exception, match="permission denied to make role"):
        cluster.query("SELECT replicator_alter('handed', owner => 'second_owner')", user="first_owner")
    cluster.query("GRANT second_owner TO first_owner")
    with pytest.raises(Exception, match="does not exist"):
        cluster.query("SELECT replicator_alter('handed', owner => 'nobody here')", user="first_owner")
    cluster.query("GRANT CREATE, USAGE ON SCHEMA handed TO second_owner", user="first_owner")
    cluster.query("SELECT replicator_alter('handed', owner => 'second_owner')", user="first_owner")
    assert owners_of(cluster, "handed") == ("second_owner", "second_owner")
    cluster.query("REVOKE second_owner FROM first_owner")
    with pytest.raises(Exception, match="permission denied for source"):
        cluster.query("SELECT replicator_pause('handed')", user="first_owner")
    refresh(cluster, path, "handed", 78)
    cluster.query("ALTER ROLE second_owner RENAME TO renamed_owner")
    cluster.query("SELECT replicator_pause('handed')", user="renamed_owner")
    wait_until(lambda: cluster.query("SELECT owner FROM replicator.source WHERE name = 'handed'") == [("renamed_owner",)],
               what="the name that a dump has")
    cluster.query("ALTER ROLE renamed_owner RENAME TO second_owner; SELECT replicator_drop('handed', drop_tables => true)")


def test_what_stands_in_a_target_s_place_is_neither_locked_nor_given_away(cluster, database, source, many_rows, owners):
    path = database("replaced.db", many_rows(10))
    cluster.query("SELECT replicator_init(%s, name => 'replaced')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("replaced")
    cluster.query("DROP TABLE replaced.t; CREATE TABLE replaced.t (id text COLLATE \"C\" PRIMARY KEY, data jsonb NOT NULL, _synced_at "
                  "timestamptz NOT NULL)")
    holder = cluster.connect()
    holder.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute("LOCK replaced.t IN SHARE MODE")  # whoever asks to write it waits, and all others after that one
    cluster.query("SELECT replicator_resync('replaced', 't')", user="first_owner")
    wait_until(lambda: cluster.query("SELECT last_sqlstate FROM replicator.source_table WHERE state = 'failed' AND target_schema = "
                                     "'replaced'")
               == [("42501",)], 30, "the table to fail at once")
    holder.close()
    cluster.query("REASSIGN OWNED BY first_owner TO second_owner; DROP OWNED BY first_owner; DROP ROLE first_owner; "
                  "UPDATE replicator.target_relation SET relid = 1 WHERE table_id = (SELECT id FROM replicator.source_table WHERE "
                  "target_schema = 'replaced'); "
                  "SELECT replicator_alter('replaced', owner => 'second_owner')")
    assert owners_of(cluster, "replaced") == ("second_owner", "postgres"), "it is another table, and a superuser's"
    cluster.query("DROP TABLE replaced.t; SELECT replicator_drop('replaced')")


def test_nothing_that_depends_on_a_side_table_keeps_it(cluster, database, source, many_rows, owners):
    path = database("leaning.db", many_rows(10))
    cluster.query("SELECT replicator_init(%s, name => 'leaning', refresh_interval => '1 s')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("leaning")
    staging = wait_until(lambda: cluster.query("SELECT c.oid::regclass::text FROM pg_class c JOIN replicator.source_table t ON c.relname = "
                                               "'staging_' || t.id "
                                               "WHERE t.target_schema = 'leaning'"), what="a staging table that is kept")[0][0]
    # Nobody else finds it, or could keep it locked by no more than the analysis of a statement.
    for statement in (f"PREPARE p AS SELECT * FROM {staging}", f"CREATE TEMP TABLE t (staged {staging})",
                      f"CREATE VIEW leaning.on_staging AS SELECT * FROM {staging}",
                      "PREPARE p AS SELECT * FROM replicator.source"):
        for role in ("first_owner", "second_owner"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="permission denied for schema replicator"):
                cluster.query(statement, user=role)
    # Nor by a lock on the extension, for which nobody needs a right.
    with contextlib.closing(cluster.connect(user="second_owner")) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql RETURN 1; ALTER FUNCTION pg_temp.f() DEPENDS ON "
                       "EXTENSION pg_replicator")
        held = "SELECT 1 FROM pg_locks WHERE pid = %s AND classid = 'pg_extension'::regclass AND mode = 'AccessExclusiveLock'"
        assert cluster.query(held, (other.info.backend_pid,)) == [(1,)]
        source(path, "beside", mode="once")
        cluster.wait_for_copy("beside")
        cluster.query("SELECT replicator_sync('beside')")
        wait_until(lambda: cluster.query("SELECT sync_done >= sync_requested FROM replicator.source_state st JOIN replicator.source s ON "
                                         "s.id = st.source_id WHERE s.name = 'beside'") == [(True,)], 60,
                   lambda: f"the refresh: {cluster.status('beside')} "
                           f"{cluster.query('SELECT pid, query, wait_event_type, wait_event FROM pg_stat_activity')} "
                           f"{cluster.query('SELECT pid, locktype, mode, objid, relation::regclass FROM pg_locks WHERE NOT granted')}")
    # Nor do functions of theirs that a write of ours calls.
    cluster.query("CREATE FUNCTION leaning.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CREATE VIEW leaning.v AS SELECT "
                  f"FROM {staging}'; "
                  "RETURN NEW; END $$; CREATE TRIGGER look BEFORE UPDATE ON leaning.t FOR EACH ROW EXECUTE FUNCTION leaning.look(); "
                  "ALTER TABLE leaning.t ENABLE REPLICA TRIGGER look", user="first_owner")
    with contextlib.closing(sqlite3.connect(path, timeout=240)) as file:
        file.executescript("UPDATE t SET a = 4711 WHERE id = 1")
    wait_until(lambda: "permission denied for schema replicator" in str(cluster.query("SELECT reason FROM replicator_quarantine WHERE "
                                                                                      "source = 'leaning' UNION ALL "
               "SELECT reason FROM replicator_tables WHERE source = 'leaning'")), 60, "the trigger to be refused")
    cluster.query("DROP FUNCTION leaning.look() CASCADE", user="first_owner")
    cluster.query("SELECT replicator_sync('leaning')")
    wait_until(lambda: cluster.query("SELECT data->>'a' FROM leaning.t WHERE id = '1'") == [("4711",)]
               and cluster.query("SELECT to_regclass(%s) IS NOT NULL", (staging,)) == [(True,)],
               60, lambda: f"a refresh that is taken: {cluster.query('SELECT state, reason FROM replicator_tables')}")
    cluster.query("GRANT pg_read_all_data TO second_owner")
    assert cluster.query("SELECT count(*) > 0 FROM replicator.source", user="second_owner") == [(True,)]
    cluster.query("REVOKE pg_read_all_data FROM second_owner")
    cluster.query(f"CREATE VIEW leaning.on_staging AS SELECT * FROM {staging}")
    cluster.query("CREATE SCHEMA leaning2")
    cluster.query(f"GRANT ALL ON SCHEMA leaning2 TO second_owner; CREATE TABLE leaning2.of_its_type (n integer, staged {staging})")
    cluster.query("SELECT replicator_drop('leaning', drop_tables => true)", user="first_owner")
    assert cluster.query("SELECT to_regclass(%s), to_regclass('leaning.on_staging'), count(*) FROM pg_attribute "
                         "WHERE attrelid = 'leaning2.of_its_type'::regclass AND attname IN ('n', 'staged')",
                         (staging,)) == [(None, None, 1)]
    cluster.query("DROP SCHEMA leaning2 CASCADE")


def test_the_owner_of_a_source_does_not_see_keys_of_an_earlier_one_of_its_name(cluster, database, source, many_rows, owners):
    path = database("named.db", many_rows(10))
    cluster.query("GRANT pg_monitor TO first_owner")
    source(path, "named")
    cluster.wait_for_copy("named")
    with pytest.raises(Exception, match="is not set aside"):
        cluster.query("SELECT * FROM replicator_replay('named', 't', 'an old key')")
    calls = "SELECT arguments->>'key' FROM replicator_events WHERE source = 'named' AND action = 'replicator_replay'"
    wait_until(lambda: cluster.query(calls) == [("an old key",)], what="the event")
    cluster.query("SELECT replicator_drop('named', drop_tables => true)")
    cluster.query("DROP SCHEMA named")
    cluster.query("SELECT replicator_init(%s, name => 'named')", (f"sqlite://{path}",), user="first_owner")
    assert cluster.query(calls, user="first_owner") == [(None,)]
    cluster.query("SELECT replicator_drop('named', drop_tables => true)", user="first_owner")


def test_what_is_said_of_a_target_that_is_not_handed_over_is_true(cluster, owners, database, source, many_rows):
    """It may be the one that was made, and another role's; or in its place."""
    path = database("given.db", many_rows(10), "CREATE TABLE u (id INTEGER PRIMARY KEY)")
    source(path, "given")
    cluster.wait_for_copy("given")
    cluster.query("GRANT CREATE, USAGE ON SCHEMA given TO second_owner; ALTER TABLE given.t OWNER TO first_owner; "
                  "ALTER TABLE given.u RENAME TO kept; CREATE TABLE given.u (id int); ALTER TABLE given.u OWNER TO first_owner")
    with contextlib.closing(cluster.connect()) as connection:
        connection.cursor().execute("SELECT replicator_alter('given', owner => 'second_owner')")
        told = "".join(connection.notices)
    assert "relation given.t is not handed over: it belongs to another role" in told, told
    assert "relation given.u is not handed over: it is not the target that was made" in told, told
    cluster.query("SELECT replicator_drop('given'); DROP SCHEMA given CASCADE")


def test_a_restore_where_an_owner_is_missing_keeps_all_sources(cluster, database, source, many_rows, owners):
    path = database("kept.db", many_rows(10), "CREATE TABLE u (id INTEGER PRIMARY KEY); CREATE TABLE w (id INTEGER PRIMARY KEY)")
    source(path, "kept")
    cluster.query("SELECT replicator_init(%s, name => 'orphan')", (f"sqlite://{path}",), user="first_owner")
    for name in ("kept", "orphan"):
        cluster.wait_for_copy(name)
    cluster.query("ALTER TABLE orphan.t ADD COLUMN note text")
    # In the place of a target stands a table of the administrator's, and another that only looks like one.
    cluster.query("DROP TABLE orphan.u, orphan.w; CREATE TABLE orphan.u (id int, secret text); "
                  "CREATE TABLE orphan.w (LIKE orphan.t); COMMENT ON TABLE orphan.w IS 'mine'")
    dump = os.path.join(cluster.directory, "dump")
    arguments = ["-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres"]
    subprocess.run(unprivileged([f"{BINDIR}/pg_dump", "-Fc", "-f", dump, *arguments, "postgres"], cluster.directory), check=True, cwd="/")
    cluster.query("DROP TABLE orphan.u, orphan.w; SELECT replicator_drop('orphan', drop_tables => true)")
    cluster.query("DROP OWNED BY first_owner; DROP ROLE first_owner")
    cluster.query("CREATE DATABASE orphanage")
    # The grants to the role that is missing fail, and are reported; nothing else does.
    subprocess.run(unprivileged([f"{BINDIR}/pg_restore", "-d", "orphanage", *arguments, dump], cluster.directory), cwd="/",
                   capture_output=True)
    assert cluster.query("SELECT name, state FROM replicator_status ORDER BY name", database="orphanage") == [
        ("kept", "restored"), ("orphan", "restored")]
    assert "owner =>" in cluster.status("orphan", "orphanage")["hint"]
    assert "replicator_resume" in cluster.status("kept", "orphanage")["hint"]
    with pytest.raises(Exception, match='the owner of source "orphan" does not exist'):
        cluster.query("SELECT replicator_resume('orphan')", database="orphanage")
    cluster.query("GRANT CREATE, USAGE ON SCHEMA orphan TO second_owner", database="orphanage")
    with contextlib.closing(cluster.connect("orphanage")) as connection:
        connection.cursor().execute("SELECT replicator_alter('orphan', owner => 'second_owner')")
        told = "".join(connection.notices)
        assert all(f'relation orphan.{table} is not handed over' in told for table in ("u", "w")) and 'orphan.t' not in told, told
    assert cluster.status("orphan", "orphanage")["state"] == "restored", "a person has it go on"
    with contextlib.closing(cluster.connect("orphanage")) as connection:
        connection.cursor().execute("SELECT replicator_resume('orphan')")
        told = "".join(connection.notices)
        assert all(f'relation orphan.{table} is not taken for the target' in told for table in ("u", "w")) and 'orphan.t' not in told, told
    owner = "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'orphan' ORDER BY 1"
    assert cluster.query(owner, database="orphanage") == [("t", "second_owner"), ("u", "postgres"), ("w", "postgres")]
    cluster.query("DROP TABLE orphan.u, orphan.w; SELECT replicator_resync('orphan')", database="orphanage")
    cluster.wait_for_copy("orphan", database="orphanage")
    assert {owner for (_, owner) in cluster.query(owner, database="orphanage")} == {"second_owner"}
    cluster.query("SELECT replicator_stop_workers()", database="orphanage")
    cluster.query("DROP DATABASE orphanage")


def test_the_role_that_created_the_extension_can_leave_nothing_in_it_that_workers_run(cluster, database, many_rows):
    """It was a superuser then; what it, or whoever its objects went to, puts into our catalog would run with ours."""
    cluster.query("CREATE DATABASE made_by_another")
    cluster.query("CREATE ROLE maker SUPERUSER LOGIN; CREATE ROLE heir")
    cluster.query("CREATE EXTENSION pg_replicator", database="made_by_another", user="maker")
    path = database("made.db", many_rows(10))
    cluster.query("SELECT replicator_init(%s, name => 'made', mode => 'periodic', refresh_interval => '1 s')", (f"sqlite://{path}",),
                  database="made_by_another")
    cluster.wait_for_copy("made", database="made_by_another")
    owned = ("SELECT pg_describe_object(d.classid, d.objid, 0) FROM pg_shdepend o JOIN pg_depend d USING (classid, objid) "
             "WHERE o.deptype = 'o' AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass")
    assert cluster.query(owned, database="made_by_another") == [], "pg_shdepend holds every owner but the bootstrap superuser"
    dumped = cluster._run([f"{BINDIR}/pg_dump", "-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres", "--schema-only",
                           "made_by_another"]).stdout
    assert "maker" not in dumped and "TO pg_monitor" not in dumped, "the dump repeats what the extension grants"
    cluster.query("ALTER ROLE maker NOSUPERUSER")
    for what in ("CREATE OR REPLACE VIEW replicator.source_owner AS SELECT 1 AS source_id",
                 "ALTER TABLE replicator.source_state DISABLE TRIGGER ALL", "ALTER SCHEMA replicator RENAME TO ours",
                 "CREATE FUNCTION replicator.trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cluster.query(what, database="made_by_another", user="maker")
    file = sqlite3.connect(path, timeout=240)
    file.executescript("UPDATE t SET a = 4 WHERE id = 1")
    file.close()
    wait_until(lambda: cluster.query("SELECT data->>'a' FROM made.t WHERE id = '1'", database="made_by_another") == [("4",)],
               what="the change, as ever")
    cluster.query("REASSIGN OWNED BY maker TO heir", database="made_by_another")
    assert cluster.query(owned, database="made_by_another") == []
    cluster.query("DROP ROLE maker")
    assert cluster.status("made", database="made_by_another")["state"] == "idle"
    cluster.query("SELECT replicator_drop('made'); DROP EXTENSION pg_replicator CASCADE", database="made_by_another")
    cluster.query("DROP DATABASE made_by_another WITH (FORCE)")
    cluster.query("DROP ROLE heir")
