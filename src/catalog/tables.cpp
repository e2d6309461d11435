// Statements on replicator.source_table that change no state.

#include "catalog/tables.hpp"

#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

constexpr const char* kList = R"(
    SELECT id, database, schema, name, kind, state, reason, note, target_schema, target_name, target_created, paused,
           key_columns, definition, rows_expected, bytes_expected, target_created AND consistency <> 'copying', keyless,
           coalesce(r.relid, 0), r.table_id IS NOT NULL AND r.relid IS NULL, t.changed,
           last_sqlstate, coalesce(failed_with = '42501', false)
    FROM replicator.source_table t LEFT JOIN replicator.target_relation r ON r.table_id = t.id
    WHERE source_id = $1 )";

std::vector<SourceTable> read_tables(const pg::QueryResult& rows) {
    std::vector<SourceTable> tables;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        SourceTable table;
        table.id = static_cast<std::int32_t>(rows.int64(i, 0));
        table.name = {rows.text(i, 1), rows.text(i, 2), rows.text(i, 3)};
        table.kind = rows.text(i, 4);
        table.state = table_state(rows.text(i, 5));
        table.reason = rows.text(i, 6);
        table.note = rows.text(i, 7);
        table.target_schema = rows.text(i, 8);
        table.target_name = rows.text(i, 9);
        table.target_created = rows.boolean(i, 10);
        table.paused = rows.boolean(i, 11);
        table.definition = rows.text(i, 13);
        table.rows_expected = rows.optional_int64(i, 14);
        table.bytes_expected = rows.optional_int64(i, 15);
        table.complete = rows.boolean(i, 16);
        table.keyless = rows.boolean(i, 17);
        table.relation = read_target_relation(rows, i, 18);
        table.changed = rows.boolean(i, 20);
        table.sqlstate = rows.text(i, 21);
        table.was_denied = rows.boolean(i, 22);
        tables.push_back(std::move(table));
    }
    return tables;
}

}  // namespace

bool lacks_right(const SourceTable& table) {
    return table.state == TableState::kFailed && table.sqlstate == pg::sqlstate_text(ERRCODE_INSUFFICIENT_PRIVILEGE);
}

std::vector<SourceTable> list_tables(std::int32_t source_id) {
    return read_tables(pg::execute(kList + std::string("ORDER BY database, schema, name"), {source_id}));
}

std::optional<SourceTable> find_table(std::int32_t source_id, const core::TableName& name) {
    std::vector<SourceTable> tables =
        read_tables(pg::execute(kList + std::string("AND database = $2 AND schema = $3 AND name = $4"),
                                {source_id, name.database, name.schema, name.table}));
    return tables.empty() ? std::nullopt : std::optional(std::move(tables[0]));
}

std::vector<SourceTable> changed_tables(std::int32_t source_id) {
    return read_tables(pg::execute(kList + std::string("AND changed ORDER BY id"), {source_id}));
}

Held hold_table(std::int32_t table_id) {
    pg::QueryResult const row = pg::execute(
        "SELECT state FROM replicator.source_table WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED", {table_id});
    if (!row.empty()) {
        return is_replicated(table_state(row.text(0, 0))) ? Held::kReplicated : Held::kNotReplicated;
    }
    bool const is_there = !pg::execute("SELECT 1 FROM replicator.source_table WHERE id = $1", {table_id}).empty();
    return is_there ? Held::kByOthers : Held::kNotReplicated;
}

void end_change(std::int32_t table_id) {
    pg::execute("UPDATE replicator.source_table SET changed = false WHERE id = $1", {table_id});
}

void note_locked_at_source(std::int32_t table_id) {
    pg::execute(
        R"(UPDATE replicator.source_table SET reason = 'others have locked it at the source: it is read as soon as they
           are done' WHERE id = $1)",
        {table_id});
}

void set_table_paused(std::int32_t table_id, bool paused) {
    pg::execute("UPDATE replicator.source_table SET paused = $2 WHERE id = $1", {table_id, paused});
}

std::string source_table_of_target(const std::string& schema, const std::string& name) {
    pg::QueryResult const row = pg::execute(
        R"(SELECT s.name || ': ' || t.database || '.' || CASE WHEN t.schema = '' THEN '' ELSE t.schema || '.' END ||
           t.name
           FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id
           WHERE t.target_schema = $1 AND t.target_name = $2)",
        {schema, name});
    return row.empty() ? "" : row.text(0, 0);
}

std::string source_of_target(const std::string& schema, const std::string& name) {
    pg::QueryResult const row = pg::execute(
        R"(SELECT s.name FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id
           WHERE t.target_schema = $1 AND t.target_name = $2)",
        {schema, name});
    return row.empty() ? "" : row.text(0, 0);
}

}  // namespace pgrepl::catalog
