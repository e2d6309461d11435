// The frame around control calls.

#include "api/control_call.hpp"

#include "catalog/events.hpp"
#include "catalog/noted_error.hpp"
#include "catalog/source_state.hpp"
#include "core/redaction.hpp"
#include "core/url.hpp"
#include "pg/compat.hpp"
#include "pg/failure_point.hpp"
#include "pg/pinned_settings.hpp"
#include "pg/progress.hpp"
#include "pg/scoped_setting.hpp"
#include "pg/shared_state.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/worker.hpp"

namespace pgrepl::api {

namespace {

using RecordedText = std::string RecordedArgument::*;

/// Written without SQL: a failed call's arguments are needed when its transaction is aborted.
std::string as_json(const RecordedArguments& arguments, RecordedText text) {
    std::string json = "{";
    for (const RecordedArgument& argument : arguments.given) {
        json += json.size() > 1 ? ", \"" : "\"";
        json += argument.name + "\": \"";
        for (char const c : argument.*text) {
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

namespace {

std::string without_passwords(const std::string& text) { return core::redacted(text, core::RedactWhat::kAll); }

std::string without_secrets(const std::string& text) {
    return core::may_hold_secret(text) ? "***" : without_passwords(text);
}

void refuse_if(RecordedArguments& arguments, const char* name, bool is_misplaced) {
    if (is_misplaced && arguments.misplaced.empty()) {
        arguments.misplaced = name;
    }
}

/// Of a text that is no URL of a source, and no JSON.
bool holds_password(const std::string& text) {
    return core::holds_password(text, core::RedactWhat::kAll) || core::has_user_and_password(text);
}

/// Less would be found in any text.
constexpr std::size_t kShortestSecret = 4;

void hide(RecordedArguments& arguments, const std::string& given, const std::string& refused) {
    if (given != refused && given.size() >= kShortestSecret) {
        arguments.hidden.emplace_back(given, refused);
    }
}

void add(RecordedArguments& arguments, RecordedArgument argument) {
    hide(arguments, argument.given, argument.refused);
    arguments.given.push_back(std::move(argument));
}

/// What an error says of a call, which may quote an argument.
std::string without_secret_arguments(std::string text, const RecordedArguments& arguments) {
    for (const auto& [given, refused] : arguments.hidden) {
        for (std::size_t at = text.find(given); at != text.npos; at = text.find(given, at + refused.size())) {
            text.replace(at, given.size(), refused);
        }
    }
    return text;
}

}  // namespace

void record(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value) {
    if (value) {
        refuse_if(arguments, name, holds_password(*value));
        add(arguments, {name, *value, without_passwords(*value), without_secrets(*value)});
    }
}

void record(RecordedArguments& arguments, const char* name, const std::optional<std::vector<std::string>>& value) {
    if (!value) {
        return;
    }
    RecordedArgument joined{name, "", "", ""};
    for (const std::string& element : *value) {
        refuse_if(arguments, name, holds_password(element));
        hide(arguments, element, without_secrets(element));
        std::string const comma = joined.given.empty() ? "" : ", ";
        joined.given += comma + element;
        joined.shown += comma + without_passwords(element);
        joined.refused += comma + without_secrets(element);
    }
    arguments.given.push_back(std::move(joined));
}

void record_json(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value) {
    if (value) {
        refuse_if(arguments, name, core::holds_password(*value, core::RedactWhat::kAll));
        add(arguments, {name, *value, without_passwords(*value), without_secrets(*value)});
    }
}

void record_key(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value) {
    if (value) {
        add(arguments, {name, *value, without_passwords(*value), without_passwords(*value)});
    }
}

void record_url(RecordedArguments& arguments, const char* name, const std::optional<std::string>& value) {
    if (value) {
        add(arguments, {name, *value, without_passwords(core::redact_url(*value)),
                        without_passwords(core::redact_refused_url(*value))});
    }
}

void refuse_misplaced_password(const RecordedArguments& arguments) {
    if (!arguments.misplaced.empty()) {
        throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "the argument " + arguments.misplaced + " holds a password",
                           "Only source_url may: all other arguments are stored and shown.",
                           "Look at the order of the arguments, or give them by name: source_url => '…'.");
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
    }
    try {
        refuse_misplaced_password(call.arguments);
        pg::require_preload();
        pg::CatalogOfCall const catalog;
        body();
    } catch (...) {
        pg::SqlError const error = pg::detail::current_exception_as_sql_error();
        pg::remember_failed_call({0, GetCurrentTimestamp(), context.caller, call.action,
                                  without_secrets(context.source), as_json(call.arguments, &RecordedArgument::refused),
                                  catalog::noted_sqlstate(error),
                                  without_secret_arguments(error.what(), call.arguments)});
        throw;
    }
}

}  // namespace

void run_control_call(const ControlCall& call, const std::function<void(CallContext&)>& body) {
    CallContext context;
    attempt_call(call, context, [&] {
        run_as_catalog([&](Oid) {
            body(context);
            catalog::record_call(context.source, context.caller, call.action,
                                 as_json(call.arguments, &RecordedArgument::shown));
        });
        pg::wake_at_commit(context.worker_pid);
    });
}

void run_long_call(const ControlCall& call, const std::function<void(CallContext&)>& body) {
    CallContext context;
    attempt_call(call, context, [&] {
        body(context);
        run_as_catalog([&](Oid) {
            catalog::record_call(context.source, context.caller, call.action,
                                 as_json(call.arguments, &RecordedArgument::shown));
        });
    });
}

void run_as_catalog(const std::function<void(Oid caller)>& body) {
    refuse_within_target("a function of pg_replicator");
    Oid const caller = GetUserId();
    pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kNone);
    pg::PinnedSettings const pinned;
    pg::require_same_catalog();
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
    require_rights(*config, caller);
    return *config;
}

void require_rights(const catalog::SourceConfig& config, Oid caller) {
    pg::CallPg([] { AcceptInvalidationMessages(); });  // whoever has waited may have needed no new lock since
    if (!pg::execute("SELECT pg_catalog.pg_has_role($1, $2, '" PGREPL_ROLE_RIGHTS "')",
                     {pg::Param::oid(caller), pg::Param::oid(config.owner)})
             .boolean(0, 0)) {
        throw pg::SqlError(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for source \"" + config.name + "\"",
                           "It belongs to role \"" + config.owner_name + "\"" +
                               (config.owner == InvalidOid ? ", which does not exist any more." : "."),
                           "Only members of that role and superusers may control it.");
    }
}

namespace {

catalog::SourceConfig lock_source(const std::string& name, Oid caller, void (*lock)(std::int32_t)) {
    std::int32_t locked = 0;
    while (true) {
        // First with the rights, so that nobody else can make its owner wait; then as it is now. Another source may
        // have got the name meanwhile.
        catalog::SourceConfig config = require_source(name, caller);
        if (config.id == locked) {
            return config;
        }
        locked = config.id;
        lock(locked);
    }
}

/// Of workers: a session ends when it likes. Those that wait for the turn would have it before us. A comparison is in
/// nobody's way.
void end_workers_in_turn(std::int32_t source_id) {
    pg::WritingQueue const queue = pg::queue_for_writing(source_id);
    if (queue.holder != 0 && !pg::end_worker(queue.holder, source_id)) {
        return;
    }
    for (int const pid : queue.waiters) {
        (void)pg::end_worker(pid, source_id);
    }
}

/// False if it is still another's after a while, which is long enough for the server to find a deadlock. What is left
/// of `patience_ms`, the caller's lock_timeout, is counted down; the lock fails as any other when it is used up.
bool wait_for_turn(std::int32_t source_id, int& patience_ms) {
    constexpr int kBeyondDeadlockMs = 1000;
    int const slice_ms = pg::deadlock_timeout_ms() + kBeyondDeadlockMs;
    if (patience_ms == 0) {
        return pg::lock_writing_within(source_id, slice_ms);
    }
    if (patience_ms > slice_ms) {
        patience_ms -= slice_ms;
        return pg::lock_writing_within(source_id, slice_ms);
    }
    std::string const rest = std::to_string(patience_ms) + "ms";
    pg::ScopedSetting const patience("lock_timeout", rest.c_str());
    pg::lock_writing(source_id);
    return true;
}

}  // namespace

catalog::SourceConfig take_source(const std::string& name, Oid caller) {
    return lock_source(name, caller, catalog::lock_for_change);
}

catalog::SourceConfig keep_source(const std::string& name, Oid caller) {
    return lock_source(name, caller, catalog::keep_from_drop);
}

catalog::SourceConfig take_turn_at(const std::string& name, Oid caller) {
    return lock_source(name, caller, [](std::int32_t id) { catalog::take_turn(id); });
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
    bool has_turn = pg::try_lock_writing(source_id);
    for (int polls = 0; !has_turn && polls < kMostPolls; ++polls) {
        pg::wait_for_latch(kPollMs, pg::WaitFor::kTarget);
        has_turn = pg::try_lock_writing(source_id);
    }
    int patience_ms = pg::lock_timeout_ms();
    while (!has_turn) {
        end_workers_in_turn(source_id);
        pg::failure_point("turn_is_next");
        // One that takes its place may have asked for the turn before us.
        has_turn = wait_for_turn(source_id, patience_ms);
    }
    catalog::lock_state(source_id);
}

void interrupt_side_workers(const catalog::SourceConfig& config) { pg::interrupt_at_commit(config.id); }

void hide_statement(const char* action) {
    pg::hide_statement_in_log();
    pg::CallPg([&] { pgstat_report_activity(STATE_RUNNING, action); });
}

}  // namespace pgrepl::api
