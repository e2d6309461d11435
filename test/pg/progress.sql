-- An order to end is withdrawn by what came after it, and by nothing else.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE FUNCTION test_end_is_ordered(steps text) RETURNS boolean LANGUAGE c STRICT AS :'module';

SELECT plan(12);
SELECT ok(test_end_is_ordered('pause'), 'a pause ends who works on the source');
SELECT ok(NOT test_end_is_ordered('pause resume'), 'a resume withdraws it');
SELECT ok(NOT test_end_is_ordered('pause look wanted'), 'so does a look at the catalog that comes later');
SELECT ok(test_end_is_ordered('look pause wanted'), 'but no earlier one');
SELECT ok(test_end_is_ordered('pause look pause wanted'), 'nor one between two pauses');
SELECT ok(NOT test_end_is_ordered('beside pause look wanted'), 'it is withdrawn of all phases of a process');
SELECT ok(test_end_is_ordered('look pause begin_index wanted'), 'the next piece of work does not withdraw a pause');
SELECT ok(test_end_is_ordered('begin_job cancel_job pause idle'), 'nor if its job is cancelled, too');
SELECT ok(test_end_is_ordered('begin_job pause cancel_job resume'), 'a resume withdraws no cancel');
SELECT ok(test_end_is_ordered('begin_job cancel_job'), 'who is at a job ends when it is cancelled');
SELECT ok(NOT test_end_is_ordered('begin_job cancel_job begin_index'), 'or goes on with something else');
SELECT ok(NOT test_end_is_ordered('begin_index cancel_job'), 'who builds the index of the same number is not concerned');
SELECT * FROM finish();
