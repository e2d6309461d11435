#pragma once
// Way C of docs/dev/architecture.md: making a target table equal to a staging table, changing only rows that differ.

#include <cstdint>

#include "target/target_table.hpp"

namespace pgrepl::target {

struct MergeCounts {
    std::int64_t inserted = 0;
    std::int64_t updated = 0;
    std::int64_t deleted = 0;

    [[nodiscard]] std::int64_t total() const noexcept { return inserted + updated + deleted; }
};

/// Merges staging into target. Rows whose data is the same, byte for byte, are not touched. Call as the owner of
/// the target, who may read the staging table.
MergeCounts merge_table(const TargetName& staging, const TargetName& target);

}  // namespace pgrepl::target
