-- The views of what was done and found: control calls, rows set aside, comparisons, indexes, workers. As those of
-- sources and tables they wait for nobody.

CREATE VIEW @extschema@.replicator_events AS
SELECT e.at, e.source, e.role, e.action, CASE WHEN r.readable THEN e.arguments ELSE e.arguments - 'key' END AS arguments,
       e.outcome, rtrim(e.sqlstate, '*') AS sqlstate, replicator.shown_error(e.message, e.sqlstate, r.readable) AS message
FROM replicator.event e
LEFT JOIN (replicator.source s JOIN replicator.source_owner o ON o.source_id = s.id)
     ON s.name = e.source AND e.at >= s.created_at
-- Of a source that is gone, whoever has one of its name by now, only those see them who read all tables.
CROSS JOIN LATERAL (
    SELECT CASE WHEN s.id IS NULL THEN pg_has_role('pg_read_all_data', 'USAGE') ELSE pg_has_role(coalesce(o.role, 0::oid), 'USAGE') END AS readable
) r
ORDER BY e.at, e.id;
COMMENT ON VIEW @extschema@.replicator_events IS 'Control calls: who, when, with which arguments (without secrets), and what came of it; and what workers have to tell';
COMMENT ON COLUMN @extschema@.replicator_events.at IS 'When';
COMMENT ON COLUMN @extschema@.replicator_events.source IS 'Name of the source, if it concerns one';
COMMENT ON COLUMN @extschema@.replicator_events.role IS 'Who called; of what a worker tells, the source''s owner';
COMMENT ON COLUMN @extschema@.replicator_events.action IS 'Function that was called; else source backs off, source failed, source recovered, table failed, table recovered, table left out, copy finished, table copied, …';
COMMENT ON COLUMN @extschema@.replicator_events.arguments IS 'Its arguments, without secrets; else what it is about: table, seconds (that a copy or an outage took), rows, tables';
COMMENT ON COLUMN @extschema@.replicator_events.outcome IS 'ok or error';
COMMENT ON COLUMN @extschema@.replicator_events.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN @extschema@.replicator_events.message IS 'Text of the error';

CREATE VIEW @extschema@.replicator_quarantine AS
SELECT s.name AS source, t.database, t.schema, t.name AS "table", CASE WHEN g.readable THEN q.key END AS key, q.operation::text AS operation,
       CASE WHEN g.readable THEN q.reason END AS reason, CASE WHEN g.readable THEN q.detail END AS detail, q.sqlstate, q.first_seen, q.last_seen,
       q.tries
FROM replicator.quarantine q
JOIN replicator.source_table t ON t.id = q.table_id
JOIN replicator.target g ON g.table_id = t.id
JOIN replicator.source s ON s.id = q.source_id;
COMMENT ON VIEW @extschema@.replicator_quarantine IS 'Rows that were set aside because they could not be stored';
COMMENT ON COLUMN @extschema@.replicator_quarantine.source IS 'Name of the source';
COMMENT ON COLUMN @extschema@.replicator_quarantine.database IS 'Database at the source';
COMMENT ON COLUMN @extschema@.replicator_quarantine.schema IS 'Schema at the source';
COMMENT ON COLUMN @extschema@.replicator_quarantine."table" IS 'Table at the source';
COMMENT ON COLUMN @extschema@.replicator_quarantine.key IS 'The row''s id, as the target table would have it; null to those who may not read that';
COMMENT ON COLUMN @extschema@.replicator_quarantine.operation IS 'write: the row could not be stored; delete: it could not be deleted';
COMMENT ON COLUMN @extschema@.replicator_quarantine.detail IS 'Detail of the error; null to those who may not read the target';
COMMENT ON COLUMN @extschema@.replicator_quarantine.reason IS 'Why it could not be stored; null to those who may not read the target';
COMMENT ON COLUMN @extschema@.replicator_quarantine.sqlstate IS 'SQLSTATE of the error';
COMMENT ON COLUMN @extschema@.replicator_quarantine.first_seen IS 'When it was first set aside';
COMMENT ON COLUMN @extschema@.replicator_quarantine.last_seen IS 'When it was last tried';
COMMENT ON COLUMN @extschema@.replicator_quarantine.tries IS 'How often it was tried';

CREATE VIEW @extschema@.replicator_jobs AS
SELECT j.id AS job,
       j.kind::text AS kind,
       s.name AS source,
       t.database,
       t.schema,
       t.name AS "table",
       CASE WHEN j.state IN ('failed', 'canceled') AND jt.state IN ('pending', 'running') THEN j.state::text ELSE jt.state::text END AS state,
       CASE WHEN jt.finished_at IS NULL THEN greatest(w.rows_done, jt.rows_compared) ELSE jt.rows_compared END AS rows_compared,
       greatest(t.rows_expected, t.rows_copied) AS rows_expected,
       jt.changed,
       jt.missing,
       jt.extra,
       jt.unconfirmed,
       jt.quarantined,
       jt.repaired,
       coalesce(replicator.shown_error(jt.last_error, jt.last_sqlstate, g.readable),
                replicator.shown_error(j.last_error, j.last_sqlstate, g.readable)) AS last_error,
       coalesce(CASE WHEN j.state IN ('pending', 'running') AND jt.state IN ('pending', 'running')
                     THEN replicator.slot_hint(sw.since) END, jt.last_hint, j.last_hint) AS hint,
       j.requested_by,
       j.requested_at,
       jt.started_at,
       jt.finished_at
FROM replicator.job j
JOIN replicator.source s ON s.id = j.source_id
JOIN replicator.job_table jt ON jt.job_id = j.id
JOIN replicator.source_table t ON t.id = jt.table_id
JOIN replicator.target g ON g.table_id = t.id
LEFT JOIN replicator.worker_phases() w ON w.pid = j.worker_pid AND w.table_id = t.id AND w.phase = 'comparing'
     AND j.state = 'running'
LEFT JOIN replicator.slot_wait sw ON sw.source_id = s.id AND sw.kind = 'job worker';
COMMENT ON VIEW @extschema@.replicator_jobs IS 'Comparisons and repairs: one row for each table of each job, and what was found';
COMMENT ON COLUMN @extschema@.replicator_jobs.job IS 'Number that replicator_verify or replicator_repair returned';
COMMENT ON COLUMN @extschema@.replicator_jobs.kind IS 'verify or repair';
COMMENT ON COLUMN @extschema@.replicator_jobs.source IS 'Name of the source';
COMMENT ON COLUMN @extschema@.replicator_jobs.database IS 'Database at the source';
COMMENT ON COLUMN @extschema@.replicator_jobs.schema IS 'Schema at the source';
COMMENT ON COLUMN @extschema@.replicator_jobs."table" IS 'Table at the source';
COMMENT ON COLUMN @extschema@.replicator_jobs.state IS 'pending, running, done, behind (see unconfirmed), failed, canceled';
COMMENT ON COLUMN @extschema@.replicator_jobs.rows_compared IS 'Rows of the source that have been compared';
COMMENT ON COLUMN @extschema@.replicator_jobs.rows_expected IS 'Estimate of the rows to compare';
COMMENT ON COLUMN @extschema@.replicator_jobs.changed IS 'Rows whose data differs';
COMMENT ON COLUMN @extschema@.replicator_jobs.missing IS 'Rows that the target does not have';
COMMENT ON COLUMN @extschema@.replicator_jobs.extra IS 'Rows that only the target has';
COMMENT ON COLUMN @extschema@.replicator_jobs.unconfirmed IS 'Rows that differed at one look but may be changes that are not copied yet';
COMMENT ON COLUMN @extschema@.replicator_jobs.quarantined IS 'Rows that differ because they were set aside';
COMMENT ON COLUMN @extschema@.replicator_jobs.repaired IS 'Rows that were mended';
COMMENT ON COLUMN @extschema@.replicator_jobs.last_error IS 'Why the table, or the job, could not be done';
COMMENT ON COLUMN @extschema@.replicator_jobs.hint IS 'What to do';
COMMENT ON COLUMN @extschema@.replicator_jobs.requested_by IS 'Who asked for it';
COMMENT ON COLUMN @extschema@.replicator_jobs.requested_at IS 'When';
COMMENT ON COLUMN @extschema@.replicator_jobs.started_at IS 'When the table was begun';
COMMENT ON COLUMN @extschema@.replicator_jobs.finished_at IS 'When it was done';

CREATE VIEW @extschema@.replicator_differences AS
SELECT d.job_id AS job, s.name AS source, t.database, t.schema, t.name AS "table", CASE WHEN g.readable THEN d.key END AS key, d.kind::text AS difference,
       d.repaired, d.found_at
FROM replicator.difference d
JOIN replicator.source_table t ON t.id = d.table_id
JOIN replicator.target g ON g.table_id = t.id
JOIN replicator.source s ON s.id = t.source_id;
COMMENT ON VIEW @extschema@.replicator_differences IS 'Rows that comparisons found to differ: the first thousand of each table of a job';
COMMENT ON COLUMN @extschema@.replicator_differences.job IS 'Number of the job';
COMMENT ON COLUMN @extschema@.replicator_differences.source IS 'Name of the source';
COMMENT ON COLUMN @extschema@.replicator_differences.database IS 'Database at the source';
COMMENT ON COLUMN @extschema@.replicator_differences.schema IS 'Schema at the source';
COMMENT ON COLUMN @extschema@.replicator_differences."table" IS 'Table at the source';
COMMENT ON COLUMN @extschema@.replicator_differences.key IS 'The row''s id; null to those who may not read the target';
COMMENT ON COLUMN @extschema@.replicator_differences.difference IS 'changed, missing (in the target) or extra (only there)';
COMMENT ON COLUMN @extschema@.replicator_differences.repaired IS 'Whether it was mended';
COMMENT ON COLUMN @extschema@.replicator_differences.found_at IS 'When it was found';

-- Of an index that is being built, whoever its worker waits for: for those who have written to the table, and at the end for
-- all transactions that began before. Of one that was put off, whoever has the table locked.
CREATE FUNCTION replicator.index_blockers(index_id integer)
RETURNS integer[] LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN i.state = 'building'
                THEN (SELECT pg_blocking_pids(w.pid) FROM replicator.live_workers() w
                      WHERE w.pid = i.worker_pid AND w.kind = 'index worker' AND w.wait_event_type = 'Lock')
                WHEN i.state = 'pending' AND i.last_sqlstate LIKE '55P03%'
                THEN (SELECT array_agg(DISTINCT coalesce(l.pid, 0)) FROM pg_locks l
                      WHERE l.granted AND l.locktype = 'relation' AND l.relation = r.relid
                        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                        AND (l.mode NOT IN ('AccessShareLock', 'RowShareLock')
                             -- What is left of an interrupted build is dropped when nobody uses the table any more.
                             OR EXISTS (SELECT FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
                                        WHERE x.indrelid = r.relid AND c.relname = i.name AND NOT x.indisvalid))
                        AND NOT EXISTS (SELECT FROM replicator.live_workers() w WHERE w.pid = l.pid)) END
    FROM replicator.target_index i
    LEFT JOIN replicator.target_relation r ON r.table_id = i.table_id
    WHERE i.id = index_blockers.index_id;
END;
COMMENT ON FUNCTION replicator.index_blockers(integer) IS 'Processes that keep an index from being built; 0: a prepared transaction; null: none does';

CREATE VIEW @extschema@.replicator_indexes AS
SELECT s.name AS source,
       t.database,
       t.schema,
       t.name AS "table",
       CASE WHEN t.target_name IS NOT NULL THEN format('%I.%I', t.target_schema, t.target_name) END AS target,
       i.name AS index,
       i.method,
       replace(i.definition, E'\n', '') AS definition,
       CASE WHEN i.state = 'ready' AND x.indexrelid IS NULL THEN 'missing'
            WHEN i.state = 'ready' AND NOT x.indisvalid THEN 'invalid' ELSE i.state::text END AS state,
       replicator.file_bytes(x.indexrelid) AS bytes,
       i.started_at,
       i.finished_at,
       replicator.shown_error(i.last_error, i.last_sqlstate, g.readable) AS last_error,
       coalesce(CASE WHEN i.state IN ('pending', 'building') AND t.state IN ('idle', 'streaming')
                     THEN replicator.slot_hint(sw.since) END,
                CASE WHEN i.state = 'building' AND b.blocked_by IS NOT NULL
                     THEN 'It waits for transactions that were there before: blocked_by names their processes.' END, i.last_hint) AS hint,
       b.blocked_by
FROM replicator.target_index i
JOIN replicator.source_table t ON t.id = i.table_id
JOIN replicator.source s ON s.id = t.source_id
JOIN replicator.target g ON g.table_id = t.id
LEFT JOIN replicator.target_relation r ON r.table_id = t.id
LEFT JOIN (pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid)
     ON x.indrelid = coalesce(r.relid, g.relation) AND c.relname = i.name
LEFT JOIN replicator.slot_wait sw ON sw.source_id = s.id AND sw.kind = 'index worker'
LEFT JOIN LATERAL (SELECT replicator.index_blockers(i.id) AS blocked_by WHERE i.state IN ('pending', 'building')) b ON true
WHERE i.state <> 'unwanted';
COMMENT ON VIEW @extschema@.replicator_indexes IS 'Indexes that the rules of sources ask for on target tables';
COMMENT ON COLUMN @extschema@.replicator_indexes.source IS 'Name of the source';
COMMENT ON COLUMN @extschema@.replicator_indexes.database IS 'Database at the source';
COMMENT ON COLUMN @extschema@.replicator_indexes.schema IS 'Schema at the source';
COMMENT ON COLUMN @extschema@.replicator_indexes."table" IS 'Table at the source';
COMMENT ON COLUMN @extschema@.replicator_indexes.target IS 'Target table';
COMMENT ON COLUMN @extschema@.replicator_indexes.index IS 'Name of the index';
COMMENT ON COLUMN @extschema@.replicator_indexes.method IS 'btree or gin';
COMMENT ON COLUMN @extschema@.replicator_indexes.definition IS 'What is indexed';
COMMENT ON COLUMN @extschema@.replicator_indexes.state IS 'pending (until the table has been copied), building, ready, failed; missing or invalid: built again soon';
COMMENT ON COLUMN @extschema@.replicator_indexes.bytes IS 'Its size';
COMMENT ON COLUMN @extschema@.replicator_indexes.started_at IS 'When its last build began';
COMMENT ON COLUMN @extschema@.replicator_indexes.finished_at IS 'When its last build ended';
COMMENT ON COLUMN @extschema@.replicator_indexes.last_error IS 'Why it could not be built';
COMMENT ON COLUMN @extschema@.replicator_indexes.hint IS 'What to do about it';
COMMENT ON COLUMN @extschema@.replicator_indexes.blocked_by IS 'Processes whose locks or open transactions it waits for; 0: a prepared transaction; null: nothing keeps it';

CREATE VIEW @extschema@.replicator_progress AS
SELECT p.pid,
       w.kind::text AS worker,
       s.name AS source,
       t.database,
       t.schema,
       t.name AS "table",
       p.phase::text || coalesce(': ' || c.phase, '') AS phase,
       d.done AS rows_done,
       d.total AS rows_total,
       d.percent,
       repeat('█', (d.percent / 5)::integer) || repeat('·', 20 - (d.percent / 5)::integer) AS bar,
       replicator.rate(p.rows_done, clock_timestamp() - p.since) AS rows_per_second,
       clock_timestamp() - p.since AS elapsed,
       w.wait_event_type,
       w.wait_event
FROM replicator.worker_phases() p
JOIN replicator.live_workers() w ON w.pid = p.pid
LEFT JOIN replicator.source s ON s.id = p.source_id
LEFT JOIN replicator.source_table t ON t.id = p.table_id
LEFT JOIN pg_catalog.pg_stat_progress_create_index c ON c.pid = p.pid
CROSS JOIN LATERAL (
    SELECT n.done, n.total,
           -- What is done leaves this view; totals are estimates.
           CASE WHEN n.total > 0 THEN least(99.9, trunc(100.0 * n.done / n.total, 1)) END AS percent
    FROM (SELECT CASE WHEN c.tuples_total > 0 THEN c.tuples_done WHEN c.blocks_total > 0 THEN c.blocks_done
                      WHEN p.phase IN ('copying', 'comparing and staging', 'copying beside the stream') THEN t.rows_copied ELSE p.rows_done END AS done,
                 CASE WHEN c.tuples_total > 0 THEN c.tuples_total WHEN c.blocks_total > 0 THEN c.blocks_total
                      WHEN p.phase IN ('copying', 'comparing and staging', 'copying beside the stream') THEN greatest(t.rows_expected, t.rows_copied)
                      ELSE p.rows_total END AS total) n
) d;
COMMENT ON VIEW @extschema@.replicator_progress IS 'What each worker does now, and how far it is';
COMMENT ON COLUMN @extschema@.replicator_progress.pid IS 'Process';
COMMENT ON COLUMN @extschema@.replicator_progress.worker IS 'source worker, copy worker, job worker or index worker';
COMMENT ON COLUMN @extschema@.replicator_progress.source IS 'Name of the source';
COMMENT ON COLUMN @extschema@.replicator_progress.database IS 'Database at the source';
COMMENT ON COLUMN @extschema@.replicator_progress.schema IS 'Schema at the source';
COMMENT ON COLUMN @extschema@.replicator_progress."table" IS 'Table at the source, if the phase is about one';
COMMENT ON COLUMN @extschema@.replicator_progress.phase IS 'opening the source, copying, comparing and staging, merging, comparing, creating an index, …';
COMMENT ON COLUMN @extschema@.replicator_progress.rows_done IS 'Rows done: of a copy all workers together, up to their last commit; of an index rows or blocks; else of this phase';
COMMENT ON COLUMN @extschema@.replicator_progress.rows_total IS 'Estimate of what there is to do; null: not known';
COMMENT ON COLUMN @extschema@.replicator_progress.percent IS 'Part of it that is done';
COMMENT ON COLUMN @extschema@.replicator_progress.bar IS 'The same to look at';
COMMENT ON COLUMN @extschema@.replicator_progress.rows_per_second IS 'Rows a second by this worker since the phase began';
COMMENT ON COLUMN @extschema@.replicator_progress.elapsed IS 'Time since the phase began';
COMMENT ON COLUMN @extschema@.replicator_progress.wait_event_type IS 'What it waits for, as in pg_stat_activity';
COMMENT ON COLUMN @extschema@.replicator_progress.wait_event IS 'What it waits for, as in pg_stat_activity';
