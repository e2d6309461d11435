-- Halving of refused batches, fingerprints of ids, and routes to targets.
\set QUIET on
SET client_min_messages = warning;
CREATE EXTENSION pgtap;
CREATE FUNCTION halves(int) RETURNS text LANGUAGE c AS :'module', 'test_halves';
CREATE FUNCTION fingerprint() RETURNS bool LANGUAGE c AS :'module', 'test_fingerprint';
CREATE FUNCTION not_seen() RETURNS text LANGUAGE c AS :'module', 'test_not_seen';
CREATE FUNCTION routes() RETURNS text LANGUAGE c AS :'module', 'test_routes';

SELECT plan(17);
CREATE TABLE numbers (n bigint UNIQUE CHECK (n NOT IN (1, 700, 1000)));
SELECT is(halves(0), 'in 0', 'nothing is written for nothing');
SELECT is(halves(1), '1:23514 in 1', 'a refused row that is alone is not tried twice');
BEGIN;
SELECT is(halves(1000), '1:23514 700:23514 1000:23514 in 53', 'three bad rows among a thousand stand alone after few statements');
SELECT is((SELECT count(*) FROM numbers), 997::bigint, 'and all others are written');
ROLLBACK;
ALTER TABLE numbers RENAME COLUMN n TO m;
ALTER TABLE numbers ADD COLUMN o int NOT NULL DEFAULT 1;
REVOKE ALL ON numbers FROM CURRENT_USER;
DROP TABLE numbers;
SELECT throws_ok('SELECT halves(1000)', '42P01', NULL, 'an error that concerns no row is thrown');

CREATE TABLE ids (id text COLLATE "C" PRIMARY KEY);
CREATE TABLE seen_ones (id text COLLATE "C");
SELECT ok(fingerprint(), 'no ids have the fingerprint of no ids');
INSERT INTO ids SELECT i::text FROM generate_series(1, 2000) i;
INSERT INTO ids VALUES (''), ('é'), (repeat('x', 5000)), ('{"rowid":1}');
SELECT ok(fingerprint(), 'C++ and SQL hash alike');
INSERT INTO seen_ones SELECT id FROM ids;
SELECT is(not_seen(), '', 'every id was seen');
INSERT INTO ids VALUES ('one'), ('two');
SELECT is(not_seen(), 'one,two', 'those that were not seen are found');
DELETE FROM seen_ones WHERE id = '';
SELECT is(not_seen(), ',one,two', 'the empty id is one like the others');
DELETE FROM seen_ones;
SELECT is(length(not_seen()) > 8000, true, 'with nothing seen all are found');

CREATE TABLE routed (id text COLLATE "C", data jsonb, _synced_at timestamptz);
SELECT is(routes(), 'heap only', 'rows may go straight into a bare heap');
ALTER TABLE routed ADD CHECK (data IS NOT NULL);
SELECT is(routes(), 'only', 'but not past a constraint');
ALTER TABLE routed ADD PRIMARY KEY (id);
SELECT is(routes(), 'index only', 'rows of a plain heap may be looked up by its index');
ALTER TABLE routed ENABLE ROW LEVEL SECURITY;
SELECT is(routes(), 'only', 'but not past row security');
ALTER TABLE routed DISABLE ROW LEVEL SECURITY;
BEGIN;
SET LOCAL allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass);
INSERT INTO pg_catalog.pg_dist_partition VALUES ('routed');
SELECT is(routes(), '', 'nor in a table that Citus has distributed: its heap is empty');
ROLLBACK;
DROP TABLE routed;
CREATE TABLE routed (id text COLLATE "C" PRIMARY KEY, data jsonb, _synced_at timestamptz) PARTITION BY HASH (id);
SELECT is(routes(), '', 'nor in one that has partitions');
SELECT * FROM finish();
