-- An abort record that ends where a page of the log ends is flushed, and the abort comes to its end.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE FUNCTION test_abort_at_page_end(segment boolean) RETURNS boolean LANGUAGE c STRICT AS :'module';

SELECT plan(3);
SELECT ok(test_abort_at_page_end(false), 'the record of an abort is on disk when it fills its page');
SELECT ok(test_abort_at_page_end(true), 'and when it fills its segment');
SELECT hasnt_table('public', 'unlogged_test', 'and what it has rolled back is gone');
SELECT * FROM finish();
