// The choice of plans.

#include "replication/setup/copy_plan.hpp"

#include <algorithm>

namespace pgrepl::replication {

core::CopyPlan copy_plan_of(const core::Capabilities& kind, catalog::SourceMode mode) {
    switch (mode) {
        case catalog::SourceMode::kContinuous:
            return kind.plan;
        case catalog::SourceMode::kOnce:
            return kind.plan == core::CopyPlan::kBesideLog ? core::CopyPlan::kBesideLogForOneState
                                                           : core::CopyPlan::kOneState;
        case catalog::SourceMode::kPeriodic:
            return core::CopyPlan::kOneState;
    }
    return core::CopyPlan::kOneState;
}

core::CopyPlan plan_next_copy(core::CopyPlan wanted, std::optional<core::CopyPlan> last, core::Source& source) {
    bool const log_serves =
        wanted != core::CopyPlan::kBesideLogForOneState || (last != core::CopyPlan::kOneState && is_log_usable(source));
    return log_serves ? wanted : core::CopyPlan::kOneState;
}

core::SnapshotRequest copy_request(const std::string& position, bool durable, core::CopyPlan plan) {
    core::SnapshotRequest request;
    request.durable = durable;
    request.plan = plan;
    if (core::reads_beside_log(plan)) {
        request.mark.text = position;
    } else {
        request.join.text = position;
    }
    return request;
}

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
