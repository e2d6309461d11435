-- Statements, subtransactions and role scopes of src/pg.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE FUNCTION in_subtransaction() RETURNS text LANGUAGE c AS :'module', 'test_subtransaction';
CREATE FUNCTION statement() RETURNS bool LANGUAGE c AS :'module', 'test_statement';
CREATE FUNCTION quoted() RETURNS text LANGUAGE c AS :'module', 'test_quoted';
CREATE FUNCTION role_scope() RETURNS bool LANGUAGE c AS :'module', 'test_role_scope';

SELECT plan(5);
CREATE TABLE kept (n int);
BEGIN;
INSERT INTO kept VALUES (1);
SELECT is(in_subtransaction(), '22012', 'an error in a subtransaction is returned');
COMMIT;
SELECT is((SELECT array_agg(n ORDER BY n) FROM kept), '{1,3}', 'and rolls back that subtransaction alone');
SELECT ok(statement(), 'parameters and results have their types');
SELECT is(quoted(), '"Sche ma"."ta""ble"', 'identifiers are quoted');
SELECT ok(role_scope(), 'a role scope ends with its block, however it is left');
SELECT * FROM finish();
