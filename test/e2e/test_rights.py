"""Code of the owner of targets runs with the owner's rights, and so does whatever it leaves behind in the session."""
import contextlib
import json
import os
import sqlite3
import threading

import psycopg2

from private_cluster import wait_until
from observing import refresh


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
        cursor.execute("CREATE SCHEMA trap; CREATE TABLE trap.caught (who text); GRANT ALL ON SCHEMA trap TO PUBLIC; GRANT ALL ON "
                       "trap.caught TO PUBLIC")
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
    cluster.query("SELECT replicator_drop('trapped', drop_tables => true); DROP SCHEMA trap CASCADE; DROP SCHEMA IF EXISTS trapped "
                  "CASCADE; "
                  "DROP OWNED BY trapper; DROP ROLE trapper")


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
                                ("tell", "ENABLE REPLICA", "INSERT INTO bypass.fired VALUES (NEW.id, "
                                                           "current_setting('session_replication_role'))"),
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
                  "CREATE FUNCTION bypass.indexed(value text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN "
                  "bypass.move(value); END $$",
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
    wait_until(lambda: "replicator_drop cannot be called" in (cluster.query("SELECT reason FROM replicator_tables WHERE source = "
                                                                            "'bypass'")[0][0] or ""),
               30, "the table to fail alone")
    cluster.query("SELECT replicator_drop('bypass', drop_tables => true); DROP SCHEMA theirs CASCADE")


def leave_open(cluster, name, cursor, rows):
    """A trigger of the owner's leaves a cursor open, and a CHECK has a function of the server's read `rows` of it."""
    cluster.query(f"CREATE FUNCTION {name}.open() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'of_' || NEW.id; "
                  f"BEGIN OPEN c FOR {cursor}; RETURN NEW; END $$; "
                  f"CREATE TRIGGER open BEFORE UPDATE ON {name}.t FOR EACH ROW EXECUTE FUNCTION {name}.open(); "
                  f"ALTER TABLE {name}.t ENABLE ALWAYS TRIGGER open; "
                  f"ALTER TABLE {name}.t ADD CHECK (cursor_to_xml(('of_' || id)::refcursor, {rows}, false, false, '') IS NOT NULL) "
                  "NOT VALID",
                  user="first_owner")


def test_what_a_trigger_leaves_open_writes_as_the_owner_does(cluster, database, source, many_rows, owners):
    """A cursor whose query writes, and a CHECK that has a function of the server's run it."""
    path = database("left_open.db", many_rows(10))
    cluster.query("CREATE SCHEMA theirs; CREATE TABLE theirs.accounts (id text PRIMARY KEY); CREATE TABLE theirs.audit (who text); "
                  "CREATE TABLE theirs.moves (account text REFERENCES theirs.accounts); INSERT INTO theirs.accounts VALUES ('70'); "
                  "CREATE FUNCTION theirs.audited() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS "
                  "$$ BEGIN INSERT INTO theirs.audit VALUES (NEW.account); RETURN NEW; END $$; "
                  "CREATE TRIGGER audited AFTER INSERT ON theirs.moves FOR EACH ROW EXECUTE FUNCTION theirs.audited(); "
                  "GRANT USAGE ON SCHEMA theirs TO first_owner; GRANT INSERT, SELECT ON theirs.moves TO first_owner")
    cluster.query("SELECT replicator_init(%s, name => 'left_open')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("left_open")
    leave_open(cluster, "left_open", "WITH w AS (INSERT INTO theirs.moves VALUES (NEW.data->>'a') RETURNING account) "
                                     "SELECT account FROM w", 1)
    with contextlib.closing(sqlite3.connect(path, timeout=240)) as file:
        file.executescript("UPDATE t SET a = 70 WHERE id = 5; UPDATE t SET a = 4711 WHERE id = 6")
    cluster.query("SELECT replicator_sync('left_open')")
    cluster.wait_for_copy("left_open")
    assert cluster.query("SELECT key, sqlstate FROM replicator_quarantine WHERE source = 'left_open'") == [("6", "23503")]
    assert cluster.query("SELECT (SELECT array_agg(account) FROM theirs.moves), (SELECT array_agg(who) FROM theirs.audit)") == [
        (["70"], ["70"])]
    cluster.query("SELECT replicator_drop('left_open', drop_tables => true); DROP SCHEMA theirs CASCADE")


def test_an_explained_statement_that_a_trigger_leaves_open_meets_rules(cluster, database, source, many_rows, owners):
    """EXPLAIN ANALYZE executes it. It is rewritten, by the rules of its table, when the cursor is read."""
    path = database("explained.db", many_rows(10))
    cluster.query("CREATE SCHEMA theirs; CREATE TABLE theirs.moves (account text); CREATE TABLE theirs.audit (who text); "
                  "CREATE RULE audited AS ON INSERT TO theirs.moves DO ALSO INSERT INTO theirs.audit VALUES (NEW.account); "
                  "GRANT USAGE ON SCHEMA theirs TO first_owner; GRANT INSERT ON theirs.moves TO first_owner")
    cluster.query("SELECT replicator_init(%s, name => 'explained')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("explained")
    leave_open(cluster, "explained", "EXECUTE format('EXPLAIN ANALYZE INSERT INTO theirs.moves VALUES (%L)', NEW.data->>'a')", 9)
    with contextlib.closing(sqlite3.connect(path, timeout=240)) as file:
        file.executescript("UPDATE t SET a = 70 WHERE id = 5")
    cluster.query("SELECT replicator_sync('explained')")
    cluster.wait_for_copy("explained")
    assert cluster.query("SELECT (SELECT array_agg(account) FROM theirs.moves), (SELECT array_agg(who) FROM theirs.audit)") == [
        (["70"], ["70"])]
    cluster.query("SELECT replicator_drop('explained', drop_tables => true); DROP SCHEMA theirs CASCADE")


def test_a_trigger_reads_of_a_table_with_row_level_security_what_the_owner_does(cluster, database, source, many_rows, owners):
    path = database("guarded.db", many_rows(10))
    cluster.query("CREATE SCHEMA theirs; CREATE TABLE theirs.guarded (word text); INSERT INTO theirs.guarded VALUES ('seen'), ('hidden'); "
                  "ALTER TABLE theirs.guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON theirs.guarded USING (word = 'seen'); "
                  "GRANT USAGE ON SCHEMA theirs TO first_owner; GRANT SELECT ON theirs.guarded TO first_owner")
    cluster.query("SELECT replicator_init(%s, name => 'guarded')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("guarded")
    # A function that the server calls, and what a function of its own runs from a text.
    cluster.query("CREATE TABLE guarded.found (words text, by_text text); CREATE FUNCTION guarded.look() RETURNS trigger LANGUAGE plpgsql "
                  "AS $$ BEGIN "
                  "INSERT INTO guarded.found SELECT string_agg(word, ' '), query_to_xml('SELECT word FROM theirs.guarded', false, true, "
                  "'')::text FROM theirs.guarded; RETURN NEW; END $$; "
                  "CREATE TRIGGER look BEFORE UPDATE ON guarded.t FOR EACH ROW EXECUTE FUNCTION guarded.look(); "
                  "ALTER TABLE guarded.t ENABLE ALWAYS TRIGGER look; "
                  "ALTER TABLE guarded.t ADD CHECK (query_to_xml('SELECT * FROM theirs.guarded', false, true, '')::text !~ 'hidden')",
                  user="first_owner")
    refresh(cluster, path, "guarded", 70)
    found = cluster.query("SELECT words, by_text FROM guarded.found")
    assert found and {words for words, _ in found} == {"seen"} and not [text for _, text in found if "hidden" in text]
    assert cluster.query("SELECT key FROM replicator_quarantine WHERE source = 'guarded'") == []
    cluster.query("SELECT replicator_drop('guarded', drop_tables => true); DROP SCHEMA theirs CASCADE")


def test_what_the_session_of_a_replay_had_used_before_writes_nothing_as_a_replica(cluster, database, source, many_rows, owners):
    path = database("kept.db", many_rows(1000))
    cluster.query("SELECT replicator_init(%s, name => 'kept')", (f"sqlite://{path}",), user="first_owner")
    cluster.wait_for_copy("kept")
    cluster.query("CREATE SCHEMA others; CREATE TABLE others.accounts (id text PRIMARY KEY); "
                  "CREATE TABLE others.moves (account text REFERENCES others.accounts); "
                  "GRANT USAGE ON SCHEMA others TO first_owner; GRANT INSERT ON others.moves TO first_owner")
    cluster.query("ALTER TABLE kept.t ADD CONSTRAINT none CHECK (data->>'a' <> '-1')", user="first_owner")
    file = sqlite3.connect(path, timeout=240)
    file.executescript("UPDATE t SET a = -1 WHERE id < 3")
    file.close()
    cluster.query("SELECT replicator_sync('kept')")
    cluster.wait_for_copy("kept")
    # The difference of a range type is called when a row finds its way through an index of several pages. PostgreSQL looks at
    # what kind of function it is only when the type is made.
    cluster.query("ALTER TABLE kept.t DROP CONSTRAINT none; "
                  "CREATE FUNCTION kept.difference(a float8, b float8) RETURNS float8 IMMUTABLE LANGUAGE sql RETURN a - b; "
                  "CREATE TYPE kept.span AS RANGE (subtype = float8, subtype_diff = kept.difference); "
                  "CREATE INDEX spans ON kept.t USING gist (kept.span((data->>'a')::float8, NULL))", user="first_owner")
    cluster.query("CREATE FUNCTION kept.move() RETURNS float8 LANGUAGE plpgsql AS "
                  "$$ BEGIN INSERT INTO others.moves VALUES ('nobody'); RETURN 1; END $$; "
                  "CREATE OR REPLACE FUNCTION kept.difference(a float8, b float8) RETURNS float8 VOLATILE LANGUAGE plpgsql AS "
                  "$$ BEGIN INSERT INTO others.moves VALUES ('nobody'); RETURN a - b; END $$", user="first_owner")
    moves = "SELECT account FROM others.moves"
    replay = "SELECT stored, reason FROM replicator_replay('kept', 't', '{}')"
    connection = cluster.connect(user="first_owner")
    with connection.cursor() as cursor:
        cursor.execute("SELECT kept.span(1, 2)")
        cursor.execute(replay.format(1))
        stored, reason = cursor.fetchone()
        assert (stored, cluster.query(moves)) == (False, []) and "call replicator_replay in a new session" in reason
    connection.close()
    # In a new session it is called as everywhere, and the key of the other table holds for it.
    (stored, reason), = cluster.query(replay.format(1), user="first_owner")
    assert not stored and "foreign key" in reason
    cluster.query("INSERT INTO others.accounts VALUES ('nobody')")
    assert cluster.query(replay.format(1), user="first_owner") == [(True, None)]
    cluster.query("DELETE FROM others.moves; DELETE FROM others.accounts; DROP INDEX kept.spans")
    # So with a cursor that was opened before.
    connection = cluster.connect(user="first_owner")
    connection.autocommit = False
    with connection.cursor() as cursor:
        cursor.execute("DECLARE opened CURSOR FOR SELECT kept.move(); ALTER TABLE kept.t ADD CONSTRAINT fetching "
                       "CHECK (id <> '2' OR cursor_to_xml('opened', 1, true, false, '') IS NOT NULL) NOT VALID")
        cursor.execute(replay.format(2))
        stored, reason = cursor.fetchone()
    connection.commit()
    connection.close()
    assert (stored, cluster.query(moves)) == (False, []) and "call replicator_replay in a new session" in reason
    # And with a plan that such a function has made for a statement which was refused then: it knew no rule of the other table.
    cluster.query("CREATE TABLE others.ruled (account text); CREATE RULE aside AS ON INSERT TO others.ruled DO INSTEAD INSERT INTO "
                  "others.moves VALUES (NEW.account); "
                  "INSERT INTO others.accounts VALUES ('nobody'); GRANT INSERT ON others.ruled TO first_owner")
    cluster.query("ALTER TABLE kept.t DROP CONSTRAINT fetching; ALTER TABLE kept.t ADD CONSTRAINT none CHECK (data->>'a' <> '-2')",
                  user="first_owner")
    file = sqlite3.connect(path, timeout=240)
    file.executescript("UPDATE t SET a = -2 WHERE id IN (1, 3)")
    file.close()
    cluster.query("SELECT replicator_sync('kept')")
    cluster.wait_for_copy("kept")
    cluster.query("ALTER TABLE kept.t DROP CONSTRAINT none; CREATE OR REPLACE FUNCTION kept.difference(a float8, b float8) RETURNS float8 "
                  "IMMUTABLE LANGUAGE sql RETURN a - b; "
                  "CREATE INDEX spans ON kept.t USING gist ((CASE WHEN id <> '3' THEN kept.span((data->>'a')::float8, NULL) END)); "
                  "CREATE OR REPLACE FUNCTION kept.difference(a float8, b float8) RETURNS float8 VOLATILE LANGUAGE plpgsql AS "
                  "$$ BEGIN INSERT INTO others.ruled VALUES ('nobody'); RETURN a - b; END $$; "
                  "ALTER TABLE kept.t ADD CONSTRAINT third CHECK (id <> '3' OR kept.difference(1, 2) IS NOT NULL) NOT VALID",
                  user="first_owner")
    connection = cluster.connect(user="first_owner")
    with connection.cursor() as cursor:
        cursor.execute("SELECT kept.span(1, 2)")
        cursor.execute("SELECT stored FROM replicator_replay('kept', 't', '1') UNION ALL SELECT stored FROM replicator_replay('kept', 't', "
                       "'3')")
        assert cursor.fetchall() == [(False,), (True,)]
    connection.close()
    assert cluster.query("SELECT (SELECT count(*) FROM others.ruled), (SELECT count(*) > 0 FROM others.moves)") == [(0, True)]
    cluster.query("SELECT replicator_drop('kept', drop_tables => true); DROP SCHEMA others CASCADE")


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


def test_a_text_that_a_function_of_the_server_runs_finds_no_names_of_ours(cluster, database, many_rows, owners):
    """query_to_xml analyses a text within the write to a target: it would lock what it names before any right is asked for."""
    for owner, arguments in (("first_owner", ", refresh_interval => '1 s'"), ("second_owner", "")):
        cluster.query(f"SELECT replicator_init(%s, name => %s{arguments})", (f"sqlite://{database(owner + '.db', many_rows(10))}", owner),
                      user=owner)
        cluster.wait_for_state(owner, "idle")
    find = "SELECT relname FROM pg_class WHERE relnamespace = 'replicator'::regnamespace AND relname LIKE 'staging%'"
    wait_until(lambda: cluster.query(find), what="the staging table that is kept")
    (staging,), = cluster.query(find)
    cluster.query(f"ALTER TABLE second_owner.t ADD CHECK (query_to_xml('SELECT 1 FROM replicator.{staging}', true, true, '') IS NOT NULL) "
                  "NOT VALID",
                  user="second_owner")
    path = cluster.query("SELECT url FROM replicator.source WHERE name = 'second_owner'")[0][0].removeprefix("sqlite://")
    with contextlib.closing(sqlite3.connect(path, timeout=240)) as file:
        file.execute("UPDATE t SET a = 5")
        file.commit()
    cluster.query("SELECT replicator_sync('second_owner')", user="second_owner")
    error = "SELECT last_error FROM replicator_tables WHERE source = 'second_owner'"
    wait_until(lambda: cluster.query(error)[0][0], what="the error")
    assert "permission denied for schema replicator" in cluster.query(error)[0][0]
    for owner in ("first_owner", "second_owner"):
        cluster.query("SELECT replicator_drop(%s, drop_tables => true)", (owner,))
