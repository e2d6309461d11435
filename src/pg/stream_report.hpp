#pragma once
// How far each stream is, in shared memory: what the views compute lag from. It changes with every batch, and may be
// lost: then the last committed position says how old the target is at most.

#include <cstdint>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::pg {

struct StreamReport {
    std::int32_t source_id = 0;
    int pid = 0;
    /// The target held everything in the source's log at this moment; 0: not yet.
    TimestampTz caught_up_at = 0;
    std::int64_t bytes_read = 0;    ///< of the source's log, since the worker began
    std::int64_t transactions = 0;  ///< of the source, applied since the worker began
};

/// Called from _PG_init while shared_preload_libraries are processed.
void request_stream_reports();

/// Publishes this process's report; it goes with the process. Does nothing without preload.
void report_stream(const StreamReport& report) noexcept;

/// The reports of all streams of the current database.
std::vector<StreamReport> stream_reports();

}  // namespace pgrepl::pg
