-- The two error bridges: what an error says survives, destructors run, no exception ends a backend, nothing leaks.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE FUNCTION test_raise() RETURNS void LANGUAGE c AS :'module';
CREATE FUNCTION test_throw(what text) RETURNS void LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_is_user_code(function text) RETURNS bool LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_sleep(seconds float8) RETURNS void LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_caught(count int) RETURNS bigint LANGUAGE c STRICT AS :'module';
CREATE FUNCTION test_live_objects() RETURNS int LANGUAGE c AS :'module';
CREATE FUNCTION test_heap_bytes() RETURNS bigint LANGUAGE c AS :'module';

CREATE TYPE report AS (sqlstate text, message text, detail text, hint text, schema_name text, table_name text,
                       column_name text, datatype_name text, constraint_name text, context text);
-- What a client is told of the error that a statement raises.
CREATE FUNCTION report_of(statement text) RETURNS report LANGUAGE plpgsql AS $$
DECLARE
    r report;
BEGIN
    EXECUTE statement;
    RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
    GET STACKED DIAGNOSTICS
        r.sqlstate = RETURNED_SQLSTATE, r.message = MESSAGE_TEXT, r.detail = PG_EXCEPTION_DETAIL, r.hint = PG_EXCEPTION_HINT,
        r.schema_name = SCHEMA_NAME, r.table_name = TABLE_NAME, r.column_name = COLUMN_NAME,
        r.datatype_name = PG_DATATYPE_NAME, r.constraint_name = CONSTRAINT_NAME, r.context = PG_EXCEPTION_CONTEXT;
    RETURN r;
END $$;
CREATE FUNCTION inner_frame() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM test_raise(); END $$;
CREATE FUNCTION inner_throw() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM test_throw('sql'); END $$;
CREATE FUNCTION fail_often(statement text, times int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. times LOOP
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
END $$;
SELECT * FROM no_plan();
SELECT pg_backend_pid() AS backend \gset

SELECT is(to_jsonb(report_of('SELECT test_raise()')) - 'context', '{"sqlstate": "27000", "message": "the message, 100% of it",
    "detail": "the detail", "hint": "the hint", "schema_name": "a schema", "table_name": "a table", "column_name": "a column",
    "datatype_name": "a type", "constraint_name": "a constraint"}', 'every field of an ERROR survives both bridges');
SELECT is((SELECT count(*)::int FROM regexp_matches((report_of('SELECT inner_frame()')).context, 'function inner_frame\(\) line', 'g')),
          1, 'the context names a calling function once');
SELECT is((SELECT count(*)::int FROM regexp_matches((report_of('SELECT inner_throw()')).context, 'function inner_throw\(\) line', 'g')),
          1, 'an error of ours has a context, too');

SELECT is(ROW(e.sqlstate, e.message, e.detail, e.hint), ROW(expected.sqlstate, expected.message, expected.detail, expected.hint),
          format('an exception of kind "%s" becomes an ERROR', what))
FROM (VALUES
    ('standard', '38000', 'a runtime error', '', ''), ('integer', '38000', 'unknown C++ exception', '', ''),
    ('text', '38000', 'unknown C++ exception', '', ''), ('unrelated', '38000', 'unknown C++ exception', '', ''),
    ('null', '38000', 'unknown C++ exception', '', ''), ('out of memory', '53200', 'out of memory', '', ''),
    ('huge allocation', '53200', 'out of memory', '', ''),
    ('busy source', '55P03', 'the file is locked', 'by a writer', 'Wait.'),
    ('sql', '42602', 'a name is invalid', 'it has 100% of the faults', 'Take another.')
) AS expected(what, sqlstate, message, detail, hint),
LATERAL report_of(format('SELECT test_throw(%L)', what)) AS e;

SELECT is(test_is_user_code(function), user_code, format('an error that begins in %s %s code of a user', function,
          CASE WHEN user_code THEN 'is of' ELSE 'is not of' END))
FROM (VALUES ('exec_stmt_raise', true), ('exec_stmt_assert', true), ('PLy_elog_impl', true), ('mdextend', false)) AS place(function, user_code);

SET statement_timeout = '200ms';
SELECT is((report_of('SELECT test_sleep(60)')).sqlstate, '57014', 'a wait inside CallPg can be cancelled');
RESET statement_timeout;
SELECT is(test_live_objects(), 0, 'every destructor has run');

-- Ten thousand failing calls of each kind, after some that fill what is kept for the next.
CREATE TABLE kind(statement text);
INSERT INTO kind VALUES ('SELECT test_raise()'), ('SELECT test_throw(''standard'')'), ('SELECT test_throw(''unrelated'')'),
                        ('SELECT test_throw(''busy source'')'), ('SELECT test_throw(''sql'')'), ('SELECT test_throw(''integer'')');
DO $$ BEGIN PERFORM fail_often(statement, 1000) FROM kind; END $$;
SELECT sum(total_bytes) AS contexts, test_heap_bytes() AS heap FROM pg_backend_memory_contexts \gset
DO $$ BEGIN PERFORM fail_often(statement, 10000) FROM kind; END $$;
SELECT sum(total_bytes) - :contexts AS contexts_growth, test_heap_bytes() - :heap AS heap_growth FROM pg_backend_memory_contexts \gset
SELECT cmp_ok(:contexts_growth::bigint, '<', 100000::bigint, 'failing calls leave nothing in memory contexts');
SELECT cmp_ok(:heap_growth::bigint, '<', 100000::bigint, 'failing calls leave nothing on the heap');
SELECT cmp_ok(test_caught(10000), '<', 100000::bigint, 'errors caught in subtransactions leave nothing');
SELECT is(test_live_objects(), 0, 'every destructor has run, each time');
SELECT is(pg_backend_pid(), :backend, 'the backend is the same');

SELECT * FROM finish();
