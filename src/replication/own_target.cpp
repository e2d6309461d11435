// What is said of targets that are not ours, or not as they were.

#include "replication/own_target.hpp"

#include "pg/error.hpp"

namespace pgrepl::replication {

std::optional<Oid> find_own_target(const target::TargetName& target, bool created, const core::TableName& table) {
    std::optional<Oid> const existing = target::find_table(target);
    if (existing && !created) {
        throw pg::SqlError(ERRCODE_DUPLICATE_TABLE, "table " + target.sql() + " exists and is not of this source",
                           "It would have become the target of \"" + table.qualified() + "\".",
                           "Rename or drop it, or choose another target_schema.");
    }
    return existing;
}

void throw_changed_target(const target::TargetName& target, const std::string& obstacle) {
    throw pg::SqlError(ERRCODE_INVALID_TABLE_DEFINITION,
                       "target table " + target.sql() + " cannot be brought up to date: " + obstacle,
                       "It has been changed since it was copied; its rows are left as they are.",
                       "Undo the change, or drop the table and call replicator_resync to copy it anew.");
}

}  // namespace pgrepl::replication
