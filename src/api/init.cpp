// replicator_init and replicator_alter.

#include "api/entry.hpp"
#include "api/owner.hpp"
#include "api/preflight.hpp"
#include "api/source_arguments.hpp"
#include "catalog/source_state.hpp"
#include "catalog/stream_state.hpp"
#include "catalog/tables.hpp"
#include "catalog/target_indexes.hpp"
#include "pg/spi.hpp"
#include "replication/access/source_access.hpp"
#include "replication/setup/index_rules.hpp"

namespace pgrepl::api {

namespace {

[[noreturn]] void throw_name_taken(const std::string& name) {
    throw pg::SqlError(ERRCODE_DUPLICATE_OBJECT, "source \"" + name + "\" exists already",
                       "Names of sources are unique in a database.",
                       "Pass another name, or change the source with replicator_alter.");
}

void check_name(const std::string& name) {
    if (name.empty() || name.size() >= NAMEDATALEN) {
        throw pg::SqlError(ERRCODE_INVALID_NAME, "invalid name of a source: \"" + name + "\"",
                           "A name has 1 to 63 bytes.", "Pass another name.");
    }
    if (catalog::find_source(name)) {
        throw_name_taken(name);
    }
}

Datum init(FunctionCallInfo fcinfo) {
    hide_statement("replicator_init");
    Arguments const values(fcinfo);
    SourceArguments const arguments = read_source_arguments(values, 0, 1);
    std::string name;
    run_control_call({"replicator_init", arguments.name.value_or(""), recorded(arguments)}, [&](CallContext& context) {
        catalog::SourceConfig config;
        config.name = arguments.name.value_or("");
        if (arguments.name) {
            check_name(config.name);
        }
        config.owner = context.caller;
        config.owner_name =
            pg::execute("SELECT pg_catalog.pg_get_userbyid($1)", {pg::Param::oid(context.caller)}).text(0, 0);
        Preflight preflight;
        check_arguments(arguments, context.caller, config, preflight);
        context.source = config.name;
        check_name(config.name);
        std::optional<std::int32_t> const id = catalog::insert_source(config);
        if (!id) {
            throw_name_taken(config.name);  // registered by another transaction since it was looked for
        }
        config.id = *id;
        discover_and_register(config);
        name = config.name;
    });
    return pg::CallPg([&] { return CStringGetTextDatum(name.c_str()); });
}

void check_schema_may_change(const catalog::SourceConfig& config, const SourceArguments& arguments) {
    if (!arguments.target_schema || *arguments.target_schema == config.target_schema) {
        return;
    }
    for (const catalog::SourceTable& table : catalog::list_tables(config.id)) {
        if (table.target_created) {
            throw pg::SqlError(
                ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "target_schema cannot be changed once target tables exist",
                "Table \"" + table.name.qualified() + "\" has its target in schema \"" + table.target_schema + "\".",
                "Drop the source and register it again with the other target_schema.");
        }
    }
}

/// Whether what job and index workers are at may not be wanted any more, or be read from another place.
bool concerns_side_workers(const catalog::SourceConfig& before, const catalog::SourceConfig& after) {
    return !catalog::copies_alike(before, after) || before.rules != after.rules ||
           before.include_tables != after.include_tables || before.exclude_tables != after.exclude_tables ||
           before.include_databases != after.include_databases || before.exclude_databases != after.exclude_databases;
}

Datum alter(FunctionCallInfo fcinfo) {
    hide_statement("replicator_alter");
    Arguments const values(fcinfo);
    SourceArguments arguments = read_source_arguments(values, 1, 0);
    arguments.owner = values.string(11);
    run_control_call({"replicator_alter", arguments.name.value_or(""), recorded(arguments)}, [&](CallContext& context) {
        catalog::SourceConfig const before = take_source(values.required_text(0, "name"), context.caller);
        catalog::SourceConfig config = before;
        check_schema_may_change(config, arguments);
        if (arguments.owner) {
            choose_owner(*arguments.owner, context.caller, config);
        }
        replication::require_owner(config);
        apply_arguments(arguments, context.caller, config);
        catalog::update_source(config);
        take_state(config.id);
        if (config.owner != before.owner) {
            hand_over(before, config, context.caller);
        }
        bool const is_followed = core::is_followed(config.plan);
        bool const starts_over = is_followed != core::is_followed(before.plan);
        if (starts_over) {
            catalog::start_over(config.id);  // a state that was copied, or is being copied, is no place in a log
        }
        context.worker_pid = catalog::worker_pid(config.id);
        bool const restored = !catalog::has_state(config.id);
        bool const reselect = arguments.url || arguments.target_schema || arguments.include_tables ||
                              arguments.exclude_tables || arguments.include_databases || arguments.exclude_databases ||
                              before.keys != config.keys || (starts_over && is_followed);
        if (reselect) {
            discover_and_register(config);
        } else if (arguments.rules) {
            replication::apply_index_rules(config);
        }
        if (starts_over || concerns_side_workers(before, config)) {
            interrupt_side_workers(config);
        }
        if (!restored) {
            catalog::clear_failure(config.id);
            catalog::retry_failed_indexes(config.id);
            if (reselect || config.owner != before.owner) {
                catalog::request_sync(config.id);
            }
        }
        require_rights(before, context.caller);
    });
    PG_RETURN_VOID();
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_init, pgrepl::api::init)
PGREPL_SQL_FUNCTION(pg_replicator_alter, pgrepl::api::alter)
