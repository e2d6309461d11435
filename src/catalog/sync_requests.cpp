// Looks at replicator.source_state and replicator.source_table for those who wait.

#include "catalog/sync_requests.hpp"

#include "catalog/states.hpp"
#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

constexpr const char* kRequestState = R"(
    SELECT st.sync_done >= $2, st.state, s.paused,
           coalesce(st.last_error,
                    (SELECT min('table ' || t.name || ' waits: '
                                || CASE WHEN t.lacks_room THEN 'it has no room' ELSE 'its target is locked' END)
                     FROM replicator.source_table t
                     WHERE t.source_id = s.id AND t.locked_since IS NOT NULL AND t.state IN ('pending', 'copying')
                       AND NOT t.paused)),
           st.last_hint
    FROM replicator.source s JOIN replicator.source_state st ON st.source_id = s.id
    WHERE s.id = $1)";

constexpr const char* kFirstFailedTable = R"(
    SELECT database || '.' || name, reason, last_hint FROM replicator.source_table
    WHERE source_id = $1 AND state = 'failed' AND NOT paused ORDER BY name LIMIT 1)";

}  // namespace

std::optional<RequestState> request_state(std::int32_t source_id, std::int64_t number) {
    pg::QueryResult const row = pg::execute(kRequestState, {source_id, number});
    if (row.empty()) {
        return std::nullopt;
    }
    return RequestState{row.boolean(0, 0), run_state(row.text(0, 1)) == RunState::kFailed, row.boolean(0, 2),
                        row.text(0, 3), row.text(0, 4)};
}

std::optional<FailedTable> first_failed_table(std::int32_t source_id) {
    pg::QueryResult const row = pg::execute(kFirstFailedTable, {source_id});
    if (row.empty()) {
        return std::nullopt;
    }
    return FailedTable{row.text(0, 0), row.text(0, 1), row.text(0, 2)};
}

}  // namespace pgrepl::catalog
