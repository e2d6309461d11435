// Statements on replicator.source_table.

#include "catalog/tables.hpp"

#include "catalog/events.hpp"
#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

constexpr const char* kOneTarget = "source_table_target_schema_target_name_key";
constexpr const char* kSave = R"(
    INSERT INTO replicator.source_table AS t
        (source_id, database, schema, name, kind, target_schema, target_name, state, reason, note, key_columns,
         definition, rows_expected, bytes_expected, structure, keyless)
    VALUES ($1, $2, $3, $4, $5, nullif($6, ''), nullif($7, ''), $8, nullif($9, ''), nullif($10, ''), $11, $12, $13, $14,
            $15, $16)
    ON CONFLICT (source_id, database, schema, name) DO UPDATE
    SET kind = excluded.kind,
        target_schema = CASE WHEN t.target_created THEN t.target_schema ELSE excluded.target_schema END,
        target_name = CASE WHEN t.target_created THEN t.target_name ELSE excluded.target_name END,
        state = CASE WHEN excluded.state <> 'pending' OR t.state IN ('excluded', 'unsupported') THEN excluded.state
                     WHEN (t.state IN ('catching_up', 'streaming', 'idle') OR t.beside_bound IS NOT NULL)
                          AND t.key_columns <> excluded.key_columns THEN 'pending'
                     ELSE t.state END,
        beside_bound = CASE WHEN t.key_columns <> excluded.key_columns THEN NULL ELSE t.beside_bound END,
        reason = CASE WHEN excluded.state = 'pending' AND t.state NOT IN ('excluded', 'unsupported')
                      THEN t.reason ELSE excluded.reason END,
        last_error = CASE WHEN excluded.state = 'pending' THEN t.last_error END,
        last_sqlstate = CASE WHEN excluded.state = 'pending' THEN t.last_sqlstate END,
        last_hint = CASE WHEN excluded.state = 'pending' THEN t.last_hint END,
        failed_since = CASE WHEN excluded.state = 'pending' THEN t.failed_since END,
        failed_with = CASE WHEN excluded.state = 'pending' THEN t.failed_with END,
        changed = false, note = excluded.note, key_columns = excluded.key_columns, keyless = excluded.keyless, definition = excluded.definition,
        rows_expected = excluded.rows_expected, bytes_expected = excluded.bytes_expected,
        structure = CASE WHEN t.state IN ('catching_up', 'streaming') OR t.beside_bound IS NOT NULL
                         THEN t.structure ELSE excluded.structure END)";

constexpr const char* kList = R"(
    SELECT id, database, schema, name, kind, state, reason, note, target_schema, target_name, target_created, paused,
           key_columns, definition, rows_expected, bytes_expected, target_created AND consistency <> 'copying', keyless,
           coalesce(r.relid, 0), r.table_id IS NOT NULL AND r.relid IS NULL, t.changed
    FROM replicator.source_table t LEFT JOIN replicator.target_relation r ON r.table_id = t.id
    WHERE source_id = $1 )";

std::vector<SourceTable> read_tables(const pg::QueryResult& rows) {
    std::vector<SourceTable> tables;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        SourceTable table;
        table.id = static_cast<std::int32_t>(rows.int64(i, 0));
        table.name = {rows.text(i, 1), rows.text(i, 2), rows.text(i, 3)};
        table.kind = rows.text(i, 4);
        table.state = rows.text(i, 5);
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
        tables.push_back(std::move(table));
    }
    return tables;
}

}  // namespace

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

void note_change(std::int32_t source_id, const core::TableName& name) {
    pg::execute(
        "INSERT INTO replicator.source_table (source_id, database, schema, name, state, changed) "
        "VALUES ($1, $2, $3, $4, 'pending', true) "
        "ON CONFLICT (source_id, database, schema, name) DO UPDATE SET changed = true",
        {source_id, name.database, name.schema, name.table});
}

void end_change(std::int32_t table_id) {
    pg::execute("UPDATE replicator.source_table SET changed = false WHERE id = $1", {table_id});
}

void note_locked_at_source(std::int32_t table_id) {
    pg::execute(
        "UPDATE replicator.source_table SET reason = 'others have locked it at the source: it is read as soon as they "
        "are done' WHERE id = $1",
        {table_id});
}

void save_discovered_table(std::int32_t source_id, const SourceTable& table) {
    try {
        pg::execute(kSave,
                    {source_id, table.name.database, table.name.schema, table.name.table, table.kind,
                     table.target_schema, table.target_name, table.state, table.reason, table.note, table.key_columns,
                     table.definition, table.rows_expected, table.bytes_expected, table.structure, table.keyless});
    } catch (const pg::SqlError& error) {
        if (error.fields().constraint_name != kOneTarget) {
            throw;
        }
        throw pg::SqlError(
            ERRCODE_DUPLICATE_TABLE,
            "table " + pg::quoted(table.target_schema, table.target_name) + " is the target of another source",
            "It would have become the target of \"" + table.name.qualified() + "\"; another call has just taken it.",
            "Choose another target_schema.");
    }
}

void mark_gone(std::int32_t table_id) {
    pg::QueryResult const gone = pg::execute(
        "UPDATE replicator.source_table SET state = 'failed', reason = 'is no longer at the source', "
        "last_error = 'the table is no longer at the source', last_sqlstate = '42P01', "
        "last_hint = 'Its target keeps the rows of the last copy. Call replicator_remove_table to stop replicating "
        "it.' "
        "WHERE id = $1 AND state NOT IN ('excluded', 'unsupported') RETURNING last_sqlstate, last_error",
        {table_id});
    if (!gone.empty()) {
        tell_table_failure(table_id, gone.text(0, 0), gone.text(0, 1));
    }
    pg::execute(
        "DELETE FROM replicator.source_table WHERE id = $1 AND (state IN ('excluded', 'unsupported') OR target_name IS "
        "NULL) AND NOT target_created",
        {table_id});
}

void set_table_paused(std::int32_t table_id, bool paused) {
    pg::execute("UPDATE replicator.source_table SET paused = $2 WHERE id = $1", {table_id, paused});
}

void set_table_state(std::int32_t table_id, const std::string& state, const std::string& reason) {
    pg::execute(
        "UPDATE replicator.source_table SET state = $2, reason = nullif($3, ''), beside_bound = NULL, last_error = "
        "NULL, "
        "last_sqlstate = NULL, last_hint = NULL, locked_since = NULL, deaths = 0, failed_with = NULL, "
        "failed_since = CASE WHEN $2 = 'pending' THEN failed_since END WHERE id = $1",
        {table_id, state, reason});
}

std::string source_table_of_target(const std::string& schema, const std::string& name) {
    pg::QueryResult const row = pg::execute(
        "SELECT s.name || ': ' || t.database || '.' || CASE WHEN t.schema = '' THEN '' ELSE t.schema || '.' END || "
        "t.name "
        "FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id "
        "WHERE t.target_schema = $1 AND t.target_name = $2",
        {schema, name});
    return row.empty() ? "" : row.text(0, 0);
}

std::string source_of_target(const std::string& schema, const std::string& name) {
    pg::QueryResult const row = pg::execute(
        "SELECT s.name FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id "
        "WHERE t.target_schema = $1 AND t.target_name = $2",
        {schema, name});
    return row.empty() ? "" : row.text(0, 0);
}

}  // namespace pgrepl::catalog
