// Statements on replicator.quarantine.

#include "catalog/quarantine.hpp"

#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

/// An expression for the data follows.
constexpr const char* kAddEntry = R"(
    INSERT INTO replicator.quarantine (source_id, table_id, key, operation, reason, detail, sqlstate, data)
    SELECT $1, $2, $3, $4::replicator.refused_operation, $5, nullif($6, ''), $7, )";

constexpr const char* kOnConflict = R"(
    ON CONFLICT (table_id, key) DO UPDATE
    SET operation = excluded.operation, data = excluded.data, reason = excluded.reason, detail = excluded.detail,
        sqlstate = excluded.sqlstate, last_seen = clock_timestamp(), tries = quarantine.tries + 1)";

constexpr const char* kCount = R"(
    SELECT count(*), (pg_catalog.array_agg(reason ORDER BY last_seen DESC))[1]
    FROM replicator.quarantine
    WHERE table_id = $1)";

std::vector<std::string> first_column(const pg::QueryResult& rows) {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        result.push_back(rows.text(i, 0));
    }
    return result;
}

/// What add_entry's statement takes, but for the row's data.
std::vector<pg::Param> parameters_of(const Quarantine& quarantine, const pg::RefusedRow& row) {
    const pg::SqlError::Fields& error = row.error.fields();
    return {quarantine.source_id,
            quarantine.table_id,
            row.id,
            row.deletion ? "delete" : "write",
            error.message,
            error.detail,
            pg::sqlstate_text(error.sqlstate)};
}

/// `data` is an expression.
void add_entry(const std::string& data, const std::vector<pg::Param>& params) {
    pg::execute(kAddEntry + data + kOnConflict, params);
}

void require_room(const Quarantine& quarantine) {
    pg::QueryResult const row = pg::execute(kCount, {quarantine.table_id});
    if (row.int64(0, 0) > quarantine.most) {
        throw pg::SqlError(ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                           "more than " + std::to_string(quarantine.most) + " rows cannot be stored",
                           "The last one: " + row.text(0, 1),
                           "replicator_quarantine says why. Correct it, or raise pg_replicator.max_quarantined.");
    }
}

}  // namespace

void set_aside(const Quarantine& quarantine, const std::vector<pg::RefusedRow>& rows) {
    for (const pg::RefusedRow& row : rows) {
        std::vector<pg::Param> params = parameters_of(quarantine, row);
        if (row.data) {
            params.push_back(pg::Param::datum(JSONBOID, *row.data));
        }
        add_entry(row.data ? "$8" : "NULL", params);
    }
    if (!rows.empty()) {
        require_room(quarantine);
    }
}

void set_staged_aside(const Quarantine& quarantine, const std::vector<pg::RefusedRow>& rows,
                      const std::string& staging) {
    for (const pg::RefusedRow& row : rows) {
        add_entry("(SELECT s.data FROM " + staging + " s WHERE s.id = $3)", parameters_of(quarantine, row));
    }
}

void forget_quarantine(std::int32_t table_id) {
    pg::execute("DELETE FROM replicator.quarantine WHERE table_id = $1", {table_id});
}

void forget_stale_quarantine(std::int32_t table_id) {
    pg::execute(
        R"(DELETE FROM replicator.quarantine q USING replicator.source_table t
           WHERE t.id = $1 AND q.table_id = t.id AND q.last_seen < t.copy_started_at)",
        {table_id});
}

std::vector<QuarantinedRow> lock_quarantined_rows(std::int32_t source_id, const std::optional<std::int32_t>& table_id,
                                                  const std::optional<std::string>& key) {
    pg::QueryResult const rows = pg::execute(
        R"(SELECT q.id, q.table_id, t.database, t.schema, t.name, t.target_schema, t.target_name, q.key,
           q.operation = 'delete', q.data IS NOT NULL, q.reason,
           coalesce(r.relid, 0), r.table_id IS NOT NULL AND r.relid IS NULL
           FROM replicator.quarantine q JOIN replicator.source_table t ON t.id = q.table_id
           LEFT JOIN replicator.target_relation r ON r.table_id = t.id
           WHERE q.source_id = $1 AND ($2::bigint IS NULL OR q.table_id = $2) AND ($3 IS NULL OR q.key = $3)
           ORDER BY q.id FOR UPDATE OF q)",
        {source_id, table_id ? std::optional<std::int64_t>(*table_id) : std::nullopt, key});
    std::vector<QuarantinedRow> result;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        QuarantinedRow row;
        row.id = rows.int64(i, 0);
        row.table_id = static_cast<std::int32_t>(rows.int64(i, 1));
        row.table = {rows.text(i, 2), rows.text(i, 3), rows.text(i, 4)};
        row.target_schema = rows.text(i, 5);
        row.target_name = rows.text(i, 6);
        row.key = rows.text(i, 7);
        row.deletion = rows.boolean(i, 8);
        row.has_data = rows.boolean(i, 9);
        row.reason = rows.text(i, 10);
        row.relation = read_target_relation(rows, i, 11);
        result.push_back(std::move(row));
    }
    return result;
}

void release_row(std::int64_t id) { pg::execute("DELETE FROM replicator.quarantine WHERE id = $1", {id}); }

void record_vain_try(std::int64_t id, const pg::SqlError& error) {
    pg::execute(
        R"(UPDATE replicator.quarantine SET reason = $2, detail = nullif($3, ''), sqlstate = $4,
           last_seen = clock_timestamp(), tries = tries + 1 WHERE id = $1)",
        {id, error.fields().message, error.fields().detail, pg::sqlstate_text(error.sqlstate())});
}

std::vector<std::string> refused_deletions(std::int32_t table_id) {
    return first_column(
        pg::execute("SELECT key FROM replicator.quarantine WHERE table_id = $1 AND operation = 'delete'", {table_id}));
}

std::string quarantined_data(std::int64_t id) {
    pg::QueryResult const row = pg::execute("SELECT data FROM replicator.quarantine WHERE id = $1", {id});
    return row.empty() ? "" : row.text(0, 0);
}

std::vector<std::string> quarantined_keys(std::int32_t table_id, const std::vector<std::string>& keys) {
    return first_column(
        pg::execute("SELECT key FROM replicator.quarantine WHERE table_id = $1 AND key = ANY ($2)", {table_id, keys}));
}

}  // namespace pgrepl::catalog
