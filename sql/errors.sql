-- Bad input: each with its own SQLSTATE, DETAIL and HINT, and nothing half registered.
\pset format unaligned
\pset fieldsep '\n  '
\pset tuples_only on
-- URLs and kinds
SELECT * FROM attempt($$SELECT replicator_init(NULL)$$);
SELECT * FROM attempt($$SELECT replicator_init('')$$);
SELECT * FROM attempt($$SELECT replicator_init('somewhere')$$);
SELECT * FROM attempt($$SELECT replicator_init('oracle://host/db')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://relative.db')$$);
SELECT * FROM attempt($$SELECT replicator_init('relative.db')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite:///tmp/%zz.db')$$);
SELECT * FROM attempt($$SELECT replicator_init('mysql://user:secret@/db')$$);
SELECT code, hint FROM attempt($$SELECT replicator_init('mysql://user:secret@127.0.0.1:1/db')$$);
SELECT code, message, hint FROM attempt($$SELECT replicator_init('mongodb://host/db')$$);
SELECT code, message, hint FROM attempt($$SELECT replicator_init('postgres://host/db')$$);
-- files
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/missing.db')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/letter.db')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES')$$);
-- modes
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', mode => 'sometimes')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', mode => 'continuous')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', mode => 'periodic')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', mode => 'once', refresh_interval => '1 hour')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', refresh_interval => '-1 hour')$$);
-- options and rules
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', options => '{"speed": "high"}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', options => '{"retry_max": "soon"}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', options => '{"memory_per_worker": "1kB"}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', options => '[]')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"keys": {"t": ["a"]}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', options => '{"max_quarantined": -1}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '[]')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"gin": 5}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"gin": "jsonb"}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"gin": {"nothing": "jsonb_ops"}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": ["x"]}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": "x"}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": [7]}}')$$);
-- expressions of indexes: the grammar, the names, what an index may hold, and no way out of the parentheses
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": ["data->>"]}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": ["nothing->>1"]}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": ["now()"]}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": ["count(*)"]}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": ["(SELECT 1)"]}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": ["data), (id"]}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": ["id)) WHERE ((true"]}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": ["id)); DROP TABLE files; SELECT ((1"]}}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', rules => '{"indexes": {"orders": ["id /*"]}}')$$);
SELECT count(*) FROM pg_class WHERE relname LIKE 'index_check%';
-- filters
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', include_tables => '{orders}', exclude_tables => '{orders}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', include_tables => '{nothing}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', include_databases => '{other}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', exclude_tables => '{*}')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', include_tables => ARRAY[NULL]::text[])$$);
-- names and targets
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', name => '')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', target_schema => '')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', target_schema => 'pg_catalog')$$);
CREATE SCHEMA taken;
CREATE TABLE taken.orders (a int);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', target_schema => 'taken')$$);
DROP SCHEMA taken CASCADE;
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', name => 'first')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/long.db', name => 'first')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', name => 'second', target_schema => 'first')$$);
-- nothing half registered
SELECT count(*) FROM replicator_status;
SELECT count(*) FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id WHERE s.name <> 'first';
-- replicator_validate reports every step instead of stopping at the first that fails
SELECT "check", ok, severity, regexp_replace(replace(detail, directory, 'FILES'), '[0-9]+ bytes; [0-9]+|SQLite [0-9.]+', 'N', 'g'), hint
FROM files, replicator_validate('sqlite://' || directory || '/shop.db');
SELECT "check", ok, severity, replace(detail, directory, 'FILES'), hint FROM files, replicator_validate('sqlite://' || directory || '/missing.db');
SELECT "check", ok, detail, hint FROM files, replicator_validate('sqlite://' || directory || '/shop.db', include_tables => '{nothing}') WHERE NOT ok;
SELECT "check", ok, detail, hint FROM files, replicator_validate('sqlite://' || directory || '/shop.db', mode => 'continuous') WHERE NOT ok;
SELECT "check", ok, detail, hint FROM files, replicator_validate('sqlite://' || directory || '/shop.db', target_schema => 'pg_catalog') WHERE NOT ok;
SELECT "check", ok, detail, hint FROM replicator_validate(NULL) WHERE NOT ok;
SELECT count(*) FROM replicator_status;
-- unknown sources and tables
SELECT * FROM attempt($$SELECT replicator_pause('unknown')$$);
SELECT * FROM attempt($$SELECT replicator_resume('unknown')$$);
SELECT * FROM attempt($$SELECT replicator_drop('unknown')$$);
SELECT * FROM attempt($$SELECT replicator_sync('unknown')$$);
SELECT * FROM attempt($$SELECT replicator_alter('unknown', mode => 'once')$$);
SELECT * FROM attempt($$SELECT replicator_pause(NULL)$$);
SELECT * FROM attempt($$SELECT replicator_resync('first', 'unknown')$$);
SELECT * FROM attempt($$SELECT replicator_sync('first', '{unknown}')$$);
SELECT replicator_alter('first', exclude_tables => '{v*}');
SELECT * FROM attempt($$SELECT replicator_resync('first', 'v')$$);
SELECT * FROM attempt($$SELECT replicator_add_table('first', 'v')$$);
SELECT * FROM attempt($$SELECT replicator_add_table('first', 'unknown')$$);
SELECT * FROM attempt($$SELECT replicator_alter('first', source_url => 'mysql://host/db')$$);
-- comparing, replaying
SELECT * FROM attempt($$SELECT replicator_verify('unknown')$$);
SELECT * FROM attempt($$SELECT replicator_verify('first', '{unknown}')$$);
SELECT * FROM attempt($$SELECT replicator_verify('first', '{v}')$$);
SELECT * FROM attempt($$SELECT replicator_verify('first', '{}')$$);
SELECT * FROM attempt($$SELECT replicator_repair('first', NULL)$$);
SELECT * FROM attempt($$SELECT replicator_cancel_job(4711)$$);
SELECT * FROM attempt($$SELECT replicator_cancel_job(NULL)$$);
SELECT * FROM attempt($$SELECT replicator_replay('unknown')$$);
SELECT * FROM attempt($$SELECT replicator_replay('first')$$);
SELECT * FROM attempt($$SELECT replicator_replay('first', 'orders', 'no such key')$$);
SELECT * FROM attempt($$SELECT replicator_replay('first', NULL, '1')$$);
-- a target schema cannot move once there are tables
CALL replicator_wait('first', '1 minute');
SELECT * FROM attempt($$SELECT replicator_alter('first', target_schema => 'elsewhere')$$);
-- replicator_wait
SELECT * FROM attempt($$CALL replicator_wait('first')$$);
BEGIN;
CALL replicator_wait('first');
ROLLBACK;
SELECT replicator_pause('first');
CALL replicator_wait('first');
SELECT * FROM attempt($$SELECT replicator_sync('first')$$);
SELECT * FROM attempt($$SELECT replicator_verify('first')$$);
SELECT * FROM attempt($$SELECT replicator_repair('first', 'orders')$$);
-- callers without rights
SET ROLE regress_other;
SELECT * FROM attempt($$SELECT replicator_pause('first')$$);
SELECT * FROM attempt($$SELECT replicator_drop('first')$$);
SELECT * FROM attempt($$SELECT replicator_verify('first')$$);
SELECT * FROM attempt($$SELECT replicator_repair('first', 'orders')$$);
SELECT * FROM attempt($$SELECT replicator_replay('first')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/shop.db', name => 'theirs')$$);
SELECT * FROM attempt($$SELECT replicator_discover('sqlite://FILES/shop.db')$$);
SELECT * FROM attempt($$SELECT replicator_stop_workers()$$);
SELECT * FROM attempt($$SELECT * FROM replicator_status$$);
SELECT * FROM attempt($$CREATE SERVER theirs FOREIGN DATA WRAPPER pg_replicator_secrets$$);
SELECT * FROM attempt($$SELECT * FROM pg_user_mapping$$);
RESET ROLE;
-- a role that may read the directory, but not create in the database; a symbolic link out of it is followed
SELECT set_config('pg_replicator.sqlite_directories', directory || '/allowed', false) IS NOT NULL FROM files;
\! mkdir "$PGREPL_FILES/allowed" && cp "$PGREPL_FILES/shop.db" "$PGREPL_FILES/allowed/" && ln -s ../long.db "$PGREPL_FILES/allowed/link.db"
SET ROLE regress_other;
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/allowed/shop.db', name => 'theirs')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/allowed/../shop.db', name => 'theirs')$$);
SELECT * FROM attempt($$SELECT replicator_init('sqlite://FILES/allowed/link.db', name => 'theirs')$$);
RESET ROLE;
-- an error that PostgreSQL raises within our statements reaches the client whole
CREATE VIEW dependent AS SELECT * FROM first.customers;
SELECT replicator_drop('first', drop_tables => true);
DROP VIEW dependent;
SELECT replicator_drop('first', drop_tables => true);
DROP SCHEMA first;
-- whoever commits a prepared transaction would not wake the workers
BEGIN;
SELECT replicator.request_probe();
PREPARE TRANSACTION 'ours';
