-- The views. Everything that changes with the clock (lag, rates, whether a worker lives) is computed by the reader.

-- What pg_stat_get_activity shows of our workers to anyone who may read the views: pid and type.
CREATE FUNCTION replicator.live_workers(OUT pid integer, OUT worker_type text)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.pid, a.backend_type FROM pg_catalog.pg_stat_get_activity(NULL) a
    WHERE a.backend_type LIKE 'pg\_replicator%'
$$;
COMMENT ON FUNCTION replicator.live_workers() IS 'Processes of pg_replicator that are alive';

-- Why nothing runs, if nothing can.
CREATE FUNCTION replicator.obstacle()
RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN NOT ('pg_replicator' = ANY (regexp_split_to_array(current_setting('shared_preload_libraries'), '[\s,"]+')))
            THEN 'Add pg_replicator to shared_preload_libraries and restart the server.'
        WHEN replicator.library_version() <> (SELECT extversion FROM pg_extension WHERE extname = 'pg_replicator')
            THEN 'The loaded library is version ' || replicator.library_version()
                 || ', the installed extension is another: restart the server, or run ALTER EXTENSION pg_replicator UPDATE.'
        WHEN pg_is_in_recovery() THEN 'The server is in recovery: workers start when it is promoted.'
        WHEN NOT current_setting('pg_replicator.enabled', true)::boolean
            THEN 'pg_replicator.enabled is off: no worker starts.'
        WHEN coalesce(current_setting('pg_replicator.databases', true), '') <> ''
             AND NOT (current_database() = ANY (regexp_split_to_array(current_setting('pg_replicator.databases'), '\s*,\s*')))
            THEN 'pg_replicator.databases does not name this database: no worker starts in it.'
    END
$$;
COMMENT ON FUNCTION replicator.obstacle() IS 'What keeps all workers of this database from starting; null: nothing';

CREATE VIEW replicator_status AS
SELECT s.name,
       s.kind,
       s.mode,
       CASE WHEN st.source_id IS NULL THEN 'restored' WHEN s.paused THEN 'paused' ELSE st.state END AS state,
       w.pid AS worker_pid,
       coalesce(t.tables, '{}'::jsonb) AS tables,
       coalesce(t.rows_copied, 0)::bigint AS rows_copied,
       t.rows_expected::bigint AS rows_expected,
       CASE WHEN st.state = 'idle' AND t.failed = 0 THEN 100.0
            WHEN t.rows_expected > 0 THEN round(least(100.0, 100.0 * t.rows_copied / t.rows_expected), 1) END AS percent,
       CASE WHEN st.copy_started_at IS NOT NULL
            THEN round(t.rows_copied / greatest(extract(epoch FROM coalesce(st.copy_finished_at, clock_timestamp())
                                                               - st.copy_started_at), 0.001)) END AS rows_per_second,
       coalesce(st.changes_applied, 0) AS changes_applied,
       CASE WHEN st.copy_finished_at IS NOT NULL AND st.changes_applied > 0
            THEN round(st.changes_applied / greatest(extract(epoch FROM clock_timestamp() - s.created_at), 0.001), 1)
       END AS changes_per_second,
       clock_timestamp() - st.state_read_at AS lag,
       p.position,
       st.last_applied_at,
       coalesce(st.last_error, t.failed_table) AS last_error,
       coalesce(replicator.obstacle(),
                CASE WHEN st.source_id IS NULL
                     THEN 'It was restored from a dump: check its URL, then call replicator_resume.' END,
                st.last_hint,
                CASE WHEN t.failed > 0 THEN 'replicator_tables says what is wrong with the tables that failed.' END,
                CASE WHEN NOT s.paused AND st.state = 'starting' AND w.pid IS NULL
                          AND st.state_since < clock_timestamp() - interval '5 seconds'
                     THEN 'No worker has started yet: look at max_worker_processes and at the server log.' END) AS hint,
       st.next_retry_at,
       (SELECT count(*) FROM replicator.quarantine q WHERE q.source_id = s.id) AS quarantined
FROM replicator.source s
LEFT JOIN replicator.source_state st ON st.source_id = s.id
LEFT JOIN replicator.position p ON p.source_id = s.id
LEFT JOIN replicator.live_workers() w ON w.pid = st.worker_pid AND w.worker_type = 'pg_replicator source worker'
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(c.state, c.n) AS tables, sum(c.rows_copied) AS rows_copied,
           sum(c.rows_expected) AS rows_expected, coalesce(sum(c.n) FILTER (WHERE c.state = 'failed'), 0) AS failed,
           max(c.failed_table) AS failed_table
    FROM (SELECT CASE WHEN paused THEN 'paused' ELSE state END AS state, count(*) AS n,
                 sum(rows_copied) FILTER (WHERE state NOT IN ('excluded', 'unsupported')) AS rows_copied,
                 sum(greatest(rows_expected, rows_copied)) FILTER (WHERE state NOT IN ('excluded', 'unsupported')) AS rows_expected,
                 min(format('table %s: %s', name, reason)) FILTER (WHERE state = 'failed' AND NOT paused) AS failed_table
          FROM replicator.source_table WHERE source_id = s.id GROUP BY 1) c
) t ON true;
COMMENT ON VIEW replicator_status IS 'Sources: what each is doing, how far it is, and what to do about its errors';
COMMENT ON COLUMN replicator_status.name IS 'Name of the source';
COMMENT ON COLUMN replicator_status.kind IS 'sqlite, mysql, mongodb, postgresql';
COMMENT ON COLUMN replicator_status.mode IS 'continuous, once or periodic';
COMMENT ON COLUMN replicator_status.state IS 'starting, snapshot, catching_up, streaming; idle, paused, backing_off, failed, restored';
COMMENT ON COLUMN replicator_status.worker_pid IS 'Process of its source worker, if one is alive';
COMMENT ON COLUMN replicator_status.tables IS 'Number of its tables by state';
COMMENT ON COLUMN replicator_status.rows_copied IS 'Rows that the copy under way, or the last one, has read';
COMMENT ON COLUMN replicator_status.rows_expected IS 'Estimate of the rows to read';
COMMENT ON COLUMN replicator_status.percent IS 'Part of the expected rows that has been read';
COMMENT ON COLUMN replicator_status.rows_per_second IS 'Rows a second of the copy under way, or of the last one';
COMMENT ON COLUMN replicator_status.changes_applied IS 'Rows inserted, updated and deleted by refreshes and streams';
COMMENT ON COLUMN replicator_status.changes_per_second IS 'The same a second, since the source was registered';
COMMENT ON COLUMN replicator_status.lag IS 'Age of the state of the source that the target holds; grows with the clock';
COMMENT ON COLUMN replicator_status.position IS 'Place in the source''s log, or identity of the file''s state, that the target holds';
COMMENT ON COLUMN replicator_status.last_applied_at IS 'When rows were last written to a target';
COMMENT ON COLUMN replicator_status.last_error IS 'Latest error; cleared when work goes on';
COMMENT ON COLUMN replicator_status.hint IS 'What to do';
COMMENT ON COLUMN replicator_status.next_retry_at IS 'When the next attempt is made';
COMMENT ON COLUMN replicator_status.quarantined IS 'Rows that were set aside';

CREATE VIEW replicator_tables AS
SELECT s.name AS source,
       t.database,
       t.schema,
       t.name AS "table",
       t.kind,
       CASE WHEN t.paused THEN 'paused' ELSE t.state END AS state,
       t.reason,
       CASE WHEN t.target_name IS NOT NULL THEN format('%I.%I', t.target_schema, t.target_name) END AS target,
       t.key_columns,
       CASE WHEN t.state NOT IN ('excluded', 'unsupported') THEN t.consistency END AS consistency,
       t.rows_copied,
       greatest(t.rows_expected, t.rows_copied) AS rows_expected,
       CASE WHEN t.state = 'idle' THEN 100.0
            WHEN t.rows_expected > 0 THEN round(least(100.0, 100.0 * t.rows_copied / greatest(t.rows_expected, t.rows_copied)), 1)
       END AS percent,
       CASE WHEN t.copy_started_at IS NOT NULL
            THEN round(t.rows_copied / greatest(extract(epoch FROM coalesce(t.copy_finished_at, clock_timestamp())
                                                               - t.copy_started_at), 0.001)) END AS rows_per_second,
       t.rows_inserted,
       t.rows_updated,
       t.rows_deleted,
       t.bytes_expected AS source_bytes,
       t.bytes_copied AS jsonb_bytes,
       CASE WHEN t.target_created
            THEN pg_catalog.pg_total_relation_size(pg_catalog.to_regclass(format('%I.%I', t.target_schema, t.target_name)))
       END AS target_bytes,
       t.tagged_values,
       t.copy_started_at,
       t.copy_finished_at,
       t.last_applied_at,
       t.last_error,
       t.last_hint AS hint,
       t.note,
       (SELECT count(*) FROM replicator.quarantine q WHERE q.table_id = t.id) AS quarantined
FROM replicator.source_table t
JOIN replicator.source s ON s.id = t.source_id;
COMMENT ON VIEW replicator_tables IS 'Tables of the sources: state, target, progress, and why one is not replicated';
COMMENT ON COLUMN replicator_tables.source IS 'Name of the source';
COMMENT ON COLUMN replicator_tables.database IS 'Database at the source; main for SQLite';
COMMENT ON COLUMN replicator_tables.schema IS 'Schema at the source; empty where the source has none';
COMMENT ON COLUMN replicator_tables."table" IS 'Name at the source';
COMMENT ON COLUMN replicator_tables.kind IS 'table, view, virtual table, shadow table, …';
COMMENT ON COLUMN replicator_tables.state IS 'pending, copying, catching_up, streaming; idle, paused, excluded, schema_only, unsupported, failed';
COMMENT ON COLUMN replicator_tables.reason IS 'Why it is excluded, unsupported or failed';
COMMENT ON COLUMN replicator_tables.target IS 'Target table';
COMMENT ON COLUMN replicator_tables.key_columns IS 'Columns that make up id; empty: the rowid';
COMMENT ON COLUMN replicator_tables.consistency IS 'How much of a source transaction a reader may see: transaction, copying, document, state';
COMMENT ON COLUMN replicator_tables.rows_copied IS 'Rows that the copy under way, or the last one, has read';
COMMENT ON COLUMN replicator_tables.rows_expected IS 'Estimate of the rows to read';
COMMENT ON COLUMN replicator_tables.percent IS 'Part of the expected rows that has been read';
COMMENT ON COLUMN replicator_tables.rows_per_second IS 'Rows a second of the copy under way, or of the last one';
COMMENT ON COLUMN replicator_tables.rows_inserted IS 'Rows inserted by refreshes';
COMMENT ON COLUMN replicator_tables.rows_updated IS 'Rows updated by refreshes';
COMMENT ON COLUMN replicator_tables.rows_deleted IS 'Rows deleted by refreshes';
COMMENT ON COLUMN replicator_tables.source_bytes IS 'Estimate of its size at the source';
COMMENT ON COLUMN replicator_tables.jsonb_bytes IS 'Size of the rows read, as jsonb';
COMMENT ON COLUMN replicator_tables.target_bytes IS 'Size of the target table with its indexes';
COMMENT ON COLUMN replicator_tables.tagged_values IS 'Values that jsonb cannot hold directly and that were stored in a tagged object';
COMMENT ON COLUMN replicator_tables.copy_started_at IS 'When its copy began';
COMMENT ON COLUMN replicator_tables.copy_finished_at IS 'When its copy ended';
COMMENT ON COLUMN replicator_tables.last_applied_at IS 'When its target was last written';
COMMENT ON COLUMN replicator_tables.last_error IS 'Latest error of this table';
COMMENT ON COLUMN replicator_tables.hint IS 'What to do about it';
COMMENT ON COLUMN replicator_tables.note IS 'What a user should know about it';
COMMENT ON COLUMN replicator_tables.quarantined IS 'Rows of it that were set aside';

CREATE VIEW replicator_events AS
SELECT e.at, e.source, e.role, e.action, e.arguments, e.outcome, e.sqlstate, e.message
FROM replicator.event e
ORDER BY e.at, e.id;
COMMENT ON VIEW replicator_events IS 'Control calls: who, when, with which arguments (without secrets), and what came of it';
COMMENT ON COLUMN replicator_events.at IS 'When';
COMMENT ON COLUMN replicator_events.source IS 'Name of the source, if it concerns one';
COMMENT ON COLUMN replicator_events.role IS 'Who';
COMMENT ON COLUMN replicator_events.action IS 'Function that was called';
COMMENT ON COLUMN replicator_events.arguments IS 'Its arguments, without secrets';
COMMENT ON COLUMN replicator_events.outcome IS 'ok or error';
COMMENT ON COLUMN replicator_events.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN replicator_events.message IS 'Text of the error';

CREATE VIEW replicator_quarantine AS
SELECT s.name AS source, t.database, t.schema, t.name AS "table", q.key, q.reason, q.sqlstate, q.first_seen, q.last_seen, q.tries
FROM replicator.quarantine q
JOIN replicator.source_table t ON t.id = q.table_id
JOIN replicator.source s ON s.id = q.source_id;
COMMENT ON VIEW replicator_quarantine IS 'Rows that were set aside because they could not be stored';
COMMENT ON COLUMN replicator_quarantine.source IS 'Name of the source';
COMMENT ON COLUMN replicator_quarantine.database IS 'Database at the source';
COMMENT ON COLUMN replicator_quarantine.schema IS 'Schema at the source';
COMMENT ON COLUMN replicator_quarantine."table" IS 'Table at the source';
COMMENT ON COLUMN replicator_quarantine.key IS 'The row''s id, as the target table would have it';
COMMENT ON COLUMN replicator_quarantine.reason IS 'Why it could not be stored';
COMMENT ON COLUMN replicator_quarantine.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN replicator_quarantine.first_seen IS 'When it was first set aside';
COMMENT ON COLUMN replicator_quarantine.last_seen IS 'When it was last tried';
COMMENT ON COLUMN replicator_quarantine.tries IS 'How often it was tried';
