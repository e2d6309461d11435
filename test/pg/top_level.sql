-- Statements that refuse to run in a function run through run_top_level, and an error in one leaves the worker usable.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE FUNCTION test_top_level(library text, statement text) RETURNS void LANGUAGE c AS :'module';
CREATE TABLE top_level (a int);
CREATE PROCEDURE await(condition text) LANGUAGE plpgsql AS $$
DECLARE
    reached boolean := false;
BEGIN
    FOR i IN 1 .. 2000 LOOP
        EXECUTE 'SELECT ' || condition INTO reached;
        EXIT WHEN reached;
        COMMIT;  -- a snapshot held here is one that the worker's statement waits for
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;

SELECT plan(4);
SELECT test_top_level(:'module', 'CREATE INDEX CONCURRENTLY top_level_a ON public.top_level (a)') \g /dev/null
CALL await($$EXISTS (SELECT FROM pg_index WHERE indrelid = 'top_level'::regclass AND indisvalid)$$);
SELECT ok((SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('top_level_a')), 'CREATE INDEX CONCURRENTLY');
SELECT test_top_level(:'module', 'VACUUM (ANALYZE) public.top_level') \g /dev/null
CALL await($$(SELECT reltuples = 0 FROM pg_class WHERE relname = 'top_level')$$);
SELECT is((SELECT reltuples FROM pg_class WHERE relname = 'top_level'), 0::real, 'VACUUM');
SELECT test_top_level(:'module', 'CREATE INDEX CONCURRENTLY top_level_a ON public.top_level (a)') \g /dev/null
CALL await($$obj_description('top_level'::regclass) IS NOT NULL$$);
SELECT is(obj_description('top_level'::regclass), 'caught 42P07', 'an error is caught, and the next statement works');
SELECT is((SELECT count(*) FROM pg_index WHERE indrelid = 'top_level'::regclass), 1::bigint, 'nothing half done is left');
SELECT * FROM finish();
