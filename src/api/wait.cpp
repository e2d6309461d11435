// CALL replicator_wait: returns when the target holds everything that the source held at the call. A procedure, because
// a function that waits would hold a snapshot all the while; each look at the catalog is a transaction of its own.

#include <optional>

#include "api/arguments.hpp"
#include "api/control_call.hpp"
#include "api/entry.hpp"
#include "catalog/sync_requests.hpp"
#include "pg/pinned_settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/spi.hpp"
#include "pg/wait.hpp"

namespace pgrepl::api {

namespace {

constexpr long kPollMs = 50;

/// Asks for a refresh that begins after now; returns its number.
struct Request {
    std::int32_t source_id = 0;
    std::int64_t number = 0;
};

Request request(const std::string& name) {
    Request result;
    int worker_pid = 0;
    run_as_catalog([&](Oid caller) {
        catalog::SourceConfig const config = require_source(name, caller);
        if (!catalog::has_state(config.id)) {
            throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "source \"" + config.name + "\" is restored",
                               "Nothing is read from it in this state.", "Call replicator_resume first.");
        }
        result = {config.id, catalog::request_sync(config.id)};
        worker_pid = catalog::worker_pid(config.id);
    });
    pg::wake_at_commit(worker_pid);
    return result;
}

/// Whether the request was served. Throws SqlError if it will not be.
bool is_served(const Request& request, const std::string& name, std::string& last_error) {
    bool served = false;
    run_as_catalog([&](Oid caller) {
        if (std::optional<catalog::SourceConfig> const config = catalog::find_source(request.source_id)) {
            require_rights(*config, caller);  // what follows tells of rows, and they may have been taken away
        }
        std::optional<catalog::RequestState> const state = catalog::request_state(request.source_id, request.number);
        if (!state) {
            throw pg::SqlError(ERRCODE_UNDEFINED_OBJECT, "source \"" + name + "\" was dropped",
                               "It was dropped while replicator_wait was waiting for it.", "");
        }
        served = state->served;
        last_error = state->last_error;
        if (!served && (state->paused || state->failed)) {
            throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                               "source \"" + name + "\" is " + (state->paused ? "paused" : "failed"),
                               last_error.empty() ? "Nothing is read from it in this state." : last_error,
                               state->paused ? "Call replicator_resume first." : state->last_hint);
        }
    });
    return served;
}

/// Throws SqlError if a table failed: then the target does not hold everything.
void require_no_failed_table(const Request& request, const std::string& name) {
    run_as_catalog([&](Oid) {
        std::optional<catalog::FailedTable> const table = catalog::first_failed_table(request.source_id);
        if (table) {
            throw pg::SqlError(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "table \"" + table->name + "\" of source \"" + name + "\" failed", table->reason,
                table->hint.empty() ? "replicator_tables says more; the other tables are up to date." : table->hint);
        }
    });
}

void commit() {
    pg::CallPg([] { SPI_commit(); });
}

TimestampTz deadline_of(const Arguments& values) {
    std::optional<std::string> const timeout = values.printed(1, INTERVALOID);
    if (!timeout) {
        return 0;
    }
    pg::PinnedSettings const pinned;
    return pg::execute(
               R"(SELECT (extract(epoch FROM clock_timestamp() + $1::interval
                  - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint)",
               {*timeout})
        .int64(0, 0);
}

void wait_for_all(const std::string& name, TimestampTz deadline) {
    Request const request_made = request(name);
    commit();
    std::string last_error;
    while (!is_served(request_made, name, last_error)) {
        commit();
        if (deadline != 0 && GetCurrentTimestamp() > deadline) {
            throw pg::SqlError(ERRCODE_QUERY_CANCELED, "source \"" + name + "\" was not up to date within the timeout",
                               last_error.empty() ? "It is being read." : "Its last error: " + last_error,
                               "See replicator_status; the work goes on.");
        }
        pg::wait_for_latch(kPollMs, pg::WaitFor::kTarget);
    }
    require_no_failed_table(request_made, name);
}

Datum wait(FunctionCallInfo fcinfo) {
    auto* const call_context = reinterpret_cast< ::CallContext*>(fcinfo->context);
    if (call_context == nullptr || call_context->atomic) {
        throw pg::SqlError(ERRCODE_INVALID_TRANSACTION_STATE, "replicator_wait cannot run inside a transaction block",
                           "It commits between its looks at the state of the source.",
                           "CALL it outside of BEGIN … COMMIT and outside of functions.");
    }
    Arguments const values(fcinfo);
    pg::CallPg([] { SPI_connect_ext(SPI_OPT_NONATOMIC); });
    TimestampTz const deadline = deadline_of(values);
    ControlCall call{"replicator_wait", values.string(0).value_or(""), {}};
    record(call.arguments, "name", values.string(0));
    record(call.arguments, "timeout", values.printed(1, INTERVALOID));
    run_long_call(call, [&](CallContext&) { wait_for_all(values.required_text(0, "name"), deadline); });
    pg::CallPg([] { SPI_finish(); });
    PG_RETURN_VOID();
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_wait, pgrepl::api::wait)
