-- Catalog, privileges, and a comment on everything.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION pg_replicator;
SELECT * FROM no_plan();

CREATE VIEW members AS
SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'pg_replicator';

SELECT is(array_agg(c.relname::text ORDER BY c.relname), ARRAY['chunk', 'difference', 'event', 'job', 'job_table', 'position', 'quarantine', 'slot_wait',
          'source', 'source_state', 'source_table', 'target_index', 'target_relation'], 'the catalog has the tables that the documentation names')
FROM pg_class c WHERE c.relnamespace = 'replicator'::regnamespace AND c.relkind = 'r';
SELECT is(array_agg(c.relname::text ORDER BY c.relname), ARRAY['replicator_differences', 'replicator_events', 'replicator_indexes',
          'replicator_jobs', 'replicator_progress', 'replicator_quarantine', 'replicator_status', 'replicator_tables'], 'the views are there')
FROM pg_class c JOIN members m ON m.objid = c.oid AND m.classid = 'pg_class'::regclass WHERE c.relkind = 'v' AND c.relnamespace <> 'replicator'::regnamespace;
SELECT is(array_agg(p.proname::text ORDER BY p.proname), ARRAY['replicator_add_table', 'replicator_alter', 'replicator_cancel_job',
          'replicator_discover', 'replicator_drop', 'replicator_init', 'replicator_pause', 'replicator_pause_table',
          'replicator_remove_table', 'replicator_repair', 'replicator_replay', 'replicator_resume', 'replicator_resume_table',
          'replicator_resync', 'replicator_stop_workers', 'replicator_sync', 'replicator_validate', 'replicator_verify',
          'replicator_wait'], 'the functions are there')
FROM pg_proc p JOIN members m ON m.objid = p.oid AND m.classid = 'pg_proc'::regclass
WHERE p.proname LIKE 'replicator\_%';

SELECT isnt(obj_description(p.oid, 'pg_proc'), NULL, format('%s has a comment', p.oid::regprocedure))
FROM pg_proc p JOIN members m ON m.objid = p.oid AND m.classid = 'pg_proc'::regclass;
SELECT isnt(obj_description(c.oid, 'pg_class'), NULL, format('%s has a comment', c.oid::regclass))
FROM pg_class c JOIN members m ON m.objid = c.oid AND m.classid = 'pg_class'::regclass WHERE c.relkind IN ('r', 'v');
SELECT isnt(col_description(c.oid, a.attnum), NULL, format('%s.%s has a comment', c.oid::regclass, a.attname))
FROM pg_class c JOIN members m ON m.objid = c.oid AND m.classid = 'pg_class'::regclass
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind IN ('r', 'v');
SELECT isnt(obj_description('replicator'::regnamespace, 'pg_namespace'), NULL, 'the schema has a comment');

CREATE ROLE tap_nobody;
SELECT ok(NOT has_function_privilege('tap_nobody', p.oid, 'EXECUTE'), format('PUBLIC may not call %s', p.oid::regprocedure))
FROM pg_proc p JOIN members m ON m.objid = p.oid AND m.classid = 'pg_proc'::regclass;
SELECT ok(NOT has_table_privilege('tap_nobody', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'), format('PUBLIC may not use %s', c.oid::regclass))
FROM pg_class c JOIN members m ON m.objid = c.oid AND m.classid = 'pg_class'::regclass WHERE c.relkind IN ('r', 'v');
SELECT ok(NOT has_foreign_data_wrapper_privilege('tap_nobody', 'pg_replicator_secrets', 'USAGE'), 'PUBLIC may not make servers that hold secrets');

SET ROLE pg_monitor;
SELECT is((SELECT count(*) FROM replicator_status), 0::bigint, 'pg_monitor reads replicator_status');
SELECT is((SELECT count(*) FROM replicator_tables), 0::bigint, 'pg_monitor reads replicator_tables');
SELECT is((SELECT count(*) FROM replicator_events), 0::bigint, 'pg_monitor reads replicator_events');
SELECT is((SELECT count(*) FROM replicator_quarantine), 0::bigint, 'pg_monitor reads replicator_quarantine');
SELECT is((SELECT count(*) FROM replicator_jobs), 0::bigint, 'pg_monitor reads replicator_jobs');
SELECT is((SELECT count(*) FROM replicator_differences), 0::bigint, 'pg_monitor reads replicator_differences');
SELECT is((SELECT count(*) FROM replicator_indexes), 0::bigint, 'pg_monitor reads replicator_indexes');
SELECT is((SELECT count(*) FROM replicator_progress), 0::bigint, 'pg_monitor reads replicator_progress');
SELECT throws_ok('SELECT * FROM replicator.source', '42501', NULL, 'pg_monitor does not read the catalog itself');
RESET ROLE;

SELECT is(array_agg(c.oid::regclass::text ORDER BY c.relname), ARRAY['replicator."position"', 'replicator.quarantine', 'replicator.source', 'replicator.source_table'],
          'configuration, position and quarantine are dumped; secrets and run-time state are not')
FROM pg_extension e, unnest(e.extconfig) AS config(id) JOIN pg_class c ON c.oid = config.id
WHERE e.extname = 'pg_replicator' AND c.relkind = 'r';
SELECT col_is_pk('replicator', 'source', 'id', 'a source has a number');
SELECT throws_ok($$INSERT INTO replicator.source (name, kind, url, owner, mode, copy_plan, target_schema) VALUES ('x', 'sqlite', '', 'tap_nobody', 'now and then', 'one_state', 's')$$,
                 '22P02', NULL, 'the catalog refuses an unknown mode');
INSERT INTO replicator.source (id, name, kind, url, owner, mode, copy_plan, target_schema) VALUES (1, 's', 'sqlite', '', 'tap_nobody', 'once', 'one_state', 's');
SELECT throws_ok(format('INSERT INTO replicator.source_table (source_id, database, name, state, copy_way, copy_bound) VALUES (1, %L, %L, %L, %L, %L)',
                        'd', 't', state, way, bound), '23514', NULL, format('the catalog refuses a table that is %s %s %s', state, way, bound))
FROM (VALUES ('copying', NULL, NULL), ('pending', 'direct', NULL), ('excluded', 'beside', '1'), ('copying', 'beside', NULL),
             ('copying', 'staging', '1')) AS wrong(state, way, bound);
SELECT throws_ok($$SELECT FROM replicator.source_table WHERE state = 'idling'$$, '22P02', NULL, 'a state that does not exist is not compared with');
DELETE FROM replicator.source;

-- Whatever the extension is made of, with what belongs to that: rules, defaults, constraints, indexes, row types.
CREATE VIEW parts AS
WITH RECURSIVE part(classid, objid) AS (
    SELECT classid, objid FROM members
    UNION SELECT d.classid, d.objid FROM pg_depend d JOIN part p ON d.refclassid = p.classid AND d.refobjid = p.objid
    WHERE d.deptype IN ('a', 'i')
) SELECT classid, objid FROM part;
-- Functions, operators, types, collations and relations that the server brings have no entry, or are in pg_catalog.
SELECT is_empty($$
    SELECT i.type, i.identity, r.type, r.identity
    FROM pg_depend d JOIN parts p ON p.classid = d.classid AND p.objid = d.objid
    CROSS JOIN pg_identify_object(d.classid, d.objid, d.objsubid) i
    CROSS JOIN pg_identify_object(d.refclassid, d.refobjid, d.refobjsubid) r
    WHERE (d.refclassid, d.refobjid) NOT IN (SELECT classid, objid FROM parts)
      AND d.refclassid NOT IN ('pg_extension'::regclass, 'pg_namespace'::regclass, 'pg_language'::regclass)
      AND r.schema IS DISTINCT FROM 'pg_catalog'$$, 'all that it uses is its own or in pg_catalog');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p JOIN members m ON m.objid = p.oid AND m.classid = 'pg_proc'::regclass
    JOIN pg_language l ON l.oid = p.prolang
    WHERE l.lanname <> 'c' AND (p.prosqlbody IS NULL OR p.proconfig IS DISTINCT FROM ARRAY['search_path=pg_catalog, pg_temp'])$$,
    'bodies of functions are bound, and have a pinned search_path');
SELECT is_empty($$
    SELECT i.type, i.identity FROM members m CROSS JOIN pg_identify_object(m.classid, m.objid, 0) i
    WHERE i.schema IS NOT NULL AND i.schema NOT IN ('public', 'replicator')$$, 'all of it is in its two schemas');
SELECT * FROM finish();
DROP ROLE tap_nobody;
