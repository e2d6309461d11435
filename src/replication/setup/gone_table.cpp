// The end of a table's replication.

#include "replication/setup/gone_table.hpp"

#include <optional>
#include <utility>

#include "catalog/events.hpp"
#include "catalog/source_config.hpp"
#include "catalog/table_life.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/own_target.hpp"
#include "replication/access/source_access.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::replication {

namespace {

/// What a person has said while the target was waited for counts: it is asked for once the target is locked. Whoever
/// holds a row that is asked for may wait for the target: it is let go of then, as if it had been locked itself. Throws
/// ConfigurationChanged.
bool is_still_to_go(const catalog::SourceConfig& config, const catalog::SourceTable& table) {
    pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kNone);
    (void)require_same_source(config, catalog::find_source(config.id));
    catalog::Held const held = catalog::hold_table(table.id);
    if (held == catalog::Held::kByOthers) {
        pg::SqlError::Fields fields;
        fields.sqlstate = ERRCODE_LOCK_NOT_AVAILABLE;
        fields.message = "a call is at the table";
        fields.on_target = true;
        throw pg::SqlError(std::move(fields));
    }
    return held == catalog::Held::kReplicated;
}

enum class Drop : std::uint8_t { kDone, kNotWanted };

/// Returns what keeps it: others may depend on it, or it may be another owner's by now.
[[nodiscard]] std::optional<pg::SqlError> drop_target(const catalog::SourceConfig& config,
                                                      const catalog::SourceTable& table, Drop& drop) {
    drop = Drop::kDone;
    if (!table.target_created) {
        return std::nullopt;
    }
    std::optional<pg::SqlError> error = pg::run_in_subtransaction([&] {
        pg::RoleScope const as_owner(config.owner, pg::RoleScope::Restriction::kRestrictedOperation);
        auto const target =
            find_own_target(own_target(table, table.id, config.owner), true, table.name, target::TargetUse::kDrop);
        if (!is_still_to_go(config, table)) {
            drop = Drop::kNotWanted;
        } else if (target) {
            target::drop_target(*target);
        }
    });
    if (error && error->sqlstate() != ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST && !concerns_table_alone(*error)) {
        throw pg::SqlError(*error);
    }
    return error;
}

}  // namespace

bool let_go(const catalog::SourceConfig& config, const catalog::SourceTable& table, std::string reason,
            bool successor) {
    target::drop_staging(table.id);
    if (config.parsed_options.drops_targets() && !successor) {
        Drop drop = Drop::kDone;
        std::optional<pg::SqlError> const obstacle = drop_target(config, table, drop);
        if (drop == Drop::kNotWanted) {
            return true;
        }
        if (!obstacle) {
            catalog::tell_target_dropped(table.id, reason);
            catalog::forget_table(table.id);
            return true;
        }
        if (waits_aside(*obstacle)) {
            set_table_apart(table.id, *obstacle);
            catalog::note_change(config.id, table.name);
            return false;
        }
        reason += "; its target stays: " + std::string(obstacle->what());
    }
    catalog::leave_out(table.id, catalog::TableState::kExcluded, reason);
    return true;
}

}  // namespace pgrepl::replication
