-- What the views conclude from the catalog: the rows are set by hand, and seen by this transaction alone.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION pg_replicator;
BEGIN;
SELECT * FROM no_plan();

-- ---- lag ----
CREATE FUNCTION lag_of(end_seen interval, committed interval, read interval, copied interval) RETURNS interval LANGUAGE sql AS $$
    SELECT replicator.stream_lag(n, n - end_seen, n - committed, n - read, n - copied) FROM (VALUES (timestamptz '2026-01-01')) AS v(n)
$$;
SELECT is(lag_of('1 s', '1 day', '1 day', '2 days'), interval '0', 'the end of the log was seen just now: there is no lag');
SELECT is(lag_of('5 s', '1 day', '1 day', '2 days'), interval '5 s', 'all before the end that was seen is applied');
SELECT is(lag_of('1 hour', '1 min', '1 s', '2 days'), interval '1 min', 'the last transaction that was applied is a minute old');
SELECT is(lag_of('1 hour', '-1 day', '10 s', '2 days'), interval '10 s', 'a clock that runs ahead hides nothing');
SELECT is(lag_of(NULL, '-1 day', '10 s', '2 days'), interval '10 s', 'nor does it where the end was never seen');
SELECT is(lag_of('3 s', '1 year', '1 s', '2 years'), interval '3 s', 'a clock that is late is not the lag');
SELECT is(lag_of(NULL, NULL, NULL, '7 min'), interval '7 min', 'before the first transaction the copy says how old the target is');
SELECT is(lag_of(NULL, '1 day', '1 day', '7 min'), interval '7 min', 'and so it does for transactions before it');
SELECT is(lag_of(NULL, NULL, '1 s', '7 min'), interval '7 min', 'a transaction of unknown time proves nothing');

-- ---- state, percent and rates ----
INSERT INTO replicator.source (id, name, kind, url, owner, mode, copy_plan, target_schema)
    VALUES (1, 's', 'mysql', 'mysql://host', current_user, 'continuous', 'beside_log', 'tap');
INSERT INTO replicator.source_state (source_id, database_oid, state, owner, copy_started_at, copy_finished_at, copy_rows,
                                     changes_applied)
    SELECT 1, d.oid, 'streaming', current_user::regrole, now() - interval '1 day', now() - interval '1 day' + interval '10 s', 1000, 1000000
    FROM pg_database d WHERE d.datname = current_database();
INSERT INTO replicator.position (source_id, position, source_time, end_seen_at) VALUES (1, 'x', now() - interval '1 day', now());

-- The table as it is when its copy has come so far.
CREATE FUNCTION set_table(table_name text, new_state text, copied bigint, expected bigint, began interval DEFAULT '1 day')
RETURNS void LANGUAGE sql AS $$
    INSERT INTO replicator.source_table (source_id, database, name, target_schema, target_name, state, copy_way, rows_copied, rows_expected,
                                         copy_started_at, copy_finished_at)
    VALUES (1, 'd', table_name, 'tap', table_name, new_state::replicator.table_state,
            CASE WHEN new_state = 'copying' THEN 'direct'::replicator.copy_way END, copied, expected, clock_timestamp() - began,
            CASE WHEN new_state <> 'copying' THEN now() END)
    ON CONFLICT (source_id, database, schema, name) DO UPDATE
    SET state = excluded.state, copy_way = excluded.copy_way, rows_copied = excluded.rows_copied, rows_expected = excluded.rows_expected,
        copy_started_at = excluded.copy_started_at, copy_finished_at = excluded.copy_finished_at, paused = false
$$;
CREATE VIEW status AS SELECT state, tables_to_copy, percent FROM replicator_status WHERE name = 's';

SELECT set_table('one', 'streaming', 1000, 2000);
SELECT results_eq('TABLE status', $$VALUES ('streaming', 0::bigint, 100.0)$$, 'all that is wanted streams, however wrong the estimate was');
SELECT set_table('view', 'unsupported', 0, 500), set_table('other', 'excluded', 0, 500);
SELECT results_eq('TABLE status', $$VALUES ('streaming', 0::bigint, 100.0)$$, 'what is not wanted does not count');
SELECT set_table('two', 'pending', 0, 3000);
SELECT results_eq('TABLE status', $$VALUES ('copying', 1::bigint, 25.0)$$, 'a new table is to be copied beside the stream');
SELECT set_table('two', 'copying', 1000, 3000, '10 s');
SELECT results_eq('TABLE status', $$VALUES ('copying', 1::bigint, 50.0)$$, 'it is being copied');
SELECT ok(rows_per_second BETWEEN 50 AND 100, 'the rate is that of the copy under way') FROM replicator_status;
SELECT set_table('two', 'copying', 5000, 3000, '10 s');
SELECT results_eq('TABLE status', $$VALUES ('copying', 1::bigint, 99.9)$$, 'where the estimate was low there is more to come');
SELECT is(percent, 99.9, 'of the table, too') FROM replicator_tables WHERE "table" = 'two';
SELECT set_table('two', 'streaming', 5000, 3000);
SELECT results_eq('TABLE status', $$VALUES ('streaming', 0::bigint, 100.0)$$, 'until the last row is in');
SELECT is(rows_per_second, 100::numeric, 'the last copy of the source had its rate') FROM replicator_status;
SELECT set_table('two', 'pending', 5000, 3000);
SELECT results_eq('TABLE status', $$VALUES ('copying', 1::bigint, 16.6)$$, 'what is to be read again is not done');
SELECT is(percent, 0.0, 'nor is any of it') FROM replicator_tables WHERE "table" = 'two';
UPDATE replicator.source_table SET paused = true WHERE name = 'two';
SELECT results_eq('TABLE status', $$VALUES ('streaming', 0::bigint, 100.0)$$, 'a table that is paused is not wanted');
SELECT set_table('two', 'failed', 2999, 3000);
SELECT results_eq('TABLE status', $$VALUES ('streaming', 0::bigint, 25.0)$$, 'a table that failed waits for a person, and is not done');
SELECT set_table('two', 'pending', 0, NULL);
SELECT ok(percent BETWEEN 99.8 AND 99.9, 'a table of unknown size is not done either') FROM status;
UPDATE replicator.source_state SET state = 'catching_up';
SELECT results_eq('SELECT state, tables_to_copy FROM status', $$VALUES ('catching_up', 1::bigint)$$, 'before it streams it says that');
DELETE FROM replicator.source_table WHERE name = 'one' OR name = 'two';
SELECT is(percent, NULL, 'nothing is wanted: there is no part of it') FROM status;
-- However long the statements take: it was seen when the view looks, and the copy began ten seconds before or more.
UPDATE replicator.position SET end_seen_at = clock_timestamp() + interval '1 hour';
SELECT is(lag, interval '0', 'the end of the log was seen just now') FROM replicator_status;
UPDATE replicator.position SET end_seen_at = now() - interval '1 hour', source_time = now() + interval '1 day', read_at = now() - interval '1 min';
SELECT ok(lag BETWEEN interval '1 min' AND interval '2 min', 'the lag knows when the last transaction was read') FROM replicator_status;
SELECT is(changes_per_second, 0.00, 'nothing was changed in the last minute') FROM replicator_status;
UPDATE replicator.source_state SET state = 'snapshot', copy_started_at = clock_timestamp() - interval '10 s', copy_finished_at = NULL;
SELECT set_table('one', 'idle', 600, 600, '9 s'), set_table('two', 'copying', 400, 600, '9 s'), set_table('old', 'idle', 9000, 9000);
SELECT ok(rows_per_second BETWEEN 50 AND 100, 'the rate of a copy is that of its own rows') FROM replicator_status;
SELECT * FROM finish();
ROLLBACK;
