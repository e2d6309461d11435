// replicator.worker_phases(): what the workers of this database do now, for replicator_progress.

#include "pg/progress.hpp"
#include "api/entry.hpp"
#include "api/result_rows.hpp"
#include "pg/spi.hpp"
#include "pg/stream_report.hpp"

namespace pgrepl::api {

namespace {

Datum worker_phases(FunctionCallInfo fcinfo) {
    ResultRows result(fcinfo);
    for (const pg::PhaseReport& report : pg::phase_reports()) {
        const char* const since = pg::CallPg([&] { return timestamptz_to_str(report.since); });
        result.add({std::to_string(report.pid), std::to_string(report.source_id),
                    report.table_id == 0 ? std::nullopt : std::optional(std::to_string(report.table_id)),
                    std::string(name_of(report.phase)), std::to_string(report.done),
                    report.total == 0 ? std::nullopt : std::optional(std::to_string(report.total)),
                    std::string(since)});
    }
    return Datum{0};
}

std::optional<std::string> printed(TimestampTz at) {
    return at == 0 ? std::nullopt : std::optional<std::string>(pg::CallPg([&] { return timestamptz_to_str(at); }));
}

Datum stream_reports(FunctionCallInfo fcinfo) {
    ResultRows result(fcinfo);
    for (const pg::StreamReport& report : pg::stream_reports()) {
        result.add({report.pid == 0 ? std::nullopt : std::optional(std::to_string(report.pid)),
                    std::to_string(report.source_id), std::to_string(report.reader_id), printed(report.caught_up_at),
                    std::to_string(report.bytes_read), std::to_string(report.transactions),
                    std::to_string(report.changes_last_minute)});
    }
    return Datum{0};
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_worker_phases, pgrepl::api::worker_phases)
PGREPL_SQL_FUNCTION(pg_replicator_stream_reports, pgrepl::api::stream_reports)
