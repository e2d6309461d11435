-- Nobody else's: what another server sends, and what another role owns.

CREATE FUNCTION replicator.guard()
RETURNS trigger LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pg_replicator_guard';
COMMENT ON FUNCTION replicator.guard() IS 'Trigger: lets superusers alone change the catalog, and leaves out what a subscription replays from that of another cluster';

-- A publication FOR ALL TABLES has these, too. What they say holds for the cluster that publishes them: its sources would
-- be followed here as well, as the same reader, and its owners and rules would be ours.
DO $$
DECLARE
    ours regclass;
BEGIN
    FOR ours IN SELECT oid FROM pg_class WHERE relnamespace = 'replicator'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON %s '
                       'FOR EACH ROW EXECUTE FUNCTION replicator.guard()', ours);
        EXECUTE format('CREATE TRIGGER guard_all BEFORE TRUNCATE ON %s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION replicator.guard()', ours);
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER guard, ENABLE ALWAYS TRIGGER guard_all', ours);
    END LOOP;
END
$$;

-- All that is ours belongs to the role that the workers run as, which nobody can take the superuser's rights from. Whoever
-- owned it otherwise, as the role that runs this script or a later one that its objects are reassigned to, could put
-- code there that the workers then run. All objects are there by now; what is granted is granted afterwards, since
-- pg_dump compares privileges with those that the extension gave, by grantor too.

DO $$
DECLARE
    member record;
    bootstrap_superuser name := (SELECT rolname FROM pg_roles WHERE oid = 10);
BEGIN
    FOR member IN
        SELECT o.type, o.identity FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid,
            LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) o
        WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'pg_replicator'
          -- Sequences of identity columns, and from PostgreSQL 18 on types of rows and arrays, follow what they are part of.
          AND NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = d.classid AND i.objid = d.objid AND i.deptype = 'i')
    LOOP
        EXECUTE format('ALTER %s %s OWNER TO %I', replace(member.type, '-', ' '), member.identity, bootstrap_superuser);
    END LOOP;
END
$$;
