#pragma once
// Way C of docs/dev/architecture.md: the last step of a refresh. Staging holds the rows that are new or differ, and the
// seen ids all others; what is in neither is deleted.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/refused_row.hpp"
#include "targets/open_target.hpp"
#include "targets/seen_ids.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::target {

struct MergeCounts {
    std::int64_t inserted = 0;
    std::int64_t updated = 0;
    std::int64_t deleted = 0;

    [[nodiscard]] std::int64_t total() const noexcept { return inserted + updated + deleted; }
};

/// Merges the staging table of `table_id` into target by three statements. Rows whose data is the same, byte for byte,
/// are not touched. Call as the owner of the target, who may read the staging table.
/// `found`, if it is known, is the fingerprint of the ids that were found both at the source and in the target: if the
/// target holds exactly these there is nothing to delete.
MergeCounts merge_table(std::int32_t table_id, const OpenTarget& target, const std::optional<IdFingerprint>& found);

/// As merge_table, but removes every row that changes before it writes the new ones: for a unique index of the user's,
/// under which values move from row to row. Call as the owner.
MergeCounts merge_by_replacing(std::int32_t table_id, const OpenTarget& target);

/// As merge_table, in small groups, for a target that has refused a row: every change that it accepts is made, also one
/// that it accepts only after others; those that it refuses are added to `refused`, without their data, which is
/// staged. Throws SqlError if they are more than `most_refused`, and for errors that concern no single row. `indexed`
/// is the table that index_staging returned: each group looks its rows up in it. Call as the owner.
MergeCounts merge_in_groups(std::int32_t table_id, const TargetName& indexed, const OpenTarget& target,
                            std::size_t most_refused, std::vector<pg::RefusedRow>& refused);

}  // namespace pgrepl::target
