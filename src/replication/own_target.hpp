#pragma once
// Whether a table that has the name of a target is the one that we have made, and still as we need it.

#include <optional>
#include <string>

#include "core/table_name.hpp"
#include "target/target_table.hpp"

namespace pgrepl::replication {

/// The target, if it is there. Throws SqlError if `created` says that we have not made it.
std::optional<Oid> find_own_target(const target::TargetName& target, bool created, const core::TableName& table);

/// For a target that cannot be written by id any more; `obstacle` as of target::merge_obstacle.
[[noreturn]] void throw_changed_target(const target::TargetName& target, const std::string& obstacle);

}  // namespace pgrepl::replication
