// Merging with the rights of the owner; first all at once, then in ways that find the rows that are refused.

#include "replication/copy/staged_merge.hpp"

#include <vector>

#include "catalog/quarantine.hpp"
#include "pg/transaction.hpp"
#include "replication/access/error_policy.hpp"
#include "targets/bisection.hpp"

namespace pgrepl::replication {

namespace {

/// Merges what the target accepts, and sets the other rows aside.
target::MergeCounts merge_what_is_accepted(const CopyContext& context, const OwnTarget& table) {
    target::TargetName const indexed = target::index_staging(table.table_id, context.owner);
    std::vector<pg::RefusedRow> refused;
    target::MergeCounts counts;
    {
        pg::RoleScope const as_owner(context.owner, pg::RoleScope::Restriction::kRestrictedOperation);
        counts = target::merge_in_groups(table.table_id, indexed, open_own_target(table, target::TargetUse::kWrite),
                                         static_cast<std::size_t>(context.max_quarantined), refused);
    }
    catalog::set_staged_aside(context.quarantine(table.table_id), refused, indexed.sql());
    target::drop_indexed_copy(table.table_id);
    return counts;
}

}  // namespace

std::optional<pg::SqlError> merge_staged(const CopyContext& context, const OwnTarget& table,
                                         const std::optional<target::IdFingerprint>& found,
                                         target::MergeCounts& counts) {
    target::analyze_staging(table.table_id);
    std::optional<pg::SqlError> error = pg::run_in_subtransaction([&] {
        pg::RoleScope const as_owner(context.owner, pg::RoleScope::Restriction::kRestrictedOperation);
        counts = target::merge_table(table.table_id, open_own_target(table, target::TargetUse::kWrite), found);
    });
    if (error && (error->sqlstate() == ERRCODE_UNIQUE_VIOLATION || error->sqlstate() == ERRCODE_EXCLUSION_VIOLATION)) {
        error = pg::run_in_subtransaction([&] {
            pg::RoleScope const as_owner(context.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            counts = target::merge_by_replacing(table.table_id, open_own_target(table, target::TargetUse::kWrite));
        });
    }
    if (error && target::may_concern_row(*error)) {
        error = pg::run_in_subtransaction([&] { counts = merge_what_is_accepted(context, table); });
    }
    if (error && !concerns_table_alone(*error)) {
        throw pg::SqlError(*error);
    }
    return error;
}

}  // namespace pgrepl::replication
