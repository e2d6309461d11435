"""Code of the owner of targets runs with the owner's rights, and so does whatever it leaves behind in the session."""
import json
import os
import sqlite3
import subprocess
import threading

import psycopg2
import pytest

from private_cluster import BINDIR, unprivileged, wait_until


def test_a_trigger_of_the_owner_cannot_lead_us_to_other_operators(cluster, database, many_rows):
    path = database("trap.db", many_rows(10))
    cluster.query("CREATE ROLE trapper; GRANT CREATE ON DATABASE postgres TO trapper; GRANT pg_read_server_files TO trapper; "
                  "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO trapper")
    connection = cluster.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE trapper")
        cursor.execute("SELECT replicator_init(%s, name => 'trapped')", (f"sqlite://{path}",))
    cluster.wait_for_copy("trapped")
    with connection.cursor() as cursor:
        # Operators that are found before PostgreSQL's own by whoever has the schema in the search_path.
        cursor.execute("CREATE SCHEMA trap; CREATE TABLE trap.caught (who text); GRANT ALL ON SCHEMA trap TO PUBLIC; GRANT ALL ON trap.caught TO PUBLIC")
        for kind, equal in (("integer", "int4eq"), ("bigint", "int8eq"), ("text", "texteq")):
            cursor.execute(f"CREATE FUNCTION trap.equal(a {kind}, b {kind}) RETURNS boolean LANGUAGE plpgsql AS $$ "
                           f"BEGIN INSERT INTO trap.caught VALUES (current_user); RETURN pg_catalog.{equal}(a, b); END$$; "
                           f"CREATE OPERATOR trap.= (LEFTARG = {kind}, RIGHTARG = {kind}, FUNCTION = trap.equal)")
        cursor.execute("CREATE FUNCTION trap.set() RETURNS trigger LANGUAGE plpgsql AS $$ "
                       "BEGIN PERFORM set_config('search_path', 'trap, pg_catalog', false); RETURN NEW; END$$; "
                       "CREATE TRIGGER set BEFORE INSERT OR UPDATE ON trapped.t FOR EACH ROW EXECUTE FUNCTION trap.set(); "
                       "ALTER TABLE trapped.t ENABLE ALWAYS TRIGGER set; ALTER TABLE trapped.t ADD CHECK (data->>'a' <> '-1')")
    file = sqlite3.connect(path, timeout=240)
    file.executescript("UPDATE t SET a = 0; UPDATE t SET a = -1 WHERE id = 5")
    file.close()
    cluster.query("SELECT replicator_sync('trapped')")
    cluster.wait_for_copy("trapped")
    assert cluster.query("SELECT key FROM replicator_quarantine WHERE source = 'trapped'") == [("5",)]
    assert cluster.query("SELECT count(*) FROM trapped.t WHERE data->>'a' = '0'") == [(9,)], "the trigger has fired"
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE trapped.t DROP CONSTRAINT t_data_check; SELECT stored FROM replicator_replay('trapped')")
        assert cursor.fetchall() == [(True,)]
    connection.close()
    assert cluster.query("SELECT DISTINCT who FROM trap.caught WHERE who <> 'trapper'") == []
    cluster.query("SELECT replicator_drop('trapped', drop_tables => true); DROP SCHEMA trap CASCADE; DROP SCHEMA IF EXISTS trapped CASCADE; "
                  "DROP OWNED BY trapper; DROP ROLE trapper")


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
                  "INSERT INTO replicator.job_table (job_id, table_id) SELECT j.id, t.id FROM replicator.job j JOIN replicator.source_table t "
                  "USING (source_id) WHERE j.last_error = 'job: -1' AND t.name = 't'; "
                  "INSERT INTO replicator.difference (job_id, table_id, key, kind) SELECT job_id, table_id, '5', 'changed' FROM replicator.job_table; "
                  "UPDATE replicator.source_state SET last_error = 'state: -1', last_detail = 'state: -1', last_sqlstate = 'X1234'; "
                  "UPDATE replicator.source_table SET last_error = 'table: -1', reason = 'table: -1', last_sqlstate = '22P02' WHERE name = 't'; "
                  "UPDATE replicator.target_index SET last_error = 'index: -1', last_sqlstate = 'P0001'; "
                  "UPDATE replicator.job SET state = 'failed'")
    shown = {"quarantine": "key, reason, detail", "differences": "key", "jobs": "last_error", "indexes": "last_error",
             "tables": "last_error, reason", "status": "last_error, detail"}

    def seen():
        return "\n".join(str(cluster.query(f"SELECT {columns} FROM replicator_{view} WHERE {'name' if view == 'status' else 'source'} = 'watched'",
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
    cluster.query("ALTER TABLE watched.t DISABLE ROW LEVEL SECURITY; ALTER TABLE watched.t RENAME TO ours; CREATE TABLE watched.t (id text); "
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


@pytest.fixture
def owners(cluster):
    """Two roles that may have sources."""
    for role in ("first_owner", "second_owner"):
        cluster.query(f"CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE postgres TO {role}; GRANT pg_read_server_files TO {role}; "
                      f"GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO {role}")
    yield
    for role in ("first_owner", "second_owner"):
        if cluster.query("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)):
            cluster.query(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def owners_of(cluster, name):
    return cluster.query("SELECT o.name, (SELECT tableowner FROM pg_tables WHERE schemaname = s.name AND tablename = 't') "
                         "FROM replicator.source s JOIN replicator.source_owner o ON o.source_id = s.id WHERE s.name = %s", (name,))[0]


def refresh(cluster, path, name, value):
    file = sqlite3.connect(path, timeout=240)
    file.execute("UPDATE t SET a = ? WHERE id = 5", (value,))
    file.commit()
    file.close()
    cluster.query("SELECT replicator_sync(%s)", (name,))
    cluster.wait_for_copy(name)
    assert cluster.query(f"SELECT data->>'a' FROM {name}.t WHERE id = '5'") == [(str(value),)]


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
    cluster.query("CREATE ROLE first_owner LOGIN; GRANT pg_read_server_files TO first_owner; GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO first_owner")
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
    cluster.query("DROP TABLE replaced.t; CREATE TABLE replaced.t (id text COLLATE \"C\" PRIMARY KEY, data jsonb NOT NULL, _synced_at timestamptz NOT NULL)")
    holder = cluster.connect()
    holder.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute("LOCK replaced.t IN SHARE MODE")  # whoever asks to write it waits, and all others after that one
    cluster.query("SELECT replicator_resync('replaced', 't')", user="first_owner")
    wait_until(lambda: cluster.query("SELECT last_sqlstate FROM replicator.source_table WHERE state = 'failed' AND target_schema = 'replaced'")
               == [("42501",)], 30, "the table to fail at once")
    holder.close()
    cluster.query("REASSIGN OWNED BY first_owner TO second_owner; DROP OWNED BY first_owner; DROP ROLE first_owner; "
                  "UPDATE replicator.target_relation SET relid = 1 WHERE table_id = (SELECT id FROM replicator.source_table WHERE target_schema = 'replaced'); "
                  "SELECT replicator_alter('replaced', owner => 'second_owner')")
    assert owners_of(cluster, "replaced") == ("second_owner", "postgres"), "it is another table, and a superuser's"
    cluster.query("DROP TABLE replaced.t; SELECT replicator_drop('replaced')")


def test_nothing_that_depends_on_a_side_table_keeps_it(cluster, database, source, many_rows, owners):
    path = database("leaning.db", many_rows(10))
    cluster.query("SELECT replicator_init(%s, name => 'leaning', refresh_interval => '1 s')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("leaning")
    staging = wait_until(lambda: cluster.query("SELECT c.oid::regclass::text FROM pg_class c JOIN replicator.source_table t ON c.relname = 'staging_' || t.id "
                                               "WHERE t.target_schema = 'leaning'"), what="a staging table that is kept")[0][0]
    cluster.query(f"CREATE VIEW leaning.on_staging AS SELECT * FROM {staging}", user="first_owner")
    cluster.query("CREATE SCHEMA leaning2")
    cluster.query(f"GRANT ALL ON SCHEMA leaning2 TO second_owner; CREATE TABLE leaning2.of_its_type (n integer, staged {staging})")
    cluster.query("SELECT replicator_drop('leaning', drop_tables => true)", user="first_owner")
    assert cluster.query("SELECT to_regclass(%s), to_regclass('leaning.on_staging'), count(*) FROM pg_attribute "
                         "WHERE attrelid = 'leaning2.of_its_type'::regclass AND attname IN ('n', 'staged')", (staging,)) == [(None, None, 1)]
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


def test_what_a_trigger_of_a_target_writes_elsewhere_meets_triggers_and_foreign_keys(cluster, database, source, many_rows, owners):
    path = database("bypass.db", many_rows(10))
    cluster.query("CREATE SCHEMA theirs; CREATE TABLE theirs.accounts (id text PRIMARY KEY); CREATE TABLE theirs.audit (who text); "
                  "CREATE TABLE theirs.moves (account text REFERENCES theirs.accounts); INSERT INTO theirs.accounts VALUES ('70'), ('71'); "
                  "CREATE FUNCTION theirs.audited() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
                  "$$ BEGIN INSERT INTO theirs.audit VALUES (NEW.account); RETURN NEW; END $$; "
                  "CREATE TRIGGER audited AFTER INSERT ON theirs.moves FOR EACH ROW EXECUTE FUNCTION theirs.audited(); "
                  "GRANT USAGE ON SCHEMA theirs TO first_owner; GRANT INSERT ON theirs.moves TO first_owner")
    cluster.query("SELECT replicator_init(%s, name => 'bypass')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("bypass")
    cluster.query("CREATE TABLE bypass.fired (id text, replica text)", user="first_owner")
    for name, enabled, what in (("move", "ENABLE ALWAYS", "INSERT INTO theirs.moves VALUES (NEW.data->>'a')"),
                                ("tell", "ENABLE REPLICA", "INSERT INTO bypass.fired VALUES (NEW.id, current_setting('session_replication_role'))"),
                                ("not_here", "ENABLE", "RAISE 'fired'")):
        cluster.query(f"CREATE FUNCTION bypass.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NEW; END $$; "
                      f"CREATE TRIGGER {name} BEFORE UPDATE ON bypass.t FOR EACH ROW EXECUTE FUNCTION bypass.{name}(); "
                      f"ALTER TABLE bypass.t {enabled} TRIGGER {name}", user="first_owner")
    refresh(cluster, path, "bypass", 70)
    assert cluster.query("SELECT who FROM theirs.audit") == [("70",)]
    file = sqlite3.connect(path, timeout=240)
    file.executescript("UPDATE t SET a = 4711 WHERE id = 6")
    file.close()
    cluster.query("SELECT replicator_sync('bypass')")
    cluster.wait_for_copy("bypass")
    assert cluster.query("SELECT key, sqlstate FROM replicator_quarantine WHERE source = 'bypass'") == [("6", "23503")]
    replay = "SELECT stored FROM replicator_replay('bypass')"
    assert cluster.query(replay, user="first_owner") == [(False,)]
    refresh(cluster, path, "bypass", 71)
    cluster.query("INSERT INTO theirs.accounts VALUES ('4711')")
    assert cluster.query(replay, user="first_owner") == [(True,)]
    assert cluster.query("SELECT array_agg(who) FROM theirs.audit") == [(["70", "71", "4711"],)]
    assert cluster.query("SELECT DISTINCT replica FROM bypass.fired") == [("origin",)], "it fires, and is told nothing else"
    # The same of a function that the build of an index calls, which commits within itself.
    cluster.query("DELETE FROM theirs.moves; DELETE FROM theirs.audit")
    cluster.query("CREATE FUNCTION bypass.move(value text) RETURNS text LANGUAGE plpgsql AS "
                  "$$ BEGIN INSERT INTO theirs.moves VALUES ('70'); RETURN value; END $$; "
                  "CREATE FUNCTION bypass.indexed(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN bypass.move(value); END $$",
                  user="first_owner")
    cluster.query("SELECT replicator_alter('bypass', rules => %s)", (json.dumps({"indexes": {"t": ["bypass.indexed(data->>'b')"]}}),))
    wait_until(lambda: cluster.query("SELECT state FROM replicator_indexes WHERE source = 'bypass'") == [("ready",)], what="the index")
    moved, audited = cluster.query("SELECT (SELECT count(*) FROM theirs.moves), (SELECT count(*) FROM theirs.audit)")[0]
    assert moved == audited >= 10
    # A trigger that ends the worker which fires it.
    cluster.query("CREATE OR REPLACE FUNCTION bypass.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "PERFORM public.replicator_drop('bypass'); RETURN NEW; END $$", user="first_owner")
    file = sqlite3.connect(path, timeout=240)
    file.executescript("UPDATE t SET a = 70 WHERE id = 7")
    file.close()
    cluster.query("SELECT replicator_sync('bypass')")
    wait_until(lambda: "replicator_drop cannot be called" in (cluster.query("SELECT reason FROM replicator_tables WHERE source = 'bypass'")[0][0] or ""),
               30, "the table to fail alone")
    cluster.query("SELECT replicator_drop('bypass', drop_tables => true); DROP SCHEMA theirs CASCADE")


def test_a_restore_where_an_owner_is_missing_keeps_all_sources(cluster, database, source, many_rows, owners):
    path = database("kept.db", many_rows(10))
    source(path, "kept")
    cluster.query("SELECT replicator_init(%s, name => 'orphan')", (f"sqlite://{path}",), user="first_owner")
    for name in ("kept", "orphan"):
        cluster.wait_for_copy(name)
    dump = os.path.join(cluster.directory, "dump")
    arguments = ["-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres"]
    subprocess.run(unprivileged([f"{BINDIR}/pg_dump", "-Fc", "-f", dump, *arguments, "postgres"], cluster.directory), check=True, cwd="/")
    cluster.query("SELECT replicator_drop('orphan', drop_tables => true)")
    cluster.query("DROP OWNED BY first_owner; DROP ROLE first_owner")
    cluster.query("CREATE DATABASE orphanage")
    # The grants to the role that is missing fail, and are reported; nothing else does.
    subprocess.run(unprivileged([f"{BINDIR}/pg_restore", "-d", "orphanage", *arguments, dump], cluster.directory), cwd="/", capture_output=True)
    assert cluster.query("SELECT name, state FROM replicator_status ORDER BY name", database="orphanage") == [
        ("kept", "restored"), ("orphan", "restored")]
    assert "owner =>" in cluster.status("orphan", "orphanage")["hint"] and "replicator_resume" in cluster.status("kept", "orphanage")["hint"]
    with pytest.raises(Exception, match='the owner of source "orphan" does not exist'):
        cluster.query("SELECT replicator_resume('orphan')", database="orphanage")
    cluster.query("GRANT CREATE, USAGE ON SCHEMA orphan TO second_owner", database="orphanage")
    cluster.query("SELECT replicator_alter('orphan', owner => 'second_owner')", database="orphanage")
    assert cluster.status("orphan", "orphanage")["state"] == "restored", "a person has it go on"
    cluster.query("SELECT replicator_resume('orphan')", database="orphanage")
    cluster.wait_for_copy("orphan", database="orphanage")
    assert cluster.query("SELECT tableowner FROM pg_tables WHERE schemaname = 'orphan'", database="orphanage") == [("second_owner",)]
    cluster.query("SELECT replicator_stop_workers()", database="orphanage")
    cluster.query("DROP DATABASE orphanage")


def test_a_path_that_is_swapped_after_its_check_leads_to_no_other_file(cluster, database, files):
    (files / "allowed").mkdir(mode=0o755)
    path = database("allowed/own.db", "CREATE TABLE own (a)")
    database("secret.db", "CREATE TABLE secret (a)")
    link = files / "allowed/link.db"
    link.symlink_to(path)
    cluster.query("CREATE ROLE linker; GRANT EXECUTE ON FUNCTION replicator_discover TO linker")
    connection, results = cluster.connect(), []
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('pg_replicator.sqlite_directories', %s, false)", (str(files / "allowed"),))
        cursor.execute("SET ROLE linker")

    def discover(url):
        with connection.cursor() as cursor:
            try:
                cursor.execute('SELECT "table" FROM replicator_discover(%s)', (f"sqlite://{url}",))
                results.append(cursor.fetchall())
            except psycopg2.Error as error:
                results.append(error.diag.message_primary)
    for url in (link, path):  # the checked link, then the file that it led to
        caller = threading.Thread(target=discover, args=(url,))
        with cluster.waiting_at("source_allowed", caller.start):
            os.rename(url, f"{url}.away")
            os.symlink(files / "secret.db", url)
        caller.join()
        os.rename(f"{url}.away", url)
    assert results == [[("own",)], f'SQLite file "{path}" is not reached without a symbolic link any more']
    # Who may put links there learns nothing of what is where they lead.
    os.symlink(files / "secret.db", files / "allowed/there.db")
    os.symlink(files / "no_such.db", files / "allowed/nowhere.db")
    for name in ("there.db", "nowhere.db", "nowhere.db/x.db"):
        discover(files / "allowed" / name)
        assert results[-1] == f'permission denied for the file "{files}/allowed/{name}"'
    connection.close()
    cluster.query("DROP OWNED BY linker; DROP ROLE linker")


# Runs wherever code of a user can stand; where the session is not the owner's, it tries to get out of the owner's rights, and to leave
# something behind. Sequences remember it, which no rollback takes back.
ATTACK = """
    CREATE FUNCTION hostile.attack(place text) RETURNS boolean LANGUAGE plpgsql AS $$
    DECLARE
        attempt text;
    BEGIN
        IF current_user <> 'hostile' THEN
            PERFORM nextval('hostile.escaped');
            RAISE WARNING 'escaped in %: runs as %', place, current_user;
            RETURN true;
        ELSIF session_user = 'hostile' THEN
            RETURN true;
        END IF;
        PERFORM nextval(format('hostile.%I', place));
        FOREACH attempt IN ARRAY ARRAY['SET ROLE NONE', 'RESET SESSION AUTHORIZATION', 'SELECT set_config(''role'', ''none'', false)',
            'ALTER ROLE hostile SUPERUSER', 'COPY (SELECT 1) TO PROGRAM ''true''', 'SELECT pg_reload_conf()', 'LISTEN hostile',
            'CREATE TEMP TABLE left_behind ()', 'DECLARE held CURSOR WITH HOLD FOR SELECT hostile.attack(''held'')',
            'PREPARE left_behind AS SELECT 1', 'DELETE FROM replicator.source', 'INSERT INTO hostile.deferred VALUES (1)']
        LOOP
            BEGIN
                EXECUTE attempt;
                PERFORM nextval('hostile.escaped');
                RAISE WARNING 'escaped in % by %', place, attempt;
            EXCEPTION WHEN OTHERS THEN
                NULL;
            END;
        END LOOP;
        PERFORM set_config('search_path', 'hostile, pg_catalog', false);
        RETURN true;
    END $$;
    CREATE FUNCTION hostile.mark(place text, value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM hostile.attack(place);
        RETURN value;
    END $$;
    CREATE FUNCTION hostile.on_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM hostile.attack(TG_ARGV[0]);
        RETURN coalesce(NEW, OLD);
    END $$;
    CREATE FUNCTION hostile.with_default(value text, hidden text DEFAULT hostile.mark('argument', '')) RETURNS text
        IMMUTABLE LANGUAGE sql AS 'SELECT value || hidden';
    CREATE DOMAIN hostile.literal AS text CHECK (hostile.attack('literal'));
    CREATE DOMAIN hostile.checked AS text CHECK (hostile.attack('domain'));
    CREATE TABLE hostile.deferred (a int);
    CREATE CONSTRAINT TRIGGER later AFTER INSERT ON hostile.deferred DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION hostile.on_change('later');
    ALTER TABLE hostile.deferred ENABLE ALWAYS TRIGGER later"""

PLACES = """
    CREATE TRIGGER change BEFORE INSERT OR UPDATE OR DELETE ON hostile.t FOR EACH ROW EXECUTE FUNCTION hostile.on_change('trigger');
    ALTER TABLE hostile.t ENABLE ALWAYS TRIGGER change;
    ALTER TABLE hostile.t ADD CONSTRAINT hostile CHECK (hostile.attack('constraint') AND data->>'a' <> '-1');
    ALTER TABLE hostile.t ADD generated text GENERATED ALWAYS AS (hostile.mark('generated', data->>'b')) STORED;
    ALTER TABLE hostile.t ADD defaulted text DEFAULT hostile.mark('default', 'x');
    ALTER TABLE hostile.t ADD domained hostile.checked DEFAULT 'x';
    CREATE INDEX ON hostile.t (hostile.mark('index', data->>'b')) WHERE hostile.mark('predicate', 'x') = 'x';
    CREATE STATISTICS hostile.expression ON (hostile.mark('statistics', data->>'b')) FROM hostile.t;
    CREATE RULE too AS ON INSERT TO hostile.ruled DO ALSO SELECT hostile.attack('rule');
    ALTER TABLE hostile.ruled ENABLE ALWAYS RULE too;
    CREATE POLICY own ON hostile.guarded USING (hostile.attack('policy'));
    ALTER TABLE hostile.guarded ENABLE ROW LEVEL SECURITY;
    ALTER TABLE hostile.guarded FORCE ROW LEVEL SECURITY"""

EXPRESSIONS = ["CASE WHEN '{x}'::hostile.literal[] IS NULL THEN '' ELSE data->>'b' END", "hostile.with_default(data->>'b')",
               "data->>hostile.mark('constant', 'b')"]


def test_code_of_the_owner_is_restricted_wherever_it_stands(cluster, database, many_rows):
    path = database("hostile.db", many_rows(10), *(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, a); INSERT INTO {name} VALUES (1, 1);"
                                                   for name in ("ruled", "guarded")))
    places = "literal argument constant trigger constraint generated default domain index predicate statistics rule policy".split()
    cluster.query("CREATE ROLE hostile LOGIN; GRANT CREATE ON DATABASE postgres TO hostile; GRANT pg_read_server_files TO hostile; "
                  "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO hostile; CREATE SCHEMA hostile AUTHORIZATION hostile")
    cluster.query("; ".join(f"CREATE SEQUENCE hostile.{name}" for name in [*places, "escaped", "held", "later"]), user="hostile")
    cluster.query(ATTACK, user="hostile")

    def ran():
        return {place for place in places if cluster.query(f"SELECT is_called FROM hostile.{place}")[0][0]}

    def nothing_escaped():
        escaped = cluster.query("SELECT is_called FROM hostile.escaped UNION ALL SELECT is_called FROM hostile.held UNION ALL "
                                "SELECT is_called FROM hostile.later UNION ALL SELECT rolsuper FROM pg_roles WHERE rolname = 'hostile'")
        warnings = [line for line in cluster.log_text().splitlines() if "escaped in" in line]
        assert escaped == [(False,)] * 4, warnings

    rules = json.dumps({"indexes": {"t": EXPRESSIONS}})
    cluster.query("SELECT replicator_validate(%s, name => 'hostile', rules => %s)", (f"sqlite://{path}", rules), user="hostile")
    cluster.query("SELECT replicator_init(%s, name => 'hostile')", (f"sqlite://{path}",), user="hostile")
    cluster.wait_for_copy("hostile")
    # Called by somebody else, so that the session is not the owner's; then in the index worker.
    cluster.query("SELECT replicator_alter('hostile', rules => %s)", (rules,))
    nothing_escaped()
    assert ran() == {"literal", "argument", "constant"}
    wait_until(lambda: cluster.query("SELECT state FROM replicator_indexes WHERE source = 'hostile'") == [("ready",)] * 3, 45,
               lambda: f"the indexes: {cluster.query('SELECT state, last_error FROM replicator_indexes')}")
    nothing_escaped()

    cluster.query(PLACES, user="hostile")
    file = sqlite3.connect(path, timeout=240)
    file.executescript("UPDATE t SET a = a + 1, b = b || '!'; UPDATE t SET a = -1 WHERE id = 5; DELETE FROM t WHERE id = 6; "
                       "INSERT INTO t (id, a, b) VALUES (11, 1, 'new'); INSERT INTO ruled VALUES (2, 2); INSERT INTO guarded VALUES (2, 2)")
    file.close()
    cluster.query("SELECT replicator_sync('hostile')")
    cluster.wait_for_copy("hostile")
    assert cluster.query("SELECT count(*) FROM hostile.t WHERE generated LIKE '%!' OR generated = 'new'", user="hostile") == [(9,)]
    cluster.query("ANALYZE hostile.t")
    assert ran() == set(places) - {"rule", "policy"}
    assert cluster.query("SELECT \"table\", state FROM replicator_tables WHERE source = 'hostile' AND state = 'failed' ORDER BY 1") == [
        ("guarded", "failed"), ("ruled", "failed")]
    nothing_escaped()

    cluster.query("DELETE FROM hostile.t WHERE id = '7'; UPDATE hostile.t SET data = '{}' WHERE id = '8'", user="hostile")
    job, = cluster.query("SELECT replicator_repair('hostile', 't')")[0]
    wait_until(lambda: cluster.query("SELECT state FROM replicator_jobs WHERE job = %s", (job,)) == [("done",)], what="the repair")
    cluster.query("ALTER TABLE hostile.t DROP CONSTRAINT hostile", user="hostile")
    assert cluster.query("SELECT stored FROM replicator_replay('hostile')") == [(True,)]
    nothing_escaped()
    cluster.query("SELECT replicator_drop('hostile', drop_tables => true); DROP OWNED BY hostile CASCADE; DROP ROLE hostile")
