// Control of single tables: replicator_resync, _add_table, _remove_table, _pause_table, _resume_table.
//
// A source without a change log shows one state in all of its tables: whatever brings one table up to date is a
// refresh of the whole source.

#include "catalog/tables.hpp"
#include "api/arguments.hpp"
#include "api/control_call.hpp"
#include "api/entry.hpp"
#include "api/source_arguments.hpp"
#include "api/table_arguments.hpp"
#include "catalog/source_state.hpp"
#include "catalog/stream_state.hpp"
#include "catalog/table_life.hpp"
#include "replication/setup/index_rules.hpp"

namespace pgrepl::api {

namespace {

void record_call(ControlCall& call, const Arguments& values) {
    record(call.arguments, "name", values.string(0));
    record(call.arguments, "table", values.string(1));
}

template <typename Body>
Datum on_table(FunctionCallInfo fcinfo, const char* action, Body&& body) {
    Arguments const values(fcinfo);
    ControlCall call{action, values.string(0).value_or(""), {}};
    record_call(call, values);
    run_control_call(call, [&](CallContext& context) {
        catalog::SourceConfig config = take_source(values.required_text(0, "name"), context.caller);
        context.worker_pid = catalog::worker_pid(config.id);
        body(config, values.required_text(1, "table"));
        require_rights(config, context.caller);
    });
    PG_RETURN_VOID();
}

/// All tables. Of a source that follows a log the position is forgotten, so this is the way past what cannot be
/// followed.
void resync_source(const catalog::SourceConfig& config) {
    take_state(config.id);
    if (core::is_followed(config.plan)) {
        catalog::retry_failed_tables(config.id);
        catalog::start_over(config.id);
        interrupt_side_workers(config);
    }
    catalog::have_targets_recognised(config.id, false);
    catalog::clear_failure(config.id);
    catalog::request_sync(config.id);
}

Datum resync(FunctionCallInfo fcinfo) {
    Arguments const values(fcinfo);
    if (!values.string(1)) {
        ControlCall call{"replicator_resync", values.string(0).value_or(""), {}};
        record_call(call, values);
        run_control_call(call, [&](CallContext& context) {
            catalog::SourceConfig const config = take_source(values.required_text(0, "name"), context.caller);
            context.worker_pid = catalog::worker_pid(config.id);
            resync_source(config);
            require_rights(config, context.caller);
        });
        PG_RETURN_VOID();
    }
    return on_table(fcinfo, "replicator_resync", [](const catalog::SourceConfig& config, const std::string& name) {
        take_state(config.id);
        std::int32_t const table_id = require_replicated(config, name).id;
        catalog::have_target_recognised(table_id);
        catalog::ask_for_copy_by_call(table_id);
        catalog::clear_failure(config.id);
        catalog::request_sync(config.id);
    });
}

Datum pause_table(FunctionCallInfo fcinfo) {
    return on_table(fcinfo, "replicator_pause_table", [](const catalog::SourceConfig& config, const std::string& name) {
        catalog::set_table_paused(require_replicated(config, name).id, true);
        interrupt_side_workers(config);
    });
}

Datum resume_table(FunctionCallInfo fcinfo) {
    return on_table(fcinfo, "replicator_resume_table",
                    [](const catalog::SourceConfig& config, const std::string& name) {
                        take_state(config.id);
                        catalog::SourceTable const table = require_replicated(config, name);
                        catalog::set_table_paused(table.id, false);
                        catalog::have_target_recognised(table.id);
                        std::optional<catalog::SourceState> const state = catalog::load_source_state(config.id);
                        if (state && state->follows_log()) {
                            catalog::ask_for_copy_by_call(table.id);  // it has missed changes
                        }
                        catalog::request_sync(config.id);
                    });
}

/// Adds the name to a list of patterns, or takes it out.
void change_list(std::vector<std::string>& patterns, const std::string& name, bool present) {
    std::erase(patterns, name);
    if (present) {
        patterns.push_back(name);
    }
}

/// Writes the changed filters, and registers what they select.
void save_filters(const catalog::SourceConfig& config) {
    catalog::update_source(config);
    take_state(config.id);
    discover_and_register(config);
    catalog::request_sync(config.id);
}

Datum add_table(FunctionCallInfo fcinfo) {
    return on_table(fcinfo, "replicator_add_table", [](catalog::SourceConfig& config, const std::string& name) {
        if (config.exclude_tables) {
            change_list(*config.exclude_tables, name, false);
        }
        if (config.include_tables) {
            change_list(*config.include_tables, name, true);
        }
        save_filters(config);
        catalog::SourceTable table = require_table(config, name);
        if (table.kind == "view" && !config.include_tables) {
            config.include_tables = {"*", name};  // all that was selected before, and the view by its name
            save_filters(config);
            table = require_table(config, name);
        }
        if (!catalog::is_replicated(table.state)) {
            throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "table \"" + name + "\" cannot be added",
                               "It is " + std::string(name_of(table.state)) + ": " + table.reason + ".",
                               "Change the filters with replicator_alter, or see replicator_discover.");
        }
    });
}

Datum remove_table(FunctionCallInfo fcinfo) {
    return on_table(fcinfo, "replicator_remove_table", [](catalog::SourceConfig& config, const std::string& name) {
        catalog::SourceTable const table = require_table(config, name);
        if (config.include_tables) {
            change_list(*config.include_tables, name, false);
        }
        if (!config.exclude_tables) {
            config.exclude_tables.emplace();
        }
        change_list(*config.exclude_tables, name, true);
        catalog::update_source(config);
        catalog::exclude_by_call(table.id, "named by exclude_tables");
        replication::apply_index_rules(config);
        interrupt_side_workers(config);
    });
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_resync, pgrepl::api::resync)
PGREPL_SQL_FUNCTION(pg_replicator_add_table, pgrepl::api::add_table)
PGREPL_SQL_FUNCTION(pg_replicator_remove_table, pgrepl::api::remove_table)
PGREPL_SQL_FUNCTION(pg_replicator_pause_table, pgrepl::api::pause_table)
PGREPL_SQL_FUNCTION(pg_replicator_resume_table, pgrepl::api::resume_table)
