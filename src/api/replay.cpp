// replicator_replay: tries rows again that were set aside, in the caller's transaction, with the rights of the source's
// owner.

#include "api/arguments.hpp"
#include "api/control_call.hpp"
#include "api/entry.hpp"
#include "api/result_rows.hpp"
#include "api/table_arguments.hpp"
#include "catalog/quarantine.hpp"
#include "catalog/source_state.hpp"
#include "pg/origin.hpp"
#include "pg/owner_code.hpp"
#include "pg/transaction.hpp"
#include "replication/access/own_target.hpp"
#include "targets/statement_error.hpp"
#include "targets/target_writer.hpp"

namespace pgrepl::api {

namespace {

void throw_nothing_set_aside(const std::string& source, const std::optional<std::string>& table,
                             const std::optional<std::string>& key) {
    throw pg::SqlError(
        ERRCODE_NO_DATA_FOUND,
        key ? "row \"" + *key + "\" of table \"" + table.value_or("") + "\" is not set aside"
            : "no row of " + (table ? "table \"" + *table + "\"" : "source \"" + source + "\"") + " is set aside",
        "It may have been stored by a later copy, or be gone at the source.",
        "replicator_quarantine lists the rows that are set aside.");
}

/// Writes the row, or deletes it, as it was to be when it was set aside.
void write(const catalog::SourceConfig& config, const catalog::QuarantinedRow& row) {
    if (!row.deletion && !row.has_data) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                           "the row could not be stored as jsonb and has to be read again: " + row.reason, "",
                           "Correct it at the source, then call replicator_sync.");
    }
    std::string const data = row.deletion ? "" : catalog::quarantined_data(row.id);
    pg::RoleScope const as_owner(config.owner, pg::RoleScope::Restriction::kRestrictedOperation);
    target::TargetWriter const target(replication::open_own_target(
        replication::own_target(row, row.table_id, config.owner), target::TargetUse::kWrite));
    if (row.deletion) {
        target.remove(std::vector<std::string>{row.key});
    } else {
        target.put(row.key, data);
    }
}

Datum replay(FunctionCallInfo fcinfo) {
    Arguments const values(fcinfo);
    std::optional<std::string> const table_name = values.string(1);
    std::optional<std::string> const key = values.string(2);
    ControlCall call{"replicator_replay", values.string(0).value_or(""), {}};
    record(call.arguments, "name", values.string(0));
    record(call.arguments, "table", table_name);
    record_key(call.arguments, "key", key);
    ResultRows result(fcinfo);
    run_control_call(call, [&](CallContext& context) {
        // Neither refresh nor stream writes meanwhile.
        catalog::SourceConfig const config = take_turn_at(values.required_text(0, "name"), context.caller);
        if (key && !table_name) {
            throw pg::SqlError(ERRCODE_NULL_VALUE_NOT_ALLOWED, "a key needs its table", "Keys are those of one table.",
                               "Pass \"table\" => '…'.");
        }
        std::optional<std::int32_t> table_id;
        if (table_name) {
            table_id = require_table(config, *table_name).id;
        }
        std::vector<catalog::QuarantinedRow> const rows = catalog::lock_quarantined_rows(config.id, table_id, key);
        if (rows.empty()) {
            throw_nothing_set_aside(config.name, table_name, key);
        }
        // As the workers write: only ENABLE REPLICA and ENABLE ALWAYS triggers fire.
        pg::ReplicaInSession const as_replica;
        for (const catalog::QuarantinedRow& row : rows) {
            require_rights(config, context.caller);  // each may have waited
            std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] {
                pg::NotPassedOn const marked;
                write(config, row);
            });
            if (error && target::reach_of(*error) == target::Reach::kLocked) {
                throw pg::SqlError(*error);  // the row was not refused
            }
            if (error) {
                catalog::record_vain_try(row.id, *error);
            } else {
                catalog::release_row(row.id);
            }
            result.add({row.table.database, row.table.schema, row.table.table, row.key, error ? "f" : "t",
                        error ? std::optional<std::string>(error->what()) : std::nullopt});
        }
        require_rights(config, context.caller);
    });
    return Datum{0};
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_replay, pgrepl::api::replay)
