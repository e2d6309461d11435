// replicator_verify, replicator_repair, replicator_cancel_job. They ask for the work; a job worker does it.

#include <algorithm>

#include "api/arguments.hpp"
#include "api/control_call.hpp"
#include "api/entry.hpp"
#include "api/table_arguments.hpp"
#include "catalog/jobs.hpp"
#include "pg/shared_state.hpp"

namespace pgrepl::api {

namespace {

void require_complete(const catalog::SourceTable& table) {
    if (!table.complete) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                           "table \"" + table.name.qualified() + "\" has not been copied yet",
                           "Its state is " + std::string(name_of(table.state)) +
                               (table.reason.empty() ? "." : ": " + table.reason + "."),
                           "Wait for its first copy: CALL replicator_wait(name).");
    }
}

/// The tables named, each once, or all that can be compared.
std::vector<std::int32_t> tables_to_compare(const catalog::SourceConfig& config,
                                            const std::optional<std::vector<std::string>>& names) {
    std::vector<std::int32_t> ids;
    if (names) {
        for (const std::string& name : *names) {
            catalog::SourceTable const table = require_replicated(config, name);
            require_complete(table);
            if (std::find(ids.begin(), ids.end(), table.id) == ids.end()) {
                ids.push_back(table.id);
            }
        }
    } else {
        for (const catalog::SourceTable& table : catalog::list_tables(config.id)) {
            if (table.complete && catalog::is_replicated(table.state)) {
                ids.push_back(table.id);
            }
        }
    }
    if (ids.empty()) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                           "source \"" + config.name + "\" has no table that can be compared",
                           "No table has been named, or none has been copied yet.",
                           "Wait for the first copy: CALL replicator_wait(name).");
    }
    return ids;
}

Datum verify(FunctionCallInfo fcinfo) {
    Arguments const values(fcinfo);
    ControlCall call{"replicator_verify", values.string(0).value_or(""), {}};
    record(call.arguments, "name", values.string(0));
    record(call.arguments, "tables", values.text_array(1, "tables"));
    std::int64_t job = 0;
    run_control_call(call, [&](CallContext& context) {
        catalog::SourceConfig const config = keep_source(values.required_text(0, "name"), context.caller);
        require_running(config);
        job = catalog::request_job(config.id, false, context.caller,
                                   tables_to_compare(config, values.text_array(1, "tables")));
    });
    PG_RETURN_INT64(job);
}

Datum repair(FunctionCallInfo fcinfo) {
    Arguments const values(fcinfo);
    ControlCall call{"replicator_repair", values.string(0).value_or(""), {}};
    record(call.arguments, "name", values.string(0));
    record(call.arguments, "table", values.string(1));
    std::int64_t job = 0;
    run_control_call(call, [&](CallContext& context) {
        catalog::SourceConfig const config = keep_source(values.required_text(0, "name"), context.caller);
        require_running(config);
        std::vector<std::string> const tables = {values.required_text(1, "table")};
        job = catalog::request_job(config.id, true, context.caller, tables_to_compare(config, tables));
    });
    PG_RETURN_INT64(job);
}

Datum cancel_job(FunctionCallInfo fcinfo) {
    Arguments const values(fcinfo);
    std::int64_t const number = values.is_null(0) ? 0 : PG_GETARG_INT64(0);
    ControlCall call{"replicator_cancel_job", "", {}};
    record(call.arguments, "job", std::optional(std::to_string(number)));
    run_control_call(call, [&](CallContext& context) {
        if (values.is_null(0)) {
            throw pg::SqlError(ERRCODE_NULL_VALUE_NOT_ALLOWED, "job must be given", "The argument job is null.",
                               "Pass the number that replicator_verify or replicator_repair returned.");
        }
        std::optional<catalog::Job> const job = catalog::find_job(number);
        std::optional<catalog::SourceConfig> const config = job ? catalog::find_source(job->source_id) : std::nullopt;
        if (!config) {
            throw pg::SqlError(ERRCODE_UNDEFINED_OBJECT, "job " + std::to_string(number) + " does not exist",
                               "Jobs are forgotten pg_replicator.event_retention after their end.",
                               "replicator_jobs lists the jobs.");
        }
        context.source = config->name;
        (void)keep_source(config->name, context.caller);
        if (!job->open) {
            throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                               "job " + std::to_string(number) + " has ended already", "There is nothing to cancel.",
                               "replicator_jobs shows its outcome.");
        }
        catalog::cancel_job(number);
        pg::interrupt_at_commit(job->source_id, pg::PieceOfWork{pg::WorkerKind::kJob, number});
    });
    PG_RETURN_VOID();
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_verify, pgrepl::api::verify)
PGREPL_SQL_FUNCTION(pg_replicator_repair, pgrepl::api::repair)
PGREPL_SQL_FUNCTION(pg_replicator_cancel_job, pgrepl::api::cancel_job)
