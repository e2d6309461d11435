"""Code of the owner of targets runs with the owner's rights, and so does whatever it leaves behind in the session."""
import sqlite3


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
