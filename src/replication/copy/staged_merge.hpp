#pragma once
// The last step of a refresh: what was staged goes into the target, as far as the target takes it.

#include <cstdint>
#include <optional>

#include "replication/access/own_target.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "targets/merge.hpp"

namespace pgrepl::replication {

/// Merges in the transaction that is open, in the writer's turn, and sets refused rows aside. An error of the
/// table alone is returned, and nothing of it is changed then. `found`: as of target::merge_table.
std::optional<pg::SqlError> merge_staged(const CopyContext& context, const OwnTarget& table,
                                         const std::optional<target::IdFingerprint>& found,
                                         target::MergeCounts& counts);

}  // namespace pgrepl::replication
