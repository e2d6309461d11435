-- The functions. Arguments of replicator_init and replicator_alter come in one order, which src/api reads by
-- position.

CREATE FUNCTION @extschema@.replicator_init(
    source_url        text,
    name              text DEFAULT NULL,
    target_schema     text DEFAULT NULL,
    include_tables    text[] DEFAULT NULL,
    exclude_tables    text[] DEFAULT NULL,
    include_databases text[] DEFAULT NULL,
    exclude_databases text[] DEFAULT NULL,
    mode              text DEFAULT NULL,
    refresh_interval  interval DEFAULT NULL,
    rules             jsonb DEFAULT NULL,
    options           jsonb DEFAULT NULL
) RETURNS text LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_init';
COMMENT ON FUNCTION @extschema@.replicator_init(text, text, text, text[], text[], text[], text[], text, interval, jsonb, jsonb) IS
    'Registers a source and starts it; returns its name';

CREATE FUNCTION @extschema@.replicator_alter(
    name              text,
    source_url        text DEFAULT NULL,
    target_schema     text DEFAULT NULL,
    include_tables    text[] DEFAULT NULL,
    exclude_tables    text[] DEFAULT NULL,
    include_databases text[] DEFAULT NULL,
    exclude_databases text[] DEFAULT NULL,
    mode              text DEFAULT NULL,
    refresh_interval  interval DEFAULT NULL,
    rules             jsonb DEFAULT NULL,
    options           jsonb DEFAULT NULL,
    owner             text DEFAULT NULL
) RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_alter';
COMMENT ON FUNCTION @extschema@.replicator_alter(text, text, text, text[], text[], text[], text[], text, interval, jsonb, jsonb, text) IS
    'Changes a source; null leaves a setting as it is';

CREATE FUNCTION @extschema@.replicator_sync(name text, tables text[] DEFAULT NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_sync';
COMMENT ON FUNCTION @extschema@.replicator_sync(text, text[]) IS
    'Brings the target of a source up to date now: a refresh of all its tables, so that they show one state';

CREATE FUNCTION @extschema@.replicator_pause(name text)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_pause';
COMMENT ON FUNCTION @extschema@.replicator_pause(text) IS 'Pauses a source until replicator_resume, restarts included';

CREATE FUNCTION @extschema@.replicator_resume(name text)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_resume';
COMMENT ON FUNCTION @extschema@.replicator_resume(text) IS 'Resumes a source that is paused, failed, backing off or restored';

CREATE FUNCTION @extschema@.replicator_drop(name text, drop_tables boolean DEFAULT false)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_drop';
COMMENT ON FUNCTION @extschema@.replicator_drop(text, boolean) IS
    'Forgets a source; its target tables stay unless drop_tables is true';

CREATE FUNCTION @extschema@.replicator_resync(name text, "table" text DEFAULT NULL)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_resync';
COMMENT ON FUNCTION @extschema@.replicator_resync(text, text) IS
    'Compares a table, or all of them if none is named, with the source and copies what differs';

CREATE FUNCTION @extschema@.replicator_add_table(name text, "table" text)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_add_table';
COMMENT ON FUNCTION @extschema@.replicator_add_table(text, text) IS 'Changes the filters so that a table is replicated, and copies it';

CREATE FUNCTION @extschema@.replicator_remove_table(name text, "table" text)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_remove_table';
COMMENT ON FUNCTION @extschema@.replicator_remove_table(text, text) IS 'Changes the filters so that a table is not replicated; its target stays';

CREATE FUNCTION @extschema@.replicator_pause_table(name text, "table" text)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_pause_table';
COMMENT ON FUNCTION @extschema@.replicator_pause_table(text, text) IS 'Leaves a table out until replicator_resume_table';

CREATE FUNCTION @extschema@.replicator_resume_table(name text, "table" text)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_resume_table';
COMMENT ON FUNCTION @extschema@.replicator_resume_table(text, text) IS 'Takes a paused table in again, and brings it up to date';

CREATE FUNCTION @extschema@.replicator_verify(name text, tables text[] DEFAULT NULL)
RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_verify';
COMMENT ON FUNCTION @extschema@.replicator_verify(text, text[]) IS
    'Compares tables with the source, all of them if none is named; returns the number of the job, see replicator_jobs';

CREATE FUNCTION @extschema@.replicator_repair(name text, "table" text)
RETURNS bigint LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_repair';
COMMENT ON FUNCTION @extschema@.replicator_repair(text, text) IS
    'Compares a table with the source and mends what differs; returns the number of the job, see replicator_jobs';

CREATE FUNCTION @extschema@.replicator_cancel_job(job bigint)
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_cancel_job';
COMMENT ON FUNCTION @extschema@.replicator_cancel_job(bigint) IS 'Ends a comparison or a repair; what was repaired stays repaired';

CREATE FUNCTION @extschema@.replicator_replay(
    name text, "table" text DEFAULT NULL, key text DEFAULT NULL,
    OUT database text, OUT schema text, OUT table_name text, OUT row_key text, OUT stored boolean, OUT reason text
) RETURNS SETOF record LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_replay';
COMMENT ON FUNCTION @extschema@.replicator_replay(text, text, text) IS
    'Tries rows again that were set aside: of a source, of one of its tables, or one row; returns what came of each';

CREATE PROCEDURE @extschema@.replicator_wait(name text, timeout interval DEFAULT NULL)
LANGUAGE C AS 'MODULE_PATHNAME', 'pg_replicator_wait';
COMMENT ON PROCEDURE @extschema@.replicator_wait(text, interval) IS
    'Returns when the target holds everything that the source held at the call; null waits without limit';

CREATE FUNCTION @extschema@.replicator_discover(
    source_url text,
    OUT database text, OUT schema text, OUT "table" text, OUT kind text, OUT columns jsonb, OUT key_columns text[],
    OUT estimated_rows bigint, OUT estimated_bytes bigint, OUT supported boolean, OUT note text
) RETURNS SETOF record LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_discover';
COMMENT ON FUNCTION @extschema@.replicator_discover(text) IS
    'Lists what a source has: tables, columns, keys, estimated sizes, and why a table cannot be replicated';

CREATE FUNCTION @extschema@.replicator_validate(
    source_url        text,
    name              text DEFAULT NULL,
    target_schema     text DEFAULT NULL,
    include_tables    text[] DEFAULT NULL,
    exclude_tables    text[] DEFAULT NULL,
    include_databases text[] DEFAULT NULL,
    exclude_databases text[] DEFAULT NULL,
    mode              text DEFAULT NULL,
    refresh_interval  interval DEFAULT NULL,
    rules             jsonb DEFAULT NULL,
    options           jsonb DEFAULT NULL,
    OUT "check" text, OUT ok boolean, OUT severity text, OUT detail text, OUT hint text
) RETURNS SETOF record LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_validate';
COMMENT ON FUNCTION @extschema@.replicator_validate(text, text, text, text[], text[], text[], text[], text, interval, jsonb, jsonb) IS
    'Checks all that replicator_init with these arguments needs, one row each; registers nothing';

CREATE FUNCTION @extschema@.replicator_stop_workers()
RETURNS integer LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_stop_workers';
COMMENT ON FUNCTION @extschema@.replicator_stop_workers() IS
    'Ends the workers of this database, so that it can be dropped or renamed; the next control call starts them again';

CREATE FUNCTION replicator.request_probe()
RETURNS void LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_request_probe';
COMMENT ON FUNCTION replicator.request_probe() IS 'Has the launcher look at this database when the transaction commits';

CREATE FUNCTION replicator.library_version()
RETURNS text LANGUAGE C STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'pg_replicator_library_version';
COMMENT ON FUNCTION replicator.library_version() IS 'Version of the loaded library';

CREATE FUNCTION replicator.is_stopped()
RETURNS boolean LANGUAGE C VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'pg_replicator_is_stopped';
COMMENT ON FUNCTION replicator.is_stopped() IS 'Whether replicator_stop_workers holds for this database';

CREATE FUNCTION replicator.short_of_slots_since()
RETURNS timestamptz LANGUAGE C VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'pg_replicator_short_of_slots_since';
COMMENT ON FUNCTION replicator.short_of_slots_since() IS 'Since when the launcher finds no background worker slot even for a look at the databases; null: it finds one';

CREATE TYPE replicator.worker_phase AS ENUM (
    'looking for work', 'opening the source', 'waiting for copy workers', 'waiting for a chunk', 'copying',
    'comparing and staging', 'numbering identical rows', 'building the primary key', 'merging', 'opening the stream',
    'catching up', 'streaming', 'copying beside the stream', 'comparing a table without a key', 'comparing', 'confirming',
    'second pass', 'looking for extra rows', 'dropping an invalid index', 'creating an index');
COMMENT ON TYPE replicator.worker_phase IS 'What a worker can be doing';

CREATE FUNCTION replicator.worker_phases(
    OUT pid integer, OUT source_id integer, OUT table_id integer, OUT phase replicator.worker_phase, OUT rows_done bigint,
    OUT rows_total bigint, OUT since timestamptz
) RETURNS SETOF record LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_worker_phases';
COMMENT ON FUNCTION replicator.worker_phases() IS 'What each worker of this database does now';

CREATE FUNCTION replicator.stream_reports(
    OUT pid integer, OUT source_id integer, OUT reader_id bigint, OUT caught_up_at timestamptz, OUT bytes_read bigint,
    OUT transactions bigint, OUT changes_last_minute bigint
) RETURNS SETOF record LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_stream_reports';
COMMENT ON FUNCTION replicator.stream_reports() IS 'How far the workers of this database''s sources are, or were when they ended: when the target last held all of the source''s log, what was read since the worker began, what was changed';

CREATE FUNCTION replicator.file_bytes(relation oid)
RETURNS bigint LANGUAGE C VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'pg_replicator_file_bytes';
COMMENT ON FUNCTION replicator.file_bytes(oid) IS 'Size of a relation''s files, without a lock; null: there is no such relation';
