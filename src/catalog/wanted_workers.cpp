// Statements on replicator.slot_wait.

#include "catalog/wanted_workers.hpp"

#include <map>

namespace pgrepl::catalog {

std::vector<WantedWorker> read_wanted_workers(const pg::QueryResult& rows, pg::WorkerKind kind) {
    pg::QueryResult const waits = pg::execute(
        R"(SELECT source_id, (extract(epoch FROM since - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint
           FROM replicator.slot_wait WHERE kind = $1::replicator.worker_kind)",
        {name_of(kind)});
    std::map<std::int64_t, TimestampTz> since;
    for (std::size_t i = 0; i < waits.rows(); ++i) {
        since.emplace(waits.int64(i, 0), waits.int64(i, 1));
    }
    std::vector<WantedWorker> workers;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        auto const wait = since.find(rows.int64(i, 0));
        workers.push_back({kind, static_cast<std::int32_t>(rows.int64(i, 0)), rows.text(i, 1), rows.boolean(i, 2),
                           rows.int64(i, 3), wait == since.end() ? 0 : wait->second});
    }
    return workers;
}

void wait_for_slot(const WantedWorker& worker) {
    pg::execute(
        R"(INSERT INTO replicator.slot_wait (source_id, kind) VALUES ($1, $2::replicator.worker_kind) ON CONFLICT DO
           NOTHING)",
        {worker.source_id, name_of(worker.kind)});
}

void end_wait_for_slot(const WantedWorker& worker) {
    pg::execute("DELETE FROM replicator.slot_wait WHERE source_id = $1 AND kind = $2::replicator.worker_kind",
                {worker.source_id, name_of(worker.kind)});
}

void forget_waits_of_others(pg::WorkerKind kind, const std::vector<WantedWorker>& wanted) {
    std::vector<std::string> ids;
    for (const WantedWorker& worker : wanted) {
        ids.push_back(std::to_string(worker.source_id));
    }
    pg::execute(
        R"(DELETE FROM replicator.slot_wait WHERE kind = $1::replicator.worker_kind AND source_id <> ALL
           ($2::text[]::integer[]))",
        {name_of(kind), ids});
}

}  // namespace pgrepl::catalog
