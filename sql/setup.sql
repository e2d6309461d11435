-- The extension, a role of its own, and SQLite files for the tests that follow.
\getenv files PGREPL_FILES
CREATE EXTENSION pg_replicator;
CREATE ROLE regress_owner NOLOGIN;
CREATE ROLE regress_other NOLOGIN;
GRANT CREATE ON DATABASE contrib_regression TO regress_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_owner, regress_other;
CREATE TABLE files AS SELECT :'files'::text AS directory;
GRANT SELECT ON files TO PUBLIC;

-- What a statement raises, without the directory that changes from run to run.
CREATE FUNCTION attempt(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
DECLARE
    directory text := (SELECT f.directory FROM files f);
BEGIN
    EXECUTE replace(statement, 'FILES', directory);
    code := '00000';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
                            hint = PG_EXCEPTION_HINT;
    message := replace(message, directory, 'FILES');
    detail := replace(detail, directory, 'FILES');
    hint := replace(hint, directory, 'FILES');
END
$$;
GRANT EXECUTE ON FUNCTION attempt TO PUBLIC;

\! sqlite3 "$PGREPL_FILES/shop.db" "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO customers VALUES (1, 'Ada'), (2, 'Bob'); CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL); INSERT INTO orders VALUES (1, 5.0); CREATE VIEW v AS SELECT * FROM orders;"
\! sqlite3 "$PGREPL_FILES/long.db" "CREATE TABLE a (x); CREATE TABLE b (x);"
\! printf 'this is no database, this is a letter to a friend of mine, and it goes on for quite a while, over 100 bytes' > "$PGREPL_FILES/letter.db"
\! chmod 644 "$PGREPL_FILES"/*.db
