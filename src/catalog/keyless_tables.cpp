// Statements on tables without a key.

#include "catalog/keyless_tables.hpp"

#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

// A refresh that was under way with a worker that is gone begins again: its state is copying, or its finish is missing.
constexpr const char* kNext = R"(
    SELECT t.id, t.database, t.schema, t.name, t.target_schema, t.target_name, t.target_created, st.copy_sync_number,
           coalesce(r.relid, 0), r.table_id IS NOT NULL AND r.relid IS NULL, t.state = 'pending'
    FROM replicator.source_table t JOIN replicator.source_state st ON st.source_id = t.source_id
    LEFT JOIN replicator.target_relation r ON r.table_id = t.id
    WHERE t.source_id = $1 AND t.keyless AND NOT t.paused AND t.target_name IS NOT NULL AND t.locked_since IS NULL
      AND NOT t.changed AND t.id <> ALL ($3::integer[])
      AND (t.state IN ('pending', 'copying')
           OR t.state = 'idle' AND (t.served_request < st.copy_sync_number
                                    OR $2 > 0 AND coalesce(t.copy_finished_at + $2 * interval '1 millisecond'
                                                           <= clock_timestamp(), true)))
    ORDER BY t.copy_finished_at NULLS FIRST, t.id
    LIMIT 1)";

}  // namespace

std::optional<KeylessTable> next_keyless_table(std::int32_t source_id, int interval_ms,
                                               const std::vector<std::int32_t>& but) {
    std::vector<std::string> others;
    for (std::int32_t const id : but) {
        others.push_back(std::to_string(id));
    }
    pg::QueryResult const row = pg::execute(kNext, {source_id, interval_ms, others});
    if (row.empty()) {
        return std::nullopt;
    }
    KeylessTable table;
    table.table_id = static_cast<std::int32_t>(row.int64(0, 0));
    table.name = {row.text(0, 1), row.text(0, 2), row.text(0, 3)};
    table.target_schema = row.text(0, 4);
    table.target_name = row.text(0, 5);
    table.target_created = row.boolean(0, 6);
    table.request = row.int64(0, 7);
    table.relation = read_target_relation(row, 0, 8);
    table.is_new = row.boolean(0, 10);
    return table;
}

bool awaits_keyless_refresh(std::int32_t source_id) {
    return !pg::execute(
                R"(SELECT 1 FROM replicator.source_table t JOIN replicator.source_state st ON st.source_id =
                   t.source_id WHERE t.source_id = $1 AND t.keyless AND NOT t.paused AND t.target_name IS NOT NULL AND
                   (t.state IN ('pending', 'copying') OR t.state = 'idle' AND t.served_request < st.copy_sync_number))",
                {source_id})
                .empty();
}

void save_keyless_progress(std::int32_t table_id, std::int64_t rows, std::int64_t bytes, std::int64_t tagged_values) {
    pg::execute(
        R"(UPDATE replicator.source_table SET rows_copied = rows_copied + $2, bytes_copied = bytes_copied + $3,
           tagged_values = tagged_values + $4 WHERE id = $1)",
        {table_id, rows, bytes, tagged_values});
}

bool is_keyless_refresh_wanted(std::int32_t table_id) {
    return !pg::execute(
                "SELECT 1 FROM replicator.source_table WHERE id = $1 AND keyless AND NOT paused AND copy_way = 'whole'",
                {table_id})
                .empty();
}

}  // namespace pgrepl::catalog
