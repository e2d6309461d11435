// The choice between the log and one consistent read.

#include "replication/setup/log_use.hpp"

#include <algorithm>

namespace pgrepl::replication {

bool is_log_usable(core::Source& source) {
    if (source.log() == nullptr) {
        return false;
    }
    std::vector<core::Check> const checks = source.check_prerequisites(true);
    return std::all_of(checks.begin(), checks.end(), [](const core::Check& check) {
        return check.ok || check.severity != core::Check::Severity::kError;
    });
}

bool log_mends(core::Log& log, const std::vector<PlannedTable>& tables) {
    return log.holds_all_changes() && std::none_of(tables.begin(), tables.end(), [](const PlannedTable& table) {
               // A view has no changes of its own in the log.
               return table.state == catalog::TableState::kPending &&
                      (table.info.is_view() || !table.info.not_in_log.empty() || !table.info.unlogged_actions.empty());
           });
}

}  // namespace pgrepl::replication
