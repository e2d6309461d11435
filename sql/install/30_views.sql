-- The views of sources and tables, and what all views need. Everything that changes with the clock (lag, rates, whether a
-- worker lives) is computed by the reader. They are for monitoring, so they never wait and never fail: no lock on a target
-- or its indexes, and no right on their schemas is needed. Who may not read a target's rows does not find them in errors
-- either (replicator.target.readable).

-- What pg_stat_get_activity shows of our workers to anyone who may read the views: pid, type, what they wait for.
CREATE FUNCTION replicator.live_workers(
    OUT pid integer, OUT kind replicator.worker_kind, OUT wait_event_type text, OUT wait_event text)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT a.pid, k.kind, a.wait_event_type, a.wait_event FROM pg_catalog.pg_stat_get_activity(NULL) a
    JOIN unnest(enum_range(NULL::replicator.worker_kind)) k(kind) ON a.backend_type = 'pg_replicator ' || k.kind::text;
END;
COMMENT ON FUNCTION replicator.live_workers() IS 'Processes of pg_replicator that are alive';

-- Why nothing runs, if nothing can.
CREATE FUNCTION replicator.obstacle()
RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE
        WHEN NOT ('pg_replicator' = ANY (regexp_split_to_array(current_setting('shared_preload_libraries'), '[\s,"]+')))
            THEN 'Add pg_replicator to shared_preload_libraries and restart the server.'
        WHEN replicator.library_version() <> (SELECT extversion FROM pg_extension WHERE extname = 'pg_replicator')
            THEN 'The loaded library is version ' || replicator.library_version()
                 || ', the installed extension is another: restart the server, or run ALTER EXTENSION pg_replicator UPDATE.'
        WHEN pg_is_in_recovery()
            THEN CASE WHEN replicator.is_stopped()
                      THEN 'The server is in recovery, and replicator_stop_workers was called: workers start with the first control call after '
                           || 'it is promoted.'
                      ELSE 'The server is in recovery: workers start when it is promoted.' END
        WHEN NOT current_setting('pg_replicator.enabled', true)::boolean
            THEN 'pg_replicator.enabled is off: no worker starts.'
        WHEN coalesce(current_setting('pg_replicator.databases', true), '') <> ''
             AND NOT (current_database() = ANY (regexp_split_to_array(current_setting('pg_replicator.databases'), '\s*,\s*')))
            THEN 'pg_replicator.databases does not name this database: no worker starts in it.'
        WHEN (SELECT d.datistemplate OR NOT d.datallowconn FROM pg_database d WHERE d.datname = current_database())
            THEN 'This database is a template, or allows no connections: no worker starts in it.'
        WHEN replicator.is_stopped()
            THEN 'replicator_stop_workers was called: workers start again with the next control call, such as replicator_resume.'
    END;
END;
COMMENT ON FUNCTION replicator.obstacle() IS 'What keeps all workers of this database from starting; null: nothing';

CREATE FUNCTION replicator.slot_hint(wanted_since timestamptz)
RETURNS text LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT 'No background worker slot is free (max_worker_processes = ' || current_setting('max_worker_processes')
           || '); it has waited for one since ' || date_trunc('second', wanted_since) || ', and who has waited longest is served first. '
           || 'Raise max_worker_processes in postgresql.conf and restart the server.';
END;
COMMENT ON FUNCTION replicator.slot_hint(timestamptz) IS 'What to do for a worker that waits for a slot; null: it does not wait';

-- All that was committed at the source before the latest of these moments is applied: the end of its log was seen; the copy
-- was begun; the last transaction was committed there, by a clock that may run ahead, and in no case after it was read here.
CREATE FUNCTION replicator.stream_lag(
    now timestamptz, end_seen_at timestamptz, source_time timestamptz, read_at timestamptz, copy_started_at timestamptz)
RETURNS interval LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN end_seen_at > now - interval '2 seconds' THEN interval '0'
                ELSE greatest(now - greatest(end_seen_at, copy_started_at,
                                             CASE WHEN source_time IS NOT NULL THEN least(source_time, read_at) END),
                              interval '0') END;
END;
COMMENT ON FUNCTION replicator.stream_lag(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz) IS
    'Age of the oldest transaction of a source that may not be applied yet; 0 if the end of its log was seen within two seconds';

-- Where statements come into the log all the time, reading all tables again takes a fifth of the time at most. Time in
-- which nothing was read, as in a pause, counts as well: so there is a bound. And a clock may have been set back.
CREATE FUNCTION replicator.next_reread(began_at timestamptz, ended_at timestamptz)
RETURNS timestamptz LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN began_at IS NULL THEN '-infinity' ELSE least(ended_at, clock_timestamp()) + least(greatest(interval '10 seconds', 4 * (ended_at - began_at)), interval '1 hour') END;
END;
COMMENT ON FUNCTION replicator.next_reread(timestamptz, timestamptz) IS
    'From when on all tables may be read again, after the last time; null: that has not ended';

CREATE FUNCTION replicator.rate(n numeric, took interval)
RETURNS numeric LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT round(n / greatest(extract(epoch FROM took), 0.001));
END;
COMMENT ON FUNCTION replicator.rate(numeric, interval) IS 'How many a second; null: not known';

CREATE FUNCTION replicator.is_published(relation oid)
RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM pg_catalog.pg_publication p
                   WHERE p.puballtables
                      OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = relation)
                      OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace m
                                 JOIN pg_catalog.pg_class c ON c.relnamespace = m.pnnspid
                                 WHERE m.pnpubid = p.oid AND c.oid = relation)) AND relation IS NOT NULL;
END;
COMMENT ON FUNCTION replicator.is_published(oid) IS 'Whether a publication of this database holds the table';

CREATE FUNCTION replicator.relation_bytes(relation oid)
RETURNS bigint LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT sum(replicator.file_bytes(p.part))::bigint FROM (
        SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid = relation
        UNION ALL SELECT c.reltoastrelid FROM pg_catalog.pg_class c WHERE c.oid = relation
        UNION ALL SELECT x.indexrelid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_index x ON x.indrelid IN (c.oid, c.reltoastrelid)
                  WHERE c.oid = relation) p(part);
END;
COMMENT ON FUNCTION replicator.relation_bytes(oid) IS 'Size of a table with its indexes, without a lock; null: there is no such table';

-- Statements on rows raise errors whose texts may quote them. Of these classes is known that they do not: connections, rights,
-- names, resources, states; but not if code of a user was at work, which is marked by a star: it can say anything.
CREATE FUNCTION replicator.shown_error(message text, sqlstate text, readable boolean)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CASE WHEN readable OR sqlstate IS NULL
                     OR sqlstate NOT LIKE '%*' AND left(sqlstate, 2) IN ('08', '0A', '0L', '0P', '25', '26', '28', '2B', '34', '3B', '3D', '3F', '40', '42', '53',
                                              '55', '57', '58', 'F0', 'HV', 'XX') THEN message
                WHEN message IS NOT NULL
                THEN 'SQLSTATE ' || rtrim(sqlstate, '*') || '; the text may quote rows: it is shown to those who may read the target' END;
END;
COMMENT ON FUNCTION replicator.shown_error(text, text, boolean) IS 'Text of an error, for a reader who may read the rows that it may quote or may not';

CREATE VIEW replicator.target AS
SELECT t.id AS table_id,
       c.oid AS relation,
       -- Another table, whoever has given it the name, is not the one that these rows are for.
       coalesce(pg_has_role(coalesce(o.role, 0::oid), 'USAGE')
                OR c.oid = r.relid AND c.relowner = o.role AND has_table_privilege(c.oid, 'SELECT')
                   AND has_schema_privilege(c.relnamespace, 'USAGE') AND NOT row_security_active(c.oid), false) AS readable
FROM replicator.source_table t
JOIN replicator.source_owner o ON o.source_id = t.source_id
LEFT JOIN replicator.target_relation r ON r.table_id = t.id
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = t.target_schema
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.target_name;
COMMENT ON VIEW replicator.target IS 'What the other views need to know of target tables';
COMMENT ON COLUMN replicator.target.table_id IS 'The table';
COMMENT ON COLUMN replicator.target.relation IS 'Its target; null: there is none';
COMMENT ON COLUMN replicator.target.readable IS 'Whether the reader of the view may read the rows: a member of the source''s owner, or who may SELECT all rows';

-- Of a worker that waits the server knows; of a table that waits aside, whoever holds a lock that keeps it from being written
-- (from being dropped, if it is to go, which a reader does, too), its schema from being found by its name, or its side tables from being re-created. Who has changed an entry of the catalog
-- is known by its transaction; that of a worker of ours only holds the name.
CREATE FUNCTION replicator.blockers(table_id integer)
RETURNS integer[] LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT coalesce(array_agg(DISTINCT coalesce(l.pid, 0)), '{}')
    FROM replicator.source_table t
    JOIN replicator.target g ON g.table_id = t.id
    LEFT JOIN pg_catalog.pg_class c ON c.oid = g.relation
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = t.target_schema
    JOIN pg_catalog.pg_locks l ON l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
         AND (l.database IS NULL OR l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
         AND CASE l.locktype
             WHEN 'relation' THEN
                 l.relation = g.relation
                 AND (l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
                      OR t.changed AND NOT EXISTS (SELECT FROM replicator.live_workers() w WHERE w.pid = l.pid))
                 OR l.relation IN (to_regclass('replicator.staging_' || t.id), to_regclass('replicator.seen_' || t.id))
             WHEN 'object' THEN
                 l.classid = 'pg_catalog.pg_namespace'::regclass AND l.objid = n.oid AND l.mode = 'AccessExclusiveLock'
             WHEN 'transactionid' THEN l.transactionid IN (c.xmax, n.xmax) END
    WHERE t.id = blockers.table_id
      AND (l.locktype = 'relation' AND l.relation = g.relation
           OR NOT EXISTS (SELECT FROM replicator.live_workers() w WHERE w.pid = l.pid));
END;
COMMENT ON FUNCTION replicator.blockers(integer) IS 'Processes whose locks keep a table''s target from being written, or dropped; 0: a prepared transaction';

CREATE VIEW @extschema@.replicator_status AS
SELECT s.name,
       s.kind,
       s.mode::text AS mode,
       CASE WHEN st.source_id IS NULL THEN 'restored' WHEN s.paused THEN 'paused'
            WHEN o.role IS NULL THEN 'failed'
            WHEN slot.wanted_since IS NOT NULL THEN 'backing_off'
            WHEN st.state = 'streaming' AND t.to_copy > 0 THEN 'copying' ELSE st.state::text END AS state,
       w.pid AS worker_pid,
       coalesce(t.tables, '{}'::jsonb) AS tables,
       coalesce(t.to_copy, 0)::bigint AS tables_to_copy,
       least(coalesce(t.rows_copied, 0), 9223372036854775807)::bigint AS rows_copied,
       least(t.rows_expected, 9223372036854775807)::bigint AS rows_expected,
       CASE WHEN t.wanted = t.complete THEN 100.0
            WHEN t.wanted > 0 THEN least(99.9, trunc(100.0 * t.rows_done / t.rows_to_do, 1)) END AS percent,
       CASE WHEN st.state = 'snapshot' THEN replicator.rate(t.rows_of_copy, clock_timestamp() - st.copy_started_at)
            WHEN t.copying_since IS NOT NULL THEN replicator.rate(t.rows_being_copied, clock_timestamp() - t.copying_since)
            ELSE replicator.rate(st.copy_rows, st.copy_finished_at - st.copy_started_at) END AS rows_per_second,
       coalesce(st.changes_applied, 0) AS changes_applied,
       CASE WHEN st.copy_finished_at IS NOT NULL THEN round(coalesce(r.changes_last_minute, 0) / 60.0, 2) END AS changes_per_second,
       CASE WHEN s.mode <> 'continuous'
            THEN CASE WHEN st.state_read_at IS NOT NULL THEN greatest(clock_timestamp() - st.state_read_at, interval '0') END
            WHEN p.source_id IS NULL THEN clock_timestamp() - st.copy_started_at
            ELSE replicator.stream_lag(clock_timestamp(), greatest(r.caught_up_at, p.end_seen_at), p.source_time, p.read_at,
                                       st.copy_started_at) END AS lag,
       p.position,
       st.last_applied_at,
       coalesce(CASE WHEN o.role IS NULL THEN 'its owner, role "' || o.name || '", does not exist' END,
                CASE WHEN slot.wanted_since IS NOT NULL THEN 'no free background worker slot' END,
                replicator.shown_error(st.last_error, st.last_sqlstate, pg_has_role(o.role, 'USAGE')), t.failed_table, t.locked_table) AS last_error,
       CASE WHEN o.role IS NOT NULL AND slot.wanted_since IS NULL THEN replicator.shown_error(st.last_detail, st.last_sqlstate, pg_has_role(o.role, 'USAGE')) END AS detail,
       coalesce(replicator.obstacle(),
                CASE WHEN o.role IS NULL THEN 'Choose another owner: replicator_alter(name, owner => ''role'').' END,
                CASE WHEN st.source_id IS NULL
                     THEN 'It was restored from a dump, or its database is a copy of another: check its URL, then call '
                          || 'replicator_resume.' END,
                replicator.slot_hint(slot.wanted_since),
                st.last_hint,
                CASE WHEN t.lacking_room > 0 THEN 'Tables have no room: replicator_tables.last_error says where. They are tried again.' END,
                CASE WHEN st.reread_due IS NOT NULL
                     THEN 'All tables are to be read again' || coalesce(' at ' || date_trunc('second', nullif(
                          replicator.next_reread(st.reread_began_at, st.reread_ended_at), '-infinity'))::text, '') || ': ' || st.reread_due END,
                CASE WHEN t.locked > 0 THEN 'Targets of tables are locked: replicator_tables.blocked_by names the processes.'
                     WHEN w.wait_event_type = 'Lock' THEN 'The worker waits for a lock: blocked_by names the processes that hold it.' END,
                CASE WHEN t.failed > 0 THEN 'replicator_tables says what is wrong with the tables that failed.' END,
                CASE WHEN NOT s.paused AND st.state = 'starting' AND w.pid IS NULL
                          AND st.state_since < clock_timestamp() - interval '5 seconds'
                     THEN 'No worker has started yet: look at the server log.' END) AS hint,
       st.next_retry_at,
       (SELECT count(*) FROM replicator.quarantine q WHERE q.source_id = s.id) AS quarantined,
       CASE WHEN w.wait_event_type = 'Lock' THEN pg_blocking_pids(w.pid)
            WHEN t.locked > 0 THEN (
                SELECT array_agg(DISTINCT b.pid) FROM replicator.source_table lt
                CROSS JOIN unnest(replicator.blockers(lt.id)) AS b(pid)
                WHERE lt.source_id = s.id AND lt.locked_since IS NOT NULL AND NOT lt.lacks_room AND lt.state IN ('pending', 'copying')) END AS blocked_by
FROM replicator.source s
JOIN replicator.source_owner o ON o.source_id = s.id
LEFT JOIN replicator.source_state st
     ON st.source_id = s.id
     AND st.database_oid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
LEFT JOIN replicator.position p ON p.source_id = s.id
LEFT JOIN replicator.stream_reports() r ON r.source_id = s.id AND r.reader_id = st.reader_id
LEFT JOIN replicator.live_workers() w ON w.pid = st.worker_pid AND w.kind = 'source worker'
-- The probe notes who waits; if there is no slot for a probe either, nobody can note anything.
LEFT JOIN replicator.slot_wait sw ON sw.source_id = s.id AND sw.kind = 'source worker'
LEFT JOIN replicator.source_work k ON k.source_id = s.id
CROSS JOIN LATERAL (
    SELECT CASE WHEN w.pid IS NULL AND NOT s.paused AND st.state <> 'failed' AND k.has_work
                     AND (st.next_retry_at IS NULL OR st.next_retry_at <= clock_timestamp())
                THEN coalesce(sw.since, replicator.short_of_slots_since()) END AS wanted_since
) slot
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(c.state, c.n) AS tables, sum(c.rows_copied) AS rows_copied, sum(c.rows_expected) AS rows_expected,
           sum(c.n) FILTER (WHERE c.wanted AND c.state IN ('pending', 'copying')) AS to_copy,
           sum(c.n) FILTER (WHERE c.wanted) AS wanted, sum(c.n) FILTER (WHERE c.wanted AND c.complete) AS complete,
           sum(c.rows_done) AS rows_done, sum(c.rows_to_do) AS rows_to_do, sum(c.rows_of_copy) AS rows_of_copy,
           sum(c.rows_copied) FILTER (WHERE c.state = 'copying') AS rows_being_copied,
           min(c.copy_started_at) FILTER (WHERE c.state = 'copying') AS copying_since,
           coalesce(sum(c.n) FILTER (WHERE c.state = 'failed'), 0) AS failed,
           max(c.failed_table) AS failed_table, coalesce(sum(c.locked), 0) AS locked,
           coalesce(sum(c.lacking_room), 0) AS lacking_room, max(c.locked_table) AS locked_table
    FROM (SELECT k.state, k.wanted, k.complete, count(*) AS n,
                 count(*) FILTER (WHERE k.waits AND NOT k.lacks_room) AS locked,
                 count(*) FILTER (WHERE k.waits AND k.lacks_room) AS lacking_room,
                 min(format(CASE WHEN k.lacks_room THEN 'table %s: it has no room' ELSE 'table %s: its target is locked' END, k.name))
                     FILTER (WHERE k.waits) AS locked_table,
                 sum(k.rows_copied) FILTER (WHERE k.wanted) AS rows_copied,
                 sum(greatest(k.rows_expected, k.rows_copied)) FILTER (WHERE k.wanted) AS rows_expected,
                 sum(CASE WHEN k.complete OR k.state = 'copying' THEN k.rows_copied ELSE 0 END) FILTER (WHERE k.wanted) AS rows_done,
                 sum(CASE WHEN k.complete THEN k.rows_copied ELSE greatest(k.rows_expected, k.rows_copied, 1) END)
                     FILTER (WHERE k.wanted) AS rows_to_do,
                 sum(k.rows_copied) FILTER (WHERE k.copy_started_at >= st.copy_started_at) AS rows_of_copy,
                 min(k.copy_started_at) AS copy_started_at,
                 min(format('table %s: %s', k.name, replicator.shown_error(k.reason, k.last_sqlstate, g.readable)))
                     FILTER (WHERE k.state = 'failed') AS failed_table
          FROM (SELECT i.id, i.name, CASE WHEN i.paused THEN 'paused' ELSE i.state::text END AS state, i.reason, i.last_sqlstate,
                       i.rows_copied, i.rows_expected, i.copy_started_at,
                       NOT i.paused AND i.state NOT IN ('excluded', 'unsupported') AS wanted,
                       i.state IN ('idle', 'catching_up', 'streaming') AS complete,
                       NOT i.paused AND i.locked_since IS NOT NULL AND i.state IN ('pending', 'copying') AS waits, i.lacks_room
                FROM replicator.source_table i WHERE i.source_id = s.id) k
          JOIN replicator.target g ON g.table_id = k.id
          GROUP BY k.state, k.wanted, k.complete) c
) t ON true;
COMMENT ON VIEW @extschema@.replicator_status IS 'Sources: what each is doing, how far it is, and what to do about its errors';
COMMENT ON COLUMN @extschema@.replicator_status.name IS 'Name of the source';
COMMENT ON COLUMN @extschema@.replicator_status.kind IS 'sqlite, mysql, mongodb, postgresql';
COMMENT ON COLUMN @extschema@.replicator_status.mode IS 'continuous, once or periodic';
COMMENT ON COLUMN @extschema@.replicator_status.state IS 'starting, snapshot, catching_up, streaming, copying (it streams, and copies tables beside that); idle, paused, backing_off, failed, restored';
COMMENT ON COLUMN @extschema@.replicator_status.worker_pid IS 'Process of its source worker, if one is alive';
COMMENT ON COLUMN @extschema@.replicator_status.tables IS 'Number of its tables by state';
COMMENT ON COLUMN @extschema@.replicator_status.tables_to_copy IS 'Tables that are being copied, or are about to be: new ones, and those that are read again';
COMMENT ON COLUMN @extschema@.replicator_status.rows_copied IS 'Rows that the copies under way, or the last ones, of the tables that are wanted have read';
COMMENT ON COLUMN @extschema@.replicator_status.rows_expected IS 'Estimate of the rows to read';
COMMENT ON COLUMN @extschema@.replicator_status.percent IS 'Part of the rows of the tables that are wanted that has been copied: 100 when all of them are complete, and not before';
COMMENT ON COLUMN @extschema@.replicator_status.rows_per_second IS 'Rows a second of the copy under way, of the source or of tables beside its stream; else of the last one of the source';
COMMENT ON COLUMN @extschema@.replicator_status.changes_applied IS 'Rows inserted, updated and deleted by refreshes and streams';
COMMENT ON COLUMN @extschema@.replicator_status.changes_per_second IS 'The same a second, in the last minute';
COMMENT ON COLUMN @extschema@.replicator_status.lag IS 'Of a stream: age of the oldest transaction that is not applied yet, 0 if there is none; else age of the state of the source that the target holds; grows with the clock';
COMMENT ON COLUMN @extschema@.replicator_status.position IS 'Place in the source''s log, or identity of the file''s state, that the target holds';
COMMENT ON COLUMN @extschema@.replicator_status.last_applied_at IS 'When rows were last written to a target';
COMMENT ON COLUMN @extschema@.replicator_status.last_error IS 'Latest error; cleared when work goes on';
COMMENT ON COLUMN @extschema@.replicator_status.detail IS 'Its detail: what was found, and where';
COMMENT ON COLUMN @extschema@.replicator_status.hint IS 'What to do';
COMMENT ON COLUMN @extschema@.replicator_status.next_retry_at IS 'When the next attempt is made';
COMMENT ON COLUMN @extschema@.replicator_status.quarantined IS 'Rows that were set aside';
COMMENT ON COLUMN @extschema@.replicator_status.blocked_by IS 'Processes that hold locks which its worker, or a table that waits aside, waits for; 0: a prepared transaction; null: nothing waits';

CREATE VIEW @extschema@.replicator_tables AS
SELECT s.name AS source,
       t.database,
       t.schema,
       t.name AS "table",
       t.kind,
       CASE WHEN t.paused THEN 'paused' ELSE t.state::text END AS state,
       replicator.shown_error(t.reason, t.last_sqlstate, g.readable) AS reason,
       CASE WHEN t.target_name IS NOT NULL THEN format('%I.%I', t.target_schema, t.target_name) END AS target,
       t.key_columns,
       CASE WHEN t.state IN ('excluded', 'unsupported') THEN NULL
            WHEN t.consistency IN ('transaction', 'document') -- changes are missing until it has been read again
                 AND (t.state = 'pending' OR EXISTS (SELECT FROM replicator.source_state st
                                                     WHERE st.source_id = t.source_id AND st.reread_due IS NOT NULL)) THEN 'copying'
            ELSE t.consistency::text END AS consistency,
       t.rows_copied,
       greatest(t.rows_expected, t.rows_copied) AS rows_expected,
       CASE WHEN t.state IN ('idle', 'catching_up', 'streaming') THEN 100.0
            WHEN t.state = 'pending' THEN 0.0
            WHEN t.rows_expected > 0
            THEN least(99.9, trunc(100.0 * t.rows_copied / greatest(t.rows_expected, t.rows_copied), 1)) END AS percent,
       CASE WHEN t.state = 'copying' THEN replicator.rate(t.rows_copied, clock_timestamp() - t.copy_started_at)
            ELSE replicator.rate(t.rows_copied, t.copy_finished_at - t.copy_started_at) END AS rows_per_second,
       t.rows_inserted,
       t.rows_updated,
       t.rows_deleted,
       t.bytes_expected AS source_bytes,
       t.bytes_copied AS jsonb_bytes,
       CASE WHEN t.target_created THEN replicator.relation_bytes(g.relation) END AS target_bytes,
       t.tagged_values,
       t.copy_started_at,
       t.copy_finished_at,
       t.last_applied_at,
       replicator.shown_error(t.last_error, t.last_sqlstate, g.readable) AS last_error,
       t.last_hint AS hint,
       nullif(concat_ws(' ', t.note, CASE WHEN replicator.is_published(g.relation)
           THEN 'It is in a publication: a subscription with origin = none copies its rows, and then gets no change.' END),
           '') AS note,
       (SELECT count(*) FROM replicator.quarantine q WHERE q.table_id = t.id) AS quarantined,
       l.locked_since,
       l.blocked_by,
       -- To others than members of pg_read_all_stats the server shows the statements of their own roles only.
       (SELECT string_agg(a.query, E';\n' ORDER BY a.pid) FROM unnest(l.blocked_by) AS b(pid),
               LATERAL pg_catalog.pg_stat_get_activity(b.pid) a) AS blocking_query
FROM replicator.source_table t
JOIN replicator.source s ON s.id = t.source_id
JOIN replicator.target g ON g.table_id = t.id
LEFT JOIN LATERAL (SELECT t.locked_since, replicator.blockers(t.id) AS blocked_by
                   WHERE t.locked_since IS NOT NULL AND NOT t.lacks_room AND t.state IN ('pending', 'copying') AND NOT t.paused) l ON true;
COMMENT ON VIEW @extschema@.replicator_tables IS 'Tables of the sources: state, target, progress, and why one is not replicated';
COMMENT ON COLUMN @extschema@.replicator_tables.source IS 'Name of the source';
COMMENT ON COLUMN @extschema@.replicator_tables.database IS 'Database at the source; main for SQLite';
COMMENT ON COLUMN @extschema@.replicator_tables.schema IS 'Schema at the source; empty where the source has none';
COMMENT ON COLUMN @extschema@.replicator_tables."table" IS 'Name at the source';
COMMENT ON COLUMN @extschema@.replicator_tables.kind IS 'table, view, virtual table, shadow table, …';
COMMENT ON COLUMN @extschema@.replicator_tables.state IS 'pending, copying, catching_up, streaming; idle, paused, excluded, unsupported, failed';
COMMENT ON COLUMN @extschema@.replicator_tables.reason IS 'Why it is excluded, unsupported or failed';
COMMENT ON COLUMN @extschema@.replicator_tables.target IS 'Target table';
COMMENT ON COLUMN @extschema@.replicator_tables.key_columns IS 'Columns that make up id; empty: the rowid, or without a key the whole row';
COMMENT ON COLUMN @extschema@.replicator_tables.consistency IS 'How much of a source transaction a reader may see: transaction, copying, document, state; locked, no room: rows of an earlier moment than those of the other tables';
COMMENT ON COLUMN @extschema@.replicator_tables.rows_copied IS 'Rows that the copy under way, or the last one, has read';
COMMENT ON COLUMN @extschema@.replicator_tables.rows_expected IS 'Estimate of the rows to read';
COMMENT ON COLUMN @extschema@.replicator_tables.percent IS 'Part of the expected rows that has been read';
COMMENT ON COLUMN @extschema@.replicator_tables.rows_per_second IS 'Rows a second of the copy under way, or of the last one';
COMMENT ON COLUMN @extschema@.replicator_tables.rows_inserted IS 'Rows inserted by refreshes and by the stream';
COMMENT ON COLUMN @extschema@.replicator_tables.rows_updated IS 'Rows updated by refreshes and by the stream';
COMMENT ON COLUMN @extschema@.replicator_tables.rows_deleted IS 'Rows deleted by refreshes and by the stream';
COMMENT ON COLUMN @extschema@.replicator_tables.source_bytes IS 'Estimate of its size at the source';
COMMENT ON COLUMN @extschema@.replicator_tables.jsonb_bytes IS 'Size of the rows read, as jsonb';
COMMENT ON COLUMN @extschema@.replicator_tables.target_bytes IS 'Size of the target table with its indexes';
COMMENT ON COLUMN @extschema@.replicator_tables.tagged_values IS 'Values that jsonb cannot hold directly and that were stored in a tagged object';
COMMENT ON COLUMN @extschema@.replicator_tables.copy_started_at IS 'When its copy began';
COMMENT ON COLUMN @extschema@.replicator_tables.copy_finished_at IS 'When its copy ended';
COMMENT ON COLUMN @extschema@.replicator_tables.last_applied_at IS 'When its target was last written';
COMMENT ON COLUMN @extschema@.replicator_tables.last_error IS 'Latest error of this table';
COMMENT ON COLUMN @extschema@.replicator_tables.hint IS 'What to do about it';
COMMENT ON COLUMN @extschema@.replicator_tables.note IS 'What a user should know about it';
COMMENT ON COLUMN @extschema@.replicator_tables.quarantined IS 'Rows of it that were set aside';
COMMENT ON COLUMN @extschema@.replicator_tables.locked_since IS 'Since when it waits aside because others have locked its target, or the target''s schema; null: it does not';
COMMENT ON COLUMN @extschema@.replicator_tables.blocked_by IS 'Processes that hold the lock; 0: a prepared transaction; empty: it is gone, or it is one on rows, or on a name that is being made';
COMMENT ON COLUMN @extschema@.replicator_tables.blocking_query IS 'Their statements, as far as pg_stat_activity shows them to the reader';
