// The frame around control calls.

#include "api/control_call.hpp"

#include "catalog/events.hpp"
#include "catalog/jobs.hpp"
#include "catalog/source_state.hpp"
#include "core/redaction.hpp"
#include "pg/compat.hpp"
#include "pg/pinned_settings.hpp"
#include "pg/progress.hpp"
#include "pg/shared_state.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/worker.hpp"

namespace pgrepl::api {

namespace {

/// Written without SQL: a failed call's arguments are needed when its transaction is aborted.
std::string as_json(const RecordedArguments& arguments) {
    std::string json = "{";
    for (const auto& [name, value] : arguments.texts) {
        json += json.size() > 1 ? ", \"" : "\"";
        json += name + "\": \"";
        for (char const c : value) {
            if (c == '"' || c == '\\') {
                json += '\\';
                json += c;
            } else if (static_cast<unsigned char>(c) < 0x20) {
                json += ' ';
            } else {
                json += c;
            }
        }
        json += '"';
    }
    return json + "}";
}

/// A trigger of a target's that is fired by a worker would pause, end or drop what it is part of, again and again.
void refuse_within_target(const char* what) {
    if (pg::detail::on_target) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                           std::string(what) + " cannot be called by what a write to a target calls",
                           "The write is part of a refresh, a stream, a comparison or a replay of pg_replicator.",
                           "Have the trigger write down what is to be done, and call it from a session of its own.");
    }
}

}  // namespace

void record_shown(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value) {
    if (value) {
        arguments.texts.emplace_back(name, core::redacted(*value, core::RedactWhat::kAll));
    }
}

void record(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value) {
    if (value && arguments.misplaced.empty() && core::holds_password(*value, core::RedactWhat::kAll)) {
        arguments.misplaced = name;
    }
    record_shown(arguments, name, value);
}

void refuse_misplaced_password(const RecordedArguments& arguments) {
    if (!arguments.misplaced.empty()) {
        throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "the argument " + arguments.misplaced + " holds a password",
                           "Only source_url may: all other arguments are stored and shown.",
                           "Look at the order of the arguments, or give them by name: source_url => '…'.");
    }
}

void record(RecordedArguments& arguments, const char* name, const std::optional<std::vector<std::string>>& value) {
    if (value) {
        std::string joined;
        for (const std::string& element : *value) {
            if (core::holds_password(element, core::RedactWhat::kAll)) {
                arguments.misplaced = name;
            }
            joined += (joined.empty() ? "" : ", ") + core::redacted(element, core::RedactWhat::kAll);
        }
        arguments.texts.emplace_back(name, joined);
    }
}

namespace {

/// Records the call if it fails.
void attempt_call(const ControlCall& call, CallContext& context, const std::function<void()>& body) {
    refuse_within_target(call.action.c_str());
    context.caller = GetUserId();
    context.source = call.source;
    if (!call.arguments.misplaced.empty()) {
        hide_statement(call.action.c_str());
        context.source = core::redacted(call.source, core::RedactWhat::kAll);
    }
    try {
        refuse_misplaced_password(call.arguments);
        pg::require_preload();
        body();
    } catch (...) {
        pg::SqlError const error = pg::detail::current_exception_as_sql_error();
        pg::remember_failed_call({0, GetCurrentTimestamp(), context.caller, call.action, context.source,
                                  as_json(call.arguments), pg::sqlstate_text(error.sqlstate()), error.what()});
        throw;
    }
}

}  // namespace

void run_control_call(const ControlCall& call, const std::function<void(CallContext&)>& body) {
    CallContext context;
    attempt_call(call, context, [&] {
        run_as_catalog([&](Oid) {
            body(context);
            catalog::record_call(context.source, context.caller, call.action, as_json(call.arguments));
        });
        pg::wake_at_commit(context.worker_pid);
    });
}

void run_long_call(const ControlCall& call, const std::function<void(CallContext&)>& body) {
    CallContext context;
    attempt_call(call, context, [&] {
        body(context);
        run_as_catalog(
            [&](Oid) { catalog::record_call(context.source, context.caller, call.action, as_json(call.arguments)); });
    });
}

void run_as_catalog(const std::function<void(Oid caller)>& body) {
    refuse_within_target("a function of pg_replicator");
    Oid const caller = GetUserId();
    pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kNone);
    pg::PinnedSettings const pinned;
    body(caller);
}

catalog::SourceConfig require_source(const std::string& name, Oid caller) {
    std::optional<catalog::SourceConfig> config = catalog::find_source(name);
    if (!config) {
        std::string names;
        for (const std::string& known : catalog::names_of_sources(caller)) {
            names += (names.empty() ? "" : ", ") + known;
        }
        throw pg::SqlError(ERRCODE_UNDEFINED_OBJECT, "source \"" + name + "\" does not exist",
                           names.empty() ? "You have no sources." : "Your sources: " + names + ".",
                           "replicator_status lists all sources.");
    }
    if (!pg::execute("SELECT pg_catalog.pg_has_role($1, $2, '" PGREPL_ROLE_RIGHTS "')",
                     {pg::Param::oid(caller), pg::Param::oid(config->owner)})
             .boolean(0, 0)) {
        throw pg::SqlError(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for source \"" + name + "\"",
                           "It belongs to role \"" + config->owner_name + "\"" +
                               (config->owner == InvalidOid ? ", which does not exist any more." : "."),
                           "Only members of that role and superusers may control it.");
    }
    return *config;
}

catalog::SourceConfig take_source(const std::string& name, Oid caller) {
    std::int32_t locked = 0;
    while (true) {
        // First with the rights, so that nobody else can make its owner wait; then as it is now. Another source may
        // have got the name meanwhile.
        catalog::SourceConfig config = require_source(name, caller);
        if (config.id == locked) {
            return config;
        }
        locked = config.id;
        catalog::lock_for_change(locked);
    }
}

void require_running(const catalog::SourceConfig& config) {
    if (config.paused || !catalog::has_state(config.id)) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                           "source \"" + config.name + "\" is " + (config.paused ? "paused" : "restored"),
                           "Nothing is read from it in this state.", "Call replicator_resume first.");
    }
}

void take_state(std::int32_t source_id) {
    constexpr long kPollMs = 20;
    constexpr int kMostPolls = 50;
    for (int polls = 0; !pg::try_lock_writing(source_id); ++polls) {
        if (polls == kMostPolls) {
            pg::end_worker(catalog::worker_pid(source_id));
            pg::lock_writing(source_id);
            break;
        }
        pg::wait_for_latch(kPollMs, pg::WaitFor::kTarget);
    }
    catalog::lock_state(source_id);
}

void interrupt_side_workers(const catalog::SourceConfig& config) {
    for (int const pid : catalog::job_and_index_pids(config.id)) {
        pg::interrupt_at_commit(pid);
    }
}

void hide_statement(const char* action) {
    pg::hide_statement_in_log();
    pg::CallPg([&] { pgstat_report_activity(STATE_RUNNING, action); });
}

}  // namespace pgrepl::api
