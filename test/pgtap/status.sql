-- What the views conclude from the catalog: the rows are set by hand, and seen by this transaction alone.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE EXTENSION pg_replicator;
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
SELECT * FROM finish();
