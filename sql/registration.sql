-- From registration to removal, with a source that works.
\pset format unaligned
\pset tuples_only on
SELECT replicator_init('sqlite://' || directory || '/shop.db', name => 'shop') FROM files;
CALL replicator_wait('shop', '1 minute');
SELECT name, kind, mode, state, tables, rows_copied, percent, quarantined FROM replicator_status;
SELECT "table", kind, state, reason, target, key_columns, consistency, rows_copied FROM replicator_tables ORDER BY 1;
SELECT id, data FROM shop.customers ORDER BY id;
SELECT id, data FROM shop.orders ORDER BY id;
\d shop.customers
SELECT pg_catalog.obj_description('shop.customers'::regclass);

-- The file's name is the default of the source's name and of the schema; a bare path will do.
SELECT replicator_drop('shop', drop_tables => true);
DROP SCHEMA shop;
SELECT replicator_init(directory || '/shop.db', exclude_tables => '{ord*}', mode => 'periodic', refresh_interval => '1 hour') FROM files;
CALL replicator_wait('shop', '1 minute');
SELECT name, mode, tables FROM replicator_status;
SELECT "table", state, reason FROM replicator_tables ORDER BY 1;
SELECT replicator_alter('shop', mode => 'once', exclude_tables => '{}');
CALL replicator_wait('shop', '1 minute');
SELECT name, mode, tables FROM replicator_status;
SELECT replicator_pause('shop');
SELECT state FROM replicator_status;
SELECT replicator_resume('shop');
CALL replicator_wait('shop', '1 minute');
SELECT state FROM replicator_status;

-- Discovery without registration.
SELECT d.* FROM files, replicator_discover('sqlite://' || directory || '/shop.db') d ORDER BY "table";

-- A dropped source leaves its tables unless asked.
SELECT replicator_drop('shop');
SELECT count(*) FROM shop.customers;
SELECT count(*) FROM replicator_status;
SELECT count(*) FROM replicator.source_table;

-- Every control call that succeeded, with its arguments; the URL is shown without a secret.
SELECT source, role, action, replace(arguments::text, directory, 'FILES'), outcome
FROM replicator_events, files WHERE outcome = 'ok' AND action LIKE 'replicator\_%' ORDER BY at;
DROP SCHEMA shop CASCADE;
