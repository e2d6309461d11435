#pragma once
// Which sources want a worker, and which of them wait for a free background worker slot. Whoever has waited longest is
// served first: with too few slots all are served in turn, and none is left out.

#include <cstdint>
#include <string>
#include <vector>

#include "pg/spi.hpp"
#include "pg/worker.hpp"

namespace pgrepl::catalog {

/// A worker that a source wants, now or later.
struct WantedWorker {
    pg::WorkerKind kind = pg::WorkerKind::kSource;
    std::int32_t source_id = 0;
    std::string source_name;
    bool now = false;
    TimestampTz due_at = 0;       ///< else: when; 0: not by time
    TimestampTz slot_wanted = 0;  ///< since when it waits for a slot; 0: it does not
};

/// Columns of each row: id and name of a source, whether it wants the worker now, and else when: as slot_wanted, and
/// due_at, are read, in microseconds since PostgreSQL's epoch. Knows who waits for a slot.
std::vector<WantedWorker> read_wanted_workers(const pg::QueryResult& rows, pg::WorkerKind kind);

/// There is no slot for it.
void wait_for_slot(const WantedWorker& worker);

/// It has got one.
void end_wait_for_slot(const WantedWorker& worker);

/// Of the workers of a kind no others than these are wanted now: no other waits for a slot any more.
void forget_waits_of_others(pg::WorkerKind kind, const std::vector<WantedWorker>& wanted);

}  // namespace pgrepl::catalog
