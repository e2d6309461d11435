-- Who may do what: functions by grant only, views for those who watch.

DO $$
DECLARE
    granted record;
BEGIN
    -- PUBLIC's rights on functions, and whatever default privileges of the role that runs this have given to anybody.
    -- Where there are none, REVOKE still notes what is left as what the extension gave.
    FOR granted IN
        WITH member AS (
            SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
            WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'pg_replicator'),
        acl AS (
            SELECT 'ROUTINE' AS kind, p.oid::regprocedure::text AS name, p.proowner AS owner,
                   coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
            FROM member m JOIN pg_proc p ON p.oid = m.objid WHERE m.classid = 'pg_proc'::regclass
            UNION ALL
            SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass::text, c.relowner, c.relacl
            FROM member m JOIN pg_class c ON c.oid = m.objid WHERE m.classid = 'pg_class'::regclass
            UNION ALL
            SELECT 'SCHEMA', n.oid::regnamespace::text, n.nspowner, n.nspacl
            FROM member m JOIN pg_namespace n ON n.oid = m.objid WHERE m.classid = 'pg_namespace'::regclass)
        SELECT DISTINCT acl.kind, acl.name,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE format('%I', pg_get_userbyid(a.grantee)) END AS grantee
        FROM acl, LATERAL (SELECT grantee FROM aclexplode(acl.acl) UNION SELECT 0::oid) a WHERE a.grantee <> acl.owner
    LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM %s', granted.kind, granted.name, granted.grantee);
    END LOOP;
END
$$;

-- Owners of sources read the staging table of their own refresh by its qualified name; no other right follows.
GRANT USAGE ON SCHEMA replicator TO PUBLIC;
GRANT SELECT ON @extschema@.replicator_status, @extschema@.replicator_tables, @extschema@.replicator_events,
    @extschema@.replicator_quarantine, @extschema@.replicator_jobs, @extschema@.replicator_differences,
    @extschema@.replicator_indexes, @extschema@.replicator_progress TO pg_monitor;
-- Functions in a view are called with the reader's rights.
GRANT EXECUTE ON FUNCTION replicator.live_workers(), replicator.obstacle(), replicator.library_version(),
    replicator.worker_phases(), replicator.stream_reports(),
    replicator.short_of_slots_since(), replicator.slot_hint(timestamptz), replicator.index_blockers(integer),
    replicator.rate(numeric, interval), replicator.stream_lag(timestamptz, timestamptz, timestamptz, timestamptz, timestamptz), replicator.file_bytes(oid), replicator.relation_bytes(oid), replicator.is_published(oid), replicator.blockers(integer),
    replicator.next_reread(timestamptz, timestamptz), replicator.shown_error(text, text, boolean) TO pg_monitor;

-- The server takes a table that was never analysed for one of ten pages. The views join so many that with some of them
-- analysed and others not, their cost seems to be millions, and each look at them is compiled and optimised, which takes
-- seconds. So all are analysed now, and soon after their first rows.
DO $$
DECLARE
    ours regclass;
BEGIN
    FOR ours IN SELECT oid FROM pg_class WHERE relnamespace = 'replicator'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_analyze_threshold = 1)', ours);
        EXECUTE format('ANALYZE %s', ours);
    END LOOP;
END
$$;

-- Have the launcher notice this database. Without preload this does nothing.
SELECT replicator.request_probe();
