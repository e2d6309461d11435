// The choice between the log and one consistent read.

#include "replication/log_use.hpp"

#include <algorithm>

namespace pgrepl::replication {

bool is_log_usable(core::Source& source) {
    std::vector<core::Check> const checks = source.check_prerequisites(true);
    return std::all_of(checks.begin(), checks.end(), [](const core::Check& check) {
        return check.ok || check.severity != core::Check::Severity::kError;
    });
}

bool log_mends(core::Source& source, const std::vector<PlannedTable>& tables) {
    std::vector<core::TableName> copied;
    for (const PlannedTable& table : tables) {
        if (table.state != "pending") {
            continue;
        }
        if (table.info.is_view()) {
            return false;  // it has no changes of its own in the log
        }
        copied.push_back(table.info.name);
    }
    return source.logs_all_changes(copied);
}

}  // namespace pgrepl::replication
