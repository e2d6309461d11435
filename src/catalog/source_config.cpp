// Statements on replicator.source, with its secrets, and requests in replicator.source_state.

#include "catalog/source_config.hpp"

#include "pg/compat.hpp"
#include "pg/secret_store.hpp"
#include "pg/settings.hpp"
#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

constexpr const char* kSelect = R"(
    SELECT s.id, s.name, s.kind, s.url, coalesce(o.role, 0::oid), o.name, s.mode,
           s.refresh_interval::text, s.target_schema, s.include_tables, s.exclude_tables, s.include_databases,
           s.exclude_databases, s.rules, s.options, s.has_secret, s.paused, secret.password, s.copy_plan
    FROM replicator.source s JOIN replicator.source_owner o ON o.source_id = s.id )";

std::string select_where(const char* condition) { return kSelect + pg::join_secret("s.id") + " WHERE " + condition; }

std::optional<std::vector<std::string>> optional_array(const pg::QueryResult::Cell& cell) {
    return cell ? std::optional(pg::array_elements(*cell)) : std::nullopt;
}

std::optional<SourceConfig> read(const pg::QueryResult& row) {
    if (row.empty()) {
        return std::nullopt;
    }
    SourceConfig config;
    config.id = static_cast<std::int32_t>(row.int64(0, 0));
    config.name = row.text(0, 1);
    config.kind = row.text(0, 2);
    config.url = row.text(0, 3);
    config.owner = row.oid(0, 4);
    config.owner_name = row.text(0, 5);
    config.mode = source_mode(row.text(0, 6));
    config.refresh_interval = row.cell(0, 7);
    config.target_schema = row.text(0, 8);
    config.include_tables = optional_array(row.cell(0, 9));
    config.exclude_tables = optional_array(row.cell(0, 10));
    config.include_databases = optional_array(row.cell(0, 11));
    config.exclude_databases = optional_array(row.cell(0, 12));
    config.rules = row.text(0, 13);
    config.options = row.text(0, 14);
    config.has_secret = row.boolean(0, 15);
    config.paused = row.boolean(0, 16);
    config.password = row.cell(0, 17);
    config.plan = copy_plan(row.text(0, 18));
    config.parsed_options = parse_source_options(config.options);
    config.keys = parse_key_rules(config.rules);
    return config;
}

}  // namespace

int SourceConfig::max_quarantined() const {
    return parsed_options.max_quarantined.value_or(pg::settings().max_quarantined);
}
int SourceConfig::target_lock_patience_ms() const {
    return parsed_options.target_lock_patience_ms.value_or(pg::settings().target_lock_patience_ms);
}

int SourceConfig::retry_initial_ms() const {
    return parsed_options.retry_initial_ms.value_or(pg::settings().retry_initial_ms);
}
int SourceConfig::retry_max_ms() const { return parsed_options.retry_max_ms.value_or(pg::settings().retry_max_ms); }
int SourceConfig::connect_timeout_ms() const {
    return parsed_options.connect_timeout_ms.value_or(pg::settings().connect_timeout_ms);
}

int SourceConfig::memory_per_worker_kb() const {
    return parsed_options.memory_per_worker_kb.value_or(pg::settings().memory_per_worker_kb);
}

std::optional<SourceConfig> find_source(std::int32_t id) { return read(pg::execute(select_where("s.id = $1"), {id})); }

std::optional<SourceConfig> lock_source(std::int32_t id) {
    pg::execute("SELECT 1 FROM replicator.source WHERE id = $1 FOR SHARE", {id});
    return find_source(id);
}

void lock_for_change(std::int32_t id) {
    // Not FOR UPDATE: workers write rows that refer to the source meanwhile.
    pg::execute("SELECT 1 FROM replicator.source WHERE id = $1 FOR NO KEY UPDATE", {id});
}

void keep_from_drop(std::int32_t id) {
    pg::execute("SELECT 1 FROM replicator.source WHERE id = $1 FOR KEY SHARE", {id});
}

bool copies_alike(const SourceConfig& a, const SourceConfig& b) {
    return a.url == b.url && a.password == b.password && a.target_schema == b.target_schema && a.owner == b.owner &&
           a.keys == b.keys;
}

bool works_alike(const SourceConfig& a, const SourceConfig& b) {
    return copies_alike(a, b) && a.mode == b.mode && a.options == b.options;
}

std::optional<SourceConfig> find_source(const std::string& name) {
    return read(pg::execute(select_where("s.name = $1"), {name}));
}

std::vector<std::string> names_of_sources(Oid role) {
    pg::QueryResult const rows = pg::execute(
        R"(SELECT s.name FROM replicator.source s JOIN replicator.source_owner o ON o.source_id = s.id
           WHERE pg_catalog.pg_has_role($1, coalesce(o.role, 0::oid), ')" PGREPL_ROLE_RIGHTS "') ORDER BY s.name",
        {pg::Param::oid(role)});
    std::vector<std::string> names;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        names.push_back(rows.text(i, 0));
    }
    return names;
}

std::optional<std::int32_t> insert_source(const SourceConfig& config) {
    pg::QueryResult const row = pg::execute(
        R"(INSERT INTO replicator.source (name, kind, url, owner, mode, refresh_interval, target_schema,
           include_tables, exclude_tables, include_databases, exclude_databases, rules, options, has_secret,
           copy_plan)
           VALUES ($1, $2, $3, $4, $5::replicator.source_mode, $6::interval, $7, $8, $9, $10, $11, $12::jsonb,
           $13::jsonb, $14, $15::replicator.copy_plan)
           ON CONFLICT (name) DO NOTHING RETURNING id)",
        {config.name, config.kind, config.url, config.owner_name, name_of(config.mode), config.refresh_interval,
         config.target_schema, config.include_tables, config.exclude_tables, config.include_databases,
         config.exclude_databases, config.rules, config.options, config.has_secret, name_of(config.plan)});
    if (row.empty()) {
        return std::nullopt;
    }
    auto const id = static_cast<std::int32_t>(row.int64(0, 0));
    // When the name is ours: the statement may have waited for it, and what was told of another source of that name
    // until then is not this one's owner's to read.
    pg::execute("UPDATE replicator.source SET created_at = clock_timestamp() WHERE id = $1", {id});
    // Of a source that was deleted with SQL, and whose number was given again: a restore sets the sequence.
    pg::remove_secret(id);
    if (config.password) {
        pg::put_secret(id, *config.password);
    }
    create_state(id);
    return id;
}

void update_source(const SourceConfig& config) {
    pg::execute(
        R"(UPDATE replicator.source SET url = $2, mode = $3::replicator.source_mode, refresh_interval = $4::interval,
           target_schema = $5,
           include_tables = $6, exclude_tables = $7, include_databases = $8, exclude_databases = $9,
           rules = $10::jsonb, options = $11::jsonb, has_secret = $12,
           copy_plan = $13::replicator.copy_plan WHERE id = $1)",
        {config.id, config.url, name_of(config.mode), config.refresh_interval, config.target_schema,
         config.include_tables, config.exclude_tables, config.include_databases, config.exclude_databases, config.rules,
         config.options, config.has_secret, name_of(config.plan)});
    // Under the lock of the source's row.
    if (!config.has_secret) {
        pg::remove_secret(config.id);
    } else if (config.password && config.password != find_source(config.id)->password) {
        pg::put_secret(config.id, *config.password);
    }
}

void set_owner(const SourceConfig& config) {
    pg::execute("UPDATE replicator.source SET owner = $2 WHERE id = $1", {config.id, config.owner_name});
    pg::execute("UPDATE replicator.source_state SET owner = $2 WHERE source_id = $1",
                {config.id, pg::Param::oid(config.owner)});
}

void note_names_of_owners() {
    pg::execute(
        R"(UPDATE replicator.source s SET owner = o.name FROM replicator.source_owner o
           WHERE o.source_id = s.id AND s.id IN (SELECT l.id FROM replicator.source l JOIN replicator.source_owner n
           ON n.source_id = l.id WHERE n.name <> l.owner FOR NO KEY UPDATE OF l SKIP LOCKED))");
}

void set_paused(std::int32_t id, bool paused) {
    pg::execute("UPDATE replicator.source SET paused = $2 WHERE id = $1", {id, paused});
}

void remove_source(std::int32_t id) {
    pg::execute("DELETE FROM replicator.source WHERE id = $1", {id});
    pg::remove_secret(id);
}

std::int64_t request_sync(std::int32_t id) {
    // A request that no copy has begun to serve is enough: that copy will read the source after this call.
    pg::QueryResult const row = pg::execute(
        R"(UPDATE replicator.source_state SET sync_requested = CASE
           WHEN sync_requested > copy_sync_number AND sync_requested > sync_done THEN sync_requested ELSE
           sync_requested + 1 END
           WHERE source_id = $1 RETURNING sync_requested)",
        {id});
    if (row.empty()) {
        throw pg::SqlError(ERRCODE_UNDEFINED_OBJECT, "the source was dropped",
                           "It was there when this call began, and another one has dropped it meanwhile.",
                           "replicator_status lists all sources.");
    }
    return row.int64(0, 0);
}

void create_state(std::int32_t id) {
    pg::QueryResult const copied =
        pg::execute("DELETE FROM replicator.source_state WHERE source_id = $1 AND database_oid <> $2 RETURNING owner",
                    {id, pg::Param::oid(MyDatabaseId)});
    if (!copied.empty()) {
        pg::execute("INSERT INTO replicator.source_state (source_id, database_oid, owner) VALUES ($1, $2, $3)",
                    {id, pg::Param::oid(MyDatabaseId), pg::Param::oid(copied.oid(0, 0))});
        return;
    }
    pg::execute(
        R"(INSERT INTO replicator.source_state (source_id, database_oid, owner)
           SELECT source_id, $2, role FROM replicator.source_owner WHERE source_id = $1 ON CONFLICT DO NOTHING)",
        {id, pg::Param::oid(MyDatabaseId)});
}

bool has_state(std::int32_t id) {
    return !pg::execute("SELECT 1 FROM replicator.source_state WHERE source_id = $1 AND database_oid = $2",
                        {id, pg::Param::oid(MyDatabaseId)})
                .empty();
}

void clear_failure(std::int32_t id) {
    pg::execute(
        R"(UPDATE replicator.source_state SET state = CASE WHEN state NOT IN ('failed', 'backing_off') THEN state
           WHEN (SELECT w.has_work FROM replicator.source_work w WHERE w.source_id = $1) THEN 'starting' ELSE 'idle'
           END,
           state_since = clock_timestamp(), last_error = NULL, last_sqlstate = NULL,
           last_detail = NULL, last_hint = NULL, last_error_at = NULL, retry_count = 0, next_retry_at = NULL,
           evictions = 0, evicted_at = NULL, deaths = 0, failing_with = NULL WHERE source_id = $1)",
        {id});
}

int worker_pid(std::int32_t id) {
    pg::QueryResult const row = pg::execute(
        R"(SELECT coalesce(worker_pid, 0) FROM replicator.source_state WHERE source_id = $1
           AND database_oid = $2)",
        {id, pg::Param::oid(MyDatabaseId)});
    return row.empty() ? 0 : static_cast<int>(row.int64(0, 0));
}

}  // namespace pgrepl::catalog
