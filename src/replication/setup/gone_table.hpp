#pragma once
// What becomes of a table that is not at the source any more, whoever says so: a statement in the log, or a look at the
// source that does not find it.

#include <string>

#include "catalog/source_config.hpp"
#include "catalog/tables.hpp"

namespace pgrepl::replication {

/// What a table is whose absence no statement has explained.
inline constexpr const char* kNoLongerThere = "is no longer at the source";

/// It is not replicated any more. Its target keeps its rows, or goes with it, if on_drop says so and nothing depends on
/// it; not if there is a `successor` of its name at the source, which the target is then for. In a transaction, in its
/// turn; waits for locks on the target as long as for any (pg::TargetPatience).
///
/// A target is dropped if that is still wanted once it is locked: nothing is done about a table that a call has left
/// out meanwhile; and ConfigurationChanged is thrown if `config` is not the source's any more.
///
/// False if others have locked a target that is to go: then the table waits aside, and is noted as changed
/// (catalog::note_change). The stream looks at it again, and finds it gone again.
[[nodiscard]] bool let_go(const catalog::SourceConfig& config, const catalog::SourceTable& table, std::string reason,
                          bool successor = false);

}  // namespace pgrepl::replication
