// DDL of target and staging tables.

#include "target/target_table.hpp"

#include "pg/spi.hpp"
#include "pg/unlogged_table.hpp"
#include "target/seen_ids.hpp"

namespace pgrepl::target {

namespace {

/// The marker of a staging table: the only row without an id. Rows with an id and without data stand for rows
/// of the source that were set aside, so that a merge does not delete them.
constexpr const char* kMarkerRow = " (id, data) VALUES (NULL, NULL)";

}  // namespace

std::string TargetName::sql() const { return pg::quoted(schema, table); }

std::optional<Oid> find_table(const TargetName& name) {
    pg::QueryResult const found = pg::execute(
        "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = $2",
        {name.schema, name.table});
    return found.empty() ? std::nullopt : std::optional(found.oid(0, 0));
}

Oid require_table(const TargetName& name) {
    std::optional<Oid> const relid = find_table(name);
    if (!relid) {
        throw pg::SqlError(ERRCODE_UNDEFINED_TABLE, "target table " + name.sql() + " does not exist",
                           "It has been dropped or renamed.", "Call replicator_resync to copy it again.");
    }
    return *relid;
}

void create_target(const TargetName& name, const std::string& origin) {
    if (pg::execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", {name.schema}).empty()) {
        pg::execute("CREATE SCHEMA " + pg::quoted(name.schema));
    }
    pg::execute("CREATE TABLE " + name.sql() +
                " (id text COLLATE pg_catalog.\"C\" NOT NULL, data jsonb NOT NULL, _synced_at timestamptz NOT NULL)");
    pg::QueryResult const literal = pg::execute("SELECT pg_catalog.quote_literal($1)", {origin});
    pg::execute("COMMENT ON TABLE " + name.sql() + " IS " + literal.text(0, 0));
}

std::optional<std::string> merge_obstacle(Oid relid) {
    constexpr const char* kProblems = R"(
        SELECT CASE
          WHEN c.relkind NOT IN ('r', 'p') THEN 'it is not a table'
          WHEN (SELECT count(*) FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = c.oid AND NOT a.attisdropped
                  AND (a.attname, a.atttypid) IN (('id', 'text'::regtype), ('data', 'jsonb'::regtype),
                                                  ('_synced_at', 'timestamptz'::regtype))) <> 3
            THEN 'it does not have the columns id text, data jsonb, _synced_at timestamptz'
          WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a
                             ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                           WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1
                             AND i.indpred IS NULL AND a.attname = 'id')
            THEN 'it has no unique index on id'
        END
        FROM pg_catalog.pg_class c WHERE c.oid = $1)";
    pg::QueryResult const result = pg::execute(kProblems, {pg::Param::oid(relid)});
    return result.empty() ? std::optional<std::string>("it does not exist") : result.cell(0, 0);
}

void add_primary_key(const TargetName& name) {
    pg::QueryResult const existing = pg::execute(
        "SELECT 1 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname = $2 AND i.indisprimary",
        {name.schema, name.table});
    if (existing.empty()) {
        pg::execute("ALTER TABLE " + name.sql() + " ADD PRIMARY KEY (id)");
    }
}

void truncate_target(const TargetName& name) { pg::execute("TRUNCATE TABLE " + name.sql()); }

Oid file_of(Oid relid) {
    pg::QueryResult const file = pg::execute("SELECT pg_catalog.pg_relation_filenode($1)", {pg::Param::oid(relid)});
    return file.is_null(0, 0) ? InvalidOid : file.oid(0, 0);
}

void create_side_table(const TargetName& name, Oid owner, const std::string& columns) {
    drop_side_table(name);
    pg::flush_if_aborted();
    pg::execute("CREATE UNLOGGED TABLE " + name.sql() + " (" + columns + ")");
    pg::execute("ALTER EXTENSION pg_replicator ADD TABLE " + name.sql());
    pg::QueryResult const role =
        pg::execute("SELECT rolname FROM pg_catalog.pg_roles WHERE oid = $1", {pg::Param::oid(owner)});
    pg::execute("GRANT SELECT ON " + name.sql() + " TO " + pg::quoted(role.text(0, 0)));
}

void drop_side_table(const TargetName& name) {
    if (!find_table(name)) {
        return;
    }
    pg::QueryResult const member = pg::execute(
        "SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass "
        "AND d.objid = $1::regclass AND d.deptype = 'e'",
        {name.sql()});
    if (!member.empty()) {
        pg::execute("ALTER EXTENSION pg_replicator DROP TABLE " + name.sql());
    }
    pg::execute("DROP TABLE " + name.sql());
}

TargetName staging_name(std::int32_t table_id) { return {"replicator", "staging_" + std::to_string(table_id)}; }

TargetName seen_name(std::int32_t table_id) { return {"replicator", "seen_" + std::to_string(table_id)}; }

TargetName first_pass_name(std::int32_t table_id) { return {"replicator", "first_pass_" + std::to_string(table_id)}; }

TargetName second_pass_name(std::int32_t table_id) { return {"replicator", "second_pass_" + std::to_string(table_id)}; }

void create_staging(std::int32_t table_id, Oid owner) {
    TargetName const staging = staging_name(table_id);
    create_side_table(staging, owner, "id text COLLATE pg_catalog.\"C\", data jsonb, _synced_at timestamptz");
    // ANALYZE holds its sample in memory, by default 30,000 rows of up to a page each. The number of rows is what
    // matters.
    pg::execute("ALTER TABLE " + staging.sql() +
                " ALTER COLUMN id SET STATISTICS 10, ALTER COLUMN data SET STATISTICS 0, "
                "ALTER COLUMN _synced_at SET STATISTICS 0");
    create_seen_table(seen_name(table_id), owner);
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

void drop_staging(std::int32_t table_id) {
    drop_side_table(staging_name(table_id));
    drop_side_table(seen_name(table_id));
}

void drop_orphaned_side_tables(const std::vector<std::int32_t>& known) {
    std::vector<std::string> kept;
    kept.reserve(known.size());
    for (std::int32_t const id : known) {
        kept.push_back(std::to_string(id));
    }
    pg::QueryResult const orphans = pg::execute(
        "SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relnamespace = 'replicator'::regnamespace "
        "AND c.relkind = 'r' AND c.relname ~ '^(staging|seen|first_pass|second_pass)_[0-9]+$' "
        "AND pg_catalog.substring(c.relname::text, '[0-9]+$') <> ALL ($1)",
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
