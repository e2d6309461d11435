// Statements on source_table.locked_since.

#include "catalog/locked_tables.hpp"

#include "catalog/noted_error.hpp"
#include "pg/spi.hpp"

namespace pgrepl::catalog {

bool is_lack_of_room(const pg::SqlError& error) {
    return ERRCODE_TO_CATEGORY(error.sqlstate()) == ERRCODE_INSUFFICIENT_RESOURCES;
}

const char* hint_for_table_aside(const pg::SqlError& error) {
    return is_lack_of_room(error) ? "Make room. The table is tried again by itself, after pauses that grow."
                                  : "replicator_tables.blocked_by names the processes that hold the lock. The table "
                                    "goes on by itself when it is gone.";
}

void note_locked(std::int32_t table_id, const pg::SqlError& error) {
    pg::execute(
        R"(UPDATE replicator.source_table SET locked_since = coalesce(locked_since, clock_timestamp()),
           last_error = $2, last_sqlstate = $3, last_hint = $4, lacks_room = $5
           WHERE id = $1 AND locked_since IS NULL)",
        {table_id, error.what(), noted_sqlstate(error), hint_for_table_aside(error), is_lack_of_room(error)});
}

void end_locked(std::int32_t table_id) {
    pg::execute(
        R"(UPDATE replicator.source_table SET locked_since = NULL, last_error = NULL, last_sqlstate = NULL,
           last_hint = NULL, reason = CASE WHEN state = 'pending' THEN NULL ELSE reason END
           WHERE id = $1 AND locked_since IS NOT NULL)",
        {table_id});
}

std::vector<LockedTable> locked_tables(std::int32_t source_id) {
    pg::QueryResult const rows = pg::execute(
        std::string("SELECT t.id, t.target_schema, t.target_name, t.state = 'copying', t.lacks_room, t.changed, ") +
            kTargetRelationColumns + " FROM replicator.source_table t" + kTargetRelationJoin +
            R"(WHERE t.source_id = $1 AND t.locked_since IS NOT NULL AND NOT t.paused
               AND t.target_name IS NOT NULL AND t.state IN ('pending', 'copying') ORDER BY t.id)",
        {source_id});
    std::vector<LockedTable> tables;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        tables.push_back({static_cast<std::int32_t>(rows.int64(i, 0)), rows.text(i, 1), rows.text(i, 2),
                          rows.boolean(i, 3), rows.boolean(i, 4), rows.boolean(i, 5),
                          read_target_relation(rows, i, 6)});
    }
    return tables;
}

}  // namespace pgrepl::catalog
