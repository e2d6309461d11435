// replicator_sync, _pause, _resume, _drop, and what concerns all sources of a database.

#include "api/arguments.hpp"
#include "api/control_call.hpp"
#include "api/entry.hpp"
#include "api/owner.hpp"
#include "api/table_arguments.hpp"
#include "catalog/copy_queue.hpp"
#include "catalog/deaths.hpp"
#include "catalog/source_state.hpp"
#include "catalog/table_life.hpp"
#include "catalog/tables.hpp"
#include "catalog/target_indexes.hpp"
#include "core/version.hpp"
#include "pg/compat.hpp"
#include "pg/progress.hpp"
#include "pg/shared_state.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "replication/access/own_target.hpp"
#include "replication/access/source_access.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::api {

namespace {

constexpr long kStopPollMs = 20;
constexpr int kStopPatienceMs = 10'000;

/// What PostgreSQL locks to drop a target: the table, its TOAST table, their indexes, the row type, …
constexpr std::int64_t kLocksPerTarget = 7;

/// A call whose first argument is a source's name. `tables` are the second one's.
template <typename Body>
Datum on_source(FunctionCallInfo fcinfo, const char* action, Body&& body,
                const std::optional<std::vector<std::string>>& tables = std::nullopt) {
    Arguments const values(fcinfo);
    ControlCall call{action, values.string(0).value_or(""), {}};
    record(call.arguments, "name", values.string(0));
    record(call.arguments, "tables", tables);
    run_control_call(call, [&](CallContext& context) {
        catalog::SourceConfig const config = take_source(values.required_text(0, "name"), context.caller);
        context.worker_pid = catalog::worker_pid(config.id);
        body(config, values);
        require_rights(config, context.caller);
    });
    PG_RETURN_VOID();
}

Datum sync(FunctionCallInfo fcinfo) {
    std::optional<std::vector<std::string>> const tables = Arguments(fcinfo).text_array(1, "tables");
    auto const ask = [&](const catalog::SourceConfig& config, const Arguments&) {
        for (const std::string& table : tables.value_or(std::vector<std::string>{})) {
            (void)require_table(config, table);
        }
        require_running(config);
        catalog::clear_failure(config.id);
        catalog::request_sync(config.id);
    };
    return on_source(fcinfo, "replicator_sync", ask, tables);
}

Datum pause(FunctionCallInfo fcinfo) {
    return on_source(fcinfo, "replicator_pause", [](const catalog::SourceConfig& config, const Arguments&) {
        catalog::set_paused(config.id, true);
        pg::end_source_at_commit(config.id);
    });
}

/// Of a source that was restored, or came here with a copy of its database: under a reader_id of its own.
void begin_state(const catalog::SourceConfig& config) {
    for (const catalog::SourceTable& table : catalog::list_tables(config.id)) {
        target::drop_side_tables(table.id);
    }
    catalog::forget_copies_under_way(config.id);
    catalog::create_state(config.id);
}

Datum resume(FunctionCallInfo fcinfo) {
    return on_source(fcinfo, "replicator_resume", [](const catalog::SourceConfig& config, const Arguments&) {
        replication::require_owner(config);
        replication::check_source_allowed(config);
        if (!catalog::has_state(config.id)) {
            begin_state(config);
            tell_what_is_no_target(config);
        }
        catalog::have_targets_recognised(config.id, true);
        catalog::clear_failure(config.id);
        catalog::forget_table_deaths(config.id);
        catalog::retry_failed_indexes(config.id);
        catalog::set_paused(config.id, false);
        pg::end_source_at_commit(config.id, false);
    });
}

/// What an index build that was ended has left INVALID must not stay.
void drop_invalid_indexes(const catalog::SourceConfig& config) {
    for (const std::string& index : catalog::invalid_indexes(config.id)) {
        pg::RoleScope const as_owner(config.owner, pg::RoleScope::Restriction::kRestrictedOperation);
        pg::execute("DROP INDEX IF EXISTS " + index);
    }
}

/// Targets that are there, those of a restored source among them: whoever drops it says that they are its own.
/// With `tell`, those that stay are named to the caller.
std::vector<replication::OwnTarget> existing_targets(const catalog::SourceConfig& config, bool tell) {
    std::vector<replication::OwnTarget> targets;
    for (const catalog::SourceTable& table : catalog::list_tables(config.id)) {
        replication::OwnTarget target = replication::own_target(table, table.id, config.owner);
        std::optional<Oid> const relid = target::find_table(target.name());
        if (!table.target_created || !relid) {
            continue;
        }
        if (table.relation.relid == InvalidOid || *relid == table.relation.relid) {
            target.ref.to_be_recognised = true;
            targets.push_back(std::move(target));
        } else if (tell) {
            pg::CallPg([&] {
                ereport(NOTICE, (errmsg("relation %s is not dropped: it is not the target that was made",
                                        target.name().sql().c_str())));
            });
        }
    }
    return targets;
}

[[noreturn]] void throw_too_many_targets(const catalog::SourceConfig& config, std::size_t count) {
    throw pg::SqlError(
        ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        "source \"" + config.name + "\" has too many target tables to drop them in one transaction",
        std::to_string(count) + " tables take " + std::to_string(static_cast<std::int64_t>(count) * kLocksPerTarget) +
            " locks; max_locks_per_transaction gives all sessions together room for " +
            std::to_string(pg::lock_table_room()) + ". Nothing was dropped.",
        "Pause the source, drop its target tables in transactions of their own (docs/user/operations.md has a "
        "statement that does it), and call replicator_drop again; or raise max_locks_per_transaction and restart the "
        "server.");
}

/// Locks that are asked for in vain would be missing in all other sessions meanwhile.
void require_room_for_locks(const catalog::SourceConfig& config, std::size_t targets) {
    if (static_cast<std::int64_t>(targets) * kLocksPerTarget > pg::lock_table_room()) {
        throw_too_many_targets(config, targets);
    }
}

/// All or none.
void drop_targets(const catalog::SourceConfig& config, const std::vector<replication::OwnTarget>& targets) {
    pg::RoleScope const as_owner(config.owner, pg::RoleScope::Restriction::kRestrictedOperation);
    try {
        for (const replication::OwnTarget& target : targets) {
            target::drop_target(replication::open_own_target(target, target::TargetUse::kDrop));
        }
    } catch (const pg::SqlError& error) {
        if (error.sqlstate() == ERRCODE_OUT_OF_MEMORY) {
            throw_too_many_targets(config, targets.size());
        }
        throw;
    }
}

Datum drop(FunctionCallInfo fcinfo) {
    return on_source(fcinfo, "replicator_drop", [](const catalog::SourceConfig& config, const Arguments& values) {
        bool const drops_targets = values.boolean(1).value_or(false);
        if (drops_targets) {
            require_room_for_locks(config, existing_targets(config, false).size());
        }
        // Whatever they are at is not wanted any more, and their locks would be in the way. The lock on the state keeps
        // those that a probe may start meanwhile from beginning.
        pg::end_workers_of(config.id);
        catalog::take_turn(config.id);
        catalog::lock_state(config.id);
        drop_invalid_indexes(config);
        if (drops_targets) {
            drop_targets(config, existing_targets(config, true));
        }
        for (const catalog::SourceTable& table : catalog::list_tables(config.id)) {
            target::drop_side_tables(table.id);
        }
        catalog::remove_source(config.id);
        replication::remove_scratch_directories(config.id);
    });
}

/// Ends our workers of this database; returns how many there were.
std::int64_t terminate_workers() {
    return pg::execute(
               R"(SELECT count(*) FILTER (WHERE pg_catalog.pg_terminate_backend(pid))
                  FROM pg_catalog.pg_stat_get_activity(NULL)
                  WHERE backend_type LIKE 'pg\_replicator%' AND datid = (SELECT oid FROM pg_catalog.pg_database
                  WHERE datname = pg_catalog.current_database()))")
        .int64(0, 0);
}

Datum stop_workers(FunctionCallInfo) {
    std::int64_t stopped = 0;
    run_as_catalog([&](Oid caller) {
        pg::require_preload();
        bool const may = pg::CallPg(
            [&] { return superuser_arg(caller) || static_cast<bool>(PGREPL_OWNS_DATABASE(MyDatabaseId, caller)); });
        if (!may) {
            throw pg::SqlError(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied to stop the workers",
                               "Only superusers and the owner of the database may.", "Ask one of them.");
        }
        if (!pg::set_stopped(MyDatabaseId, true)) {
            throw pg::SqlError(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, "too many databases have their workers stopped",
                               "The server remembers 256 of them until a control call or a restart.",
                               "Call replicator_pause for the sources, or set pg_replicator.databases.");
        }
        TimestampTz const deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kStopPatienceMs);
        std::int64_t left = stopped = terminate_workers();
        while (left > 0) {
            if (GetCurrentTimestamp() > deadline) {
                throw pg::SqlError(ERRCODE_OBJECT_IN_USE, "workers are still running",
                                   std::to_string(left) + " have not ended within 10 s.", "Try again.");
            }
            pg::wait_for_latch(kStopPollMs, pg::WaitFor::kWorkersToEnd);
            pg::CallPg([] { pgstat_clear_snapshot(); });
            left = terminate_workers();
        }
    });
    PG_RETURN_INT32(static_cast<std::int32_t>(stopped));
}

Datum request_probe(FunctionCallInfo) {
    pg::wake_at_commit();
    PG_RETURN_VOID();
}

Datum library_version(FunctionCallInfo) {
    return pg::CallPg([] { return CStringGetTextDatum(core::kVersion); });
}

Datum is_stopped(FunctionCallInfo) { PG_RETURN_BOOL(pg::is_stopped(MyDatabaseId)); }

Datum short_of_slots_since(FunctionCallInfo fcinfo) {
    TimestampTz const since = pg::short_of_slots_since();
    if (since == 0) {
        PG_RETURN_NULL();
    }
    PG_RETURN_TIMESTAMPTZ(since);
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_is_stopped, pgrepl::api::is_stopped)
PGREPL_SQL_FUNCTION(pg_replicator_short_of_slots_since, pgrepl::api::short_of_slots_since)
PGREPL_SQL_FUNCTION(pg_replicator_sync, pgrepl::api::sync)
PGREPL_SQL_FUNCTION(pg_replicator_pause, pgrepl::api::pause)
PGREPL_SQL_FUNCTION(pg_replicator_resume, pgrepl::api::resume)
PGREPL_SQL_FUNCTION(pg_replicator_drop, pgrepl::api::drop)
PGREPL_SQL_FUNCTION(pg_replicator_stop_workers, pgrepl::api::stop_workers)
PGREPL_SQL_FUNCTION(pg_replicator_request_probe, pgrepl::api::request_probe)
PGREPL_SQL_FUNCTION(pg_replicator_library_version, pgrepl::api::library_version)
