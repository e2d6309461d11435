// DDL of target and staging tables.

#include "targets/target_table.hpp"

#include <algorithm>
#include <chrono>

#include "pg/membership.hpp"
#include "pg/relation_headers.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "pg/unlogged_table.hpp"
#include "targets/open_target.hpp"
#include "targets/seen_ids.hpp"
#include "targets/statement_error.hpp"

namespace pgrepl::target {

namespace {

/// The marker of a staging table: the only row without an id. Rows with an id and without data stand for rows
/// of the source that were set aside, so that a merge does not delete them.
constexpr const char* kMarkerRow = " (id, data) VALUES (NULL, NULL)";

/// What may lie about until the next refresh.
constexpr std::int64_t kMostKeptBytes = 16 << 20;

/// A side table's strongest lock is never counted on: anybody can keep it from us by the number of the relation, since
/// nextval() locks what it is given, up to the end of the transaction, before it asks for a right on it. So we wait for
/// no longer than for an autovacuum that is to let go; while others have just kept a lock for as long, for a moment.
constexpr int kSidePatienceMs = 2'000;
constexpr int kMomentMs = 20;
constexpr std::chrono::seconds kNoPatienceFor{10};

/// As it was made, for this owner and nobody else; merges that were refused rows have left an index.
constexpr const char* kIsAsMade = R"(
    SELECT c.relkind = 'r' AND c.relpersistence = 'u' AND NOT c.relhasindex
           AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                       WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
           AND EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) a
                       WHERE a.grantee = $2 AND a.privilege_type = 'SELECT')
           AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(c.relacl) a WHERE a.grantee NOT IN (c.relowner, $2))
    FROM pg_catalog.pg_class c WHERE c.oid = $1)";

constexpr const char* kOthersWithRights = R"(
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
    FROM pg_catalog.pg_class c, LATERAL pg_catalog.aclexplode(c.relacl) a WHERE c.oid = $1 AND a.grantee <> c.relowner)";

using Clock = std::chrono::steady_clock;
Clock::time_point no_patience_until;  // of this process

int side_patience_ms() {
    int const wanted = Clock::now() < no_patience_until ? kMomentMs : kSidePatienceMs;
    return pg::target_patience() > 0 ? std::min(wanted, pg::target_patience()) : wanted;
}

void side_patience_was_in_vain() { no_patience_until = Clock::now() + kNoPatienceFor; }

/// False if others keep it. Nearly always the lock is to be had at once, without a subtransaction: the end of each
/// costs as much as its transaction has dropped tables.
bool can_lock_side_table(Oid relid, LOCKMODE lock) {
    if (pg::CallPg([&] { return ConditionalLockRelationOid(relid, lock); })) {
        return true;
    }
    std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] {
        pg::TargetPatience const patience(side_patience_ms());
        pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kRestrictedOperation);
        pg::CallPg([&] { LockRelationOid(relid, lock); });
    });
    if (error && reach_of(*error) != Reach::kLocked) {
        throw pg::SqlError(*error);
    }
    if (error) {
        side_patience_was_in_vain();
    }
    return !error;
}

/// Readable by the owner and nobody else. Needs no lock that others could keep from us.
void give_side_table(const TargetName& name, Oid relid, Oid owner) {
    // Earlier owners; default privileges of the superuser that workers are.
    pg::QueryResult const others = pg::execute(kOthersWithRights, {pg::Param::oid(relid)});
    for (std::size_t i = 0; i < others.rows(); ++i) {
        pg::execute("REVOKE ALL ON " + name.sql() + " FROM " + others.text(i, 0));
    }
    pg::QueryResult const role =
        pg::execute("SELECT rolname FROM pg_catalog.pg_roles WHERE oid = $1", {pg::Param::oid(owner)});
    pg::execute("GRANT SELECT ON " + name.sql() + " TO " + pg::quoted(role.text(0, 0)));
}

/// As one that was just made, but for what autovacuum has yet to remove, and an index that it may have. A copy worker
/// that lingers may still write to it, but has no lease any more: what it writes is rolled back.
void empty_in_place(const TargetName& name, Oid relid, Oid owner) {
    {
        pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kRestrictedOperation);
        pg::execute("DELETE FROM " + name.sql());  // waits for a superuser's lock alone
    }
    give_side_table(name, relid, owner);
}

void drop_locked_side_table(const TargetName& name, Oid relid) {
    pg::leave_extension(RelationRelationId, relid);
    // Its columns and its row type can be used in views, tables and functions. Nobody has a claim on those.
    pg::execute("DROP TABLE IF EXISTS " + name.sql() + " CASCADE");  // it may have gone while its lock was waited for
}

/// Empties a side table that was kept; false if it has to be re-created. What is in it is worth nothing by now, so that
/// it may be cut off at once, without a new file: if this transaction aborts, the marker is gone.
bool reuse_side_table(const TargetName& name, Oid owner) {
    std::optional<Oid> const relid = find_table(name);
    if (!relid) {
        return false;
    }
    if (!can_lock_side_table(*relid, AccessExclusiveLock)) {
        empty_in_place(name, *relid, owner);
        return true;
    }
    pg::QueryResult const as_made = pg::execute(kIsAsMade, {pg::Param::oid(*relid), pg::Param::oid(owner)});
    if (as_made.empty() || !as_made.boolean(0, 0)) {
        return false;
    }
    pg::CallPg([&] { heap_truncate(list_make1_oid(*relid)); });
    return true;
}

void make_staging_table(const TargetName& staging, Oid owner) {
    (void)create_side_table(staging, owner, "id text COLLATE pg_catalog.\"C\", data jsonb, _synced_at timestamptz");
    // ANALYZE holds its sample in memory, by default 30,000 rows of up to a page each. The number of rows is what
    // matters.
    pg::execute("ALTER TABLE " + staging.sql() +
                R"( ALTER COLUMN id SET STATISTICS 10, ALTER COLUMN data SET STATISTICS 0,
                   ALTER COLUMN _synced_at SET STATISTICS 0)");
}

/// Of what is staged, where the staging table cannot get an index. It never outlives the transaction that makes it.
TargetName indexed_copy_name(std::int32_t table_id) { return {"replicator", "indexed_" + std::to_string(table_id)}; }

}  // namespace

std::string TargetName::sql() const { return pg::quoted(schema, table); }

std::optional<Oid> find_table(const TargetName& name) {
    pg::QueryResult const found = pg::execute(
        R"(SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = $1 AND c.relname = $2)",
        {name.schema, name.table});
    return found.empty() ? std::nullopt : std::optional(found.oid(0, 0));
}

Oid require_side_table(const TargetName& name) {
    std::optional<Oid> const relid = find_table(name);
    if (!relid) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "side table " + name.sql() + " does not exist",
                           "It has been dropped by hand.", "It is made again when the work begins again.");
    }
    return *relid;
}

Oid create_target(const TargetName& name, const std::string& origin) {
    if (pg::execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", {name.schema}).empty()) {
        pg::execute("CREATE SCHEMA " + pg::quoted(name.schema));
    }
    pg::execute("CREATE TABLE " + name.sql() +
                " (id text COLLATE pg_catalog.\"C\" NOT NULL, data jsonb NOT NULL, _synced_at timestamptz NOT NULL)");
    pg::QueryResult const literal = pg::execute("SELECT pg_catalog.quote_literal($1)", {origin});
    pg::execute("COMMENT ON TABLE " + name.sql() + " IS " + literal.text(0, 0));
    // By the name it could be another one's: a schema can be renamed.
    pg::QueryResult const made = pg::execute(
        R"(SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = $1 AND c.relname = $2 AND c.relowner = $3)",
        {name.schema, name.table, pg::Param::oid(GetUserId())});
    if (made.empty()) {
        throw pg::SqlError(ERRCODE_UNDEFINED_TABLE, "target table " + name.sql() + " was moved while it was being made",
                           "Its schema has been renamed.", "Call replicator_resync to make it again.");
    }
    return made.oid(0, 0);
}

void add_primary_key(const OpenTarget& target) {
    pg::QueryResult const existing = pg::execute(
        "SELECT 1 FROM pg_catalog.pg_index WHERE indrelid = $1 AND indisprimary", {pg::Param::oid(target.relid)});
    if (existing.empty()) {
        pg::execute("ALTER TABLE " + target.sql() + " ADD PRIMARY KEY (id)");
    }
}

void drop_target(const OpenTarget& target) { pg::execute("DROP TABLE " + target.sql()); }

Oid file_of(Oid relid) {
    pg::QueryResult const file = pg::execute("SELECT pg_catalog.pg_relation_filenode($1)", {pg::Param::oid(relid)});
    return file.is_null(0, 0) ? InvalidOid : file.oid(0, 0);
}

bool create_side_table(const TargetName& name, Oid owner, const std::string& columns) {
    if (std::optional<Oid> const older = find_table(name)) {
        if (!can_lock_side_table(*older, AccessExclusiveLock)) {
            empty_in_place(name, *older, owner);
            return false;
        }
        drop_locked_side_table(name, *older);
    }
    pg::flush_if_aborted();
    pg::execute("CREATE UNLOGGED TABLE " + name.sql() + " (" + columns + ")");
    Oid const relid = require_side_table(name);
    pg::join_extension(RelationRelationId, relid);
    give_side_table(name, relid, owner);
    return true;
}

void drop_side_table(const TargetName& name) {
    std::optional<Oid> const relid = find_table(name);
    if (relid && can_lock_side_table(*relid, AccessExclusiveLock)) {
        drop_locked_side_table(name, *relid);
    }
}

TargetName staging_name(std::int32_t table_id) { return {"replicator", "staging_" + std::to_string(table_id)}; }

TargetName seen_name(std::int32_t table_id) { return {"replicator", "seen_" + std::to_string(table_id)}; }

TargetName first_pass_name(std::int32_t table_id) { return {"replicator", "first_pass_" + std::to_string(table_id)}; }

TargetName second_pass_name(std::int32_t table_id) { return {"replicator", "second_pass_" + std::to_string(table_id)}; }

void create_staging(std::int32_t table_id, Oid owner) {
    TargetName const staging = staging_name(table_id);
    if (!reuse_side_table(staging, owner)) {
        make_staging_table(staging, owner);
    }
    if (!reuse_side_table(seen_name(table_id), owner)) {
        create_seen_table(seen_name(table_id), owner);
    }
    pg::execute("INSERT INTO " + staging.sql() + kMarkerRow);
}

bool staging_is_intact(std::int32_t table_id) {
    TargetName const staging = staging_name(table_id);
    if (!find_table(staging)) {
        return false;
    }
    // The marker was the first row written, so the scan ends on the first page.
    return !pg::execute("SELECT 1 FROM " + staging.sql() + " WHERE id IS NULL LIMIT 1").empty();
}

void analyze_staging(std::int32_t table_id) {
    pg::execute("ANALYZE " + staging_name(table_id).sql());
    pg::execute("ANALYZE " + seen_name(table_id).sql());
}

void number_identical_rows(std::int32_t table_id) {
    std::string const staging = staging_name(table_id).sql();
    pg::execute("UPDATE " + staging + R"( s
        SET id = s.id || '#' || n.ordinal
        FROM (SELECT ctid, pg_catalog.row_number() OVER (PARTITION BY id) AS ordinal
              FROM )" +
                staging + R"(
              WHERE id IS NOT NULL) n
        WHERE n.ctid = s.ctid)");
}

TargetName index_staging(std::int32_t table_id, Oid owner) {
    TargetName staging = staging_name(table_id);
    if (can_lock_side_table(require_side_table(staging), ShareLock)) {
        pg::execute("CREATE INDEX ON " + staging.sql() + " (id)");
        return staging;
    }
    TargetName const copy = indexed_copy_name(table_id);
    make_staging_table(copy, owner);
    pg::execute("INSERT INTO " + copy.sql() + " (id, data, _synced_at) SELECT id, data, _synced_at FROM " +
                staging.sql());
    pg::execute("CREATE INDEX ON " + copy.sql() + " (id)");
    pg::execute("ANALYZE " + copy.sql());
    return copy;
}

void drop_indexed_copy(std::int32_t table_id) { drop_side_table(indexed_copy_name(table_id)); }

void drop_staging(std::int32_t table_id) {
    drop_side_table(staging_name(table_id));
    drop_side_table(seen_name(table_id));
}

void release_staging(std::int32_t table_id, bool keep) {
    std::int64_t bytes = 0;
    for (const TargetName& name : {staging_name(table_id), seen_name(table_id)}) {
        std::optional<Oid> const relid = keep ? find_table(name) : std::nullopt;
        bytes += relid
                     ? pg::execute("SELECT pg_catalog.pg_total_relation_size($1)", {pg::Param::oid(*relid)}).int64(0, 0)
                     : kMostKeptBytes;
    }
    if (bytes >= kMostKeptBytes) {
        drop_staging(table_id);
    }
}

void drop_orphaned_side_tables(const std::vector<std::int32_t>& known) {
    std::vector<std::string> kept;
    kept.reserve(known.size());
    for (std::int32_t const id : known) {
        kept.push_back(std::to_string(id));
    }
    pg::QueryResult const orphans = pg::execute(
        R"(SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relnamespace = 'replicator'::regnamespace
           AND c.relkind = 'r' AND c.relname ~ '^(staging|seen|first_pass|second_pass)_[0-9]+$'
           AND pg_catalog.substring(c.relname::text, '[0-9]+$') <> ALL ($1))",
        {kept});
    for (std::size_t i = 0; i < orphans.rows(); ++i) {
        drop_side_table({"replicator", orphans.text(i, 0)});
    }
}

void drop_side_tables(std::int32_t table_id) {
    drop_staging(table_id);
    drop_side_table(first_pass_name(table_id));
    drop_side_table(second_pass_name(table_id));
}

}  // namespace pgrepl::target
