-- CREATE EXTENSION by a superuser, into a schema where someone else has put functions, operators, types and tables by
-- the names that the script and the views use: none of them is ever used. Whichever is called raises an error.
\set QUIET on
SET client_min_messages = warning;
CREATE SCHEMA tap;
CREATE EXTENSION pgtap SCHEMA tap;
CREATE ROLE tap_hostile;
CREATE SCHEMA "Odd schema" AUTHORIZATION tap_hostile;
SET search_path = pg_catalog, tap;
SELECT * FROM no_plan();

SET SESSION AUTHORIZATION tap_hostile;
SET search_path = "Odd schema", pg_catalog;
-- Each operand type as it stands in our SQL, so that this fits better than what pg_catalog has, or as well.
DO $$
DECLARE
    signature text;
    operation record;
    body constant text := 'LANGUAGE plpgsql AS $f$ BEGIN RAISE ''hostile code runs as %'', current_user; END $f$';
BEGIN
    FOREACH signature IN ARRAY ARRAY[
        'format(text) RETURNS text', 'format(text, text) RETURNS text', 'format(text, text, text) RETURNS text',
        'format(text, regprocedure) RETURNS text', 'round(numeric, integer) RETURNS numeric', 'now() RETURNS timestamptz',
        'clock_timestamp() RETURNS timestamptz', 'random() RETURNS float8', 'floor(float8) RETURNS float8',
        'replace(text, text, text) RETURNS text', 'repeat(text, integer) RETURNS text', 'to_regclass(text) RETURNS regclass',
        'pg_total_relation_size(regclass) RETURNS bigint', 'pg_relation_size(oid) RETURNS bigint',
        'has_table_privilege(oid, text) RETURNS boolean', 'pg_extension_config_dump(regclass, text) RETURNS void',
        'current_setting(text) RETURNS text', 'regexp_split_to_array(text, text) RETURNS text[]',
        'collect(jsonb, text, bigint) RETURNS jsonb', 'collect(bigint) RETURNS bigint']
    LOOP
        EXECUTE format('CREATE FUNCTION "Odd schema".%s %s', signature, body);
    END LOOP;
    FOR operation IN
        SELECT *, row_number() OVER () AS number FROM (VALUES
            ('/', 'numeric', 'integer', 'numeric'), ('*', 'numeric', 'bigint', 'numeric'), ('/', 'bigint', 'numeric', 'numeric'),
            ('/', 'numeric', 'numeric', 'numeric'), ('||', 'text', 'text', 'text'), ('->>', 'jsonb', 'text', 'text'),
            ('-', 'timestamptz', 'timestamptz', 'interval'), ('=', 'oid', 'regclass', 'boolean'), ('=', 'text', 'text', 'boolean'),
            ('<>', 'text', 'text', 'boolean'), ('=', 'integer', 'integer', 'boolean'), ('=', 'regrole', 'oid', 'boolean'),
            ('=', 'name', 'text', 'boolean'), ('>', 'bigint', 'bigint', 'boolean'), ('~~', 'text', 'text', 'boolean'))
            AS o(name, l, r, result)
    LOOP
        EXECUTE format('CREATE FUNCTION "Odd schema".operate_%s(%s, %s) RETURNS %s %s', operation.number, operation.l,
                       operation.r, operation.result, body);
        EXECUTE format('CREATE OPERATOR "Odd schema".%s (PROCEDURE = "Odd schema".operate_%s, LEFTARG = %s, RIGHTARG = %s)',
                       operation.name, operation.number, operation.l, operation.r);
    END LOOP;
END
$$;
CREATE AGGREGATE "Odd schema".jsonb_object_agg(text, bigint) (SFUNC = "Odd schema".collect, STYPE = jsonb);
CREATE AGGREGATE "Odd schema".count(*) (SFUNC = "Odd schema".collect, STYPE = bigint);
CREATE DOMAIN "Odd schema".jsonb AS pg_catalog.text;
CREATE DOMAIN "Odd schema".timestamptz AS pg_catalog.text;
CREATE TABLE "Odd schema".pg_depend (classid pg_catalog.oid);
CREATE TABLE "Odd schema".pg_extension (extname pg_catalog.text, extversion pg_catalog.text);
RESET SESSION AUTHORIZATION;

SET search_path = pg_catalog, tap;
SELECT lives_ok('CREATE EXTENSION pg_replicator SCHEMA "Odd schema"', 'the extension is created without them');
INSERT INTO replicator.source (name, kind, url, owner, mode, copy_plan, target_schema)
    VALUES ('s', 'sqlite', '', 'postgres', 'continuous', 'beside_log', 's');
INSERT INTO replicator.source_state (source_id, owner, database_oid)
    SELECT s.id, 10, d.oid FROM replicator.source s, pg_catalog.pg_database d
    WHERE d.datname = pg_catalog.current_database();
INSERT INTO replicator.source_table (source_id, database, name, state, target_schema, target_name, target_created, rows_expected, copy_started_at)
SELECT s.id, 'main', n, 'failed', 's', n, true, 10, now() FROM replicator.source s, unnest(ARRAY['a', 'b']) n;
INSERT INTO replicator.target_index (table_id, name, method, definition, state) SELECT t.id, 'i', 'btree', 'data', 'ready' FROM replicator.source_table t;
INSERT INTO replicator.quarantine (source_id, table_id, key, reason, sqlstate) SELECT t.source_id, t.id, 'k', 'r', 's' FROM replicator.source_table t;

-- The reader's own path leads to them first.
SET search_path = "Odd schema", pg_catalog, tap;
CREATE TEMP TABLE read AS
SELECT st.*, t.target_bytes, i.bytes, q.key, p.bar
FROM replicator_status st LEFT JOIN replicator_tables t ON true LEFT JOIN replicator_indexes i ON true
    LEFT JOIN replicator_quarantine q ON true LEFT JOIN replicator_progress p ON true;
CREATE TEMP TABLE read_more AS SELECT j.job, d.key, e.at
FROM replicator_jobs j LEFT JOIN replicator_differences d ON true LEFT JOIN replicator_events e ON true;
SET search_path = pg_catalog, tap;
SELECT isnt((SELECT count(*) FROM pg_temp.read), 0::bigint, 'the views are read without them');
SELECT is((SELECT count(*) FROM pg_depend d WHERE d.refobjid IN
              (SELECT p.oid FROM pg_proc p WHERE p.pronamespace = '"Odd schema"'::regnamespace AND p.proowner = 'tap_hostile'::regrole
               UNION ALL SELECT o.oid FROM pg_operator o WHERE o.oprowner = 'tap_hostile'::regrole
               UNION ALL SELECT t.oid FROM pg_type t WHERE t.typowner = 'tap_hostile'::regrole AND t.typtype = 'd')
              AND d.classid IN ('pg_rewrite'::regclass, 'pg_attrdef'::regclass, 'pg_constraint'::regclass)), 0::bigint,
          'nothing of ours refers to them');
SELECT throws_ok('ALTER EXTENSION pg_replicator SET SCHEMA tap', '0A000', NULL, 'the extension stays in its schema');
SELECT * FROM finish();
DROP EXTENSION pg_replicator;
DROP OWNED BY tap_hostile CASCADE;
DROP ROLE tap_hostile;
