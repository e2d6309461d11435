-- Who may do what: functions by grant only, views for those who watch.

DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT d.objid::regprocedure FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
          AND e.extname = 'pg_replicator'
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', routine);
    END LOOP;
END
$$;

GRANT SELECT ON @extschema@.replicator_status, @extschema@.replicator_tables, @extschema@.replicator_events,
    @extschema@.replicator_quarantine, @extschema@.replicator_jobs, @extschema@.replicator_differences,
    @extschema@.replicator_indexes, @extschema@.replicator_progress TO pg_monitor;
-- Functions in a view are called with the reader's rights.
GRANT EXECUTE ON FUNCTION replicator.live_workers(), replicator.obstacle(), replicator.library_version(),
    replicator.worker_phases(), replicator.stream_reports(),
    replicator.short_of_slots_since(), replicator.slot_hint(timestamptz),
    replicator.rate(numeric, interval), replicator.stream_lag(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz), replicator.file_bytes(oid), replicator.relation_bytes(oid), replicator.is_published(oid), replicator.blockers(integer),
    replicator.shown_error(text, text, boolean) TO pg_monitor;

-- Have the launcher notice this database. Without preload this does nothing.
SELECT replicator.request_probe();
