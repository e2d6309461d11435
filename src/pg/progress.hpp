#pragma once
// What each of our workers does now, in shared memory: for replicator_progress. Lost with the process, which is right:
// what is left to do is in the catalog.

#include <cstdint>
#include <string>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// This process enters a phase. `table_id` 0: no table in particular; `total` 0: not known how many rows it has.
/// `activity` is what pg_stat_activity shows as the query. Nothing but that without preload.
void begin_phase(const char* phase, std::int32_t source_id, std::int32_t table_id, std::int64_t total,
                 const std::string& activity);

/// Rows done since the phase began, further to those reported before.
void add_progress(std::int64_t rows) noexcept;

struct PhaseReport {
    int pid = 0;
    std::int32_t source_id = 0;
    std::int32_t table_id = 0;
    std::string phase;
    std::int64_t done = 0;
    std::int64_t total = 0;
    TimestampTz since = 0;
};

/// The phases of all workers in the current database.
std::vector<PhaseReport> phase_reports();

}  // namespace pgrepl::pg
