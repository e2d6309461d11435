#pragma once
// How far each source's worker is, in shared memory: what the views compute lag and rates from. It changes with every
// batch, and may be lost: then what was committed with the position says how old the target is at most. It outlives the
// worker, so that a pause, a restart or an outage changes nothing of what was known.

#include <cstdint>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::pg {

struct StreamReport {
    std::int32_t source_id = 0;
    std::int64_t reader_id = 0;  ///< of the source's run-time state: that of a source that was restored has another one
    int pid = 0;                 ///< 0: the worker has ended
    /// The target held everything in the source's log at this moment; 0: not known.
    TimestampTz caught_up_at = 0;
    std::int64_t bytes_read = 0;           ///< of the source's log, since the worker began
    std::int64_t transactions = 0;         ///< of the source, applied since the worker began
    std::int64_t changes_last_minute = 0;  ///< rows changed in targets by what was committed within the last minute
};

/// Called from _PG_init while shared_preload_libraries are processed.
void request_stream_reports();

/// This process is the worker of a source from now on. What the one before it has reported holds on. Does nothing
/// without preload, or if there are too many: the views then show what was committed.
void begin_reports(std::int32_t source_id, std::int64_t reader_id);

/// `caught_up_at` 0: as it was.
void report_stream(TimestampTz caught_up_at, std::int64_t bytes_read, std::int64_t transactions) noexcept;

/// The transaction that is open changes so many rows of targets: counted if it commits.
void count_changes_at_commit(std::int64_t changes);

/// The reports of all sources of the current database.
std::vector<StreamReport> stream_reports();

}  // namespace pgrepl::pg
