#pragma once
// Comparing a target table with its source, and mending what differs.
//
// Pass. The source is read in key order from one snapshot, encoded by the encoder that fills the target, and each
// batch is looked up in the target by its ids. A row that is missing there or whose bytes differ is a suspect.
// Confirmation (suspect_check.hpp). A suspect is reported only if two further reads of the source gave the same value,
// and between them the target, having reached the position of the first, still differed: what changes meanwhile, or
// has not been copied yet, is no difference. The second read sees all that the target held then: a server has a
// transaction in its log, from where it comes here, before its own queries show it.
// Extra rows. The pass keeps the ids that it met. If the target holds others, a second pass collects ids from a new
// snapshot; what neither has met, and was not written since the first began, is extra, under the same condition.
// Rows that differ because they were set aside are counted apart.
//
// Repair is the same, and writes, with the rights of the source's owner and while no other writer of the source is at
// work.

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "catalog/jobs.hpp"
#include "catalog/quarantine.hpp"
#include "core/source.hpp"
#include "targets/row_encoder.hpp"
#include "targets/seen_ids.hpp"
#include "targets/target_lookup.hpp"

namespace pgrepl::replication {

struct VerificationContext {
    catalog::Job job;
    Oid owner = InvalidOid;
    bool durable = false;      ///< take snapshots that no writer can end
    bool follows_log = false;  ///< the target may hold what is in the source's log, and not shown by it yet
    int max_quarantined = 0;   ///< rows of a table that may be set aside; more, and the table fails
    /// Throws if the job was canceled or its source paused. Called within a transaction.
    std::function<void()> require_wanted;

    [[nodiscard]] catalog::Quarantine quarantine(std::int32_t table_id) const noexcept {
        return {job.source_id, table_id, max_quarantined};
    }
};

/// What a target is to hold: all of the log up to a place, or all of a state.
using Mark = std::variant<core::Position, core::StateName>;

/// Whether the target holds what the source held at `mark`; waits for it while the source is being copied or streams.
bool target_has_reached(const VerificationContext& context, core::Source& source, std::int32_t table_id, Mark mark);

/// What a target must have reached to hold all that `snapshot` shows, which has been read from. Where a log is followed
/// that is a place in it: on a busy server the state that was read has no name that a target could ever hold.
Mark mark_behind(const VerificationContext& context, core::Source& source, const core::Snapshot& snapshot);

/// How the source is read: where no log is followed, from no state that is older than the one the target holds. In a
/// transaction.
core::SnapshotRequest request_of(const VerificationContext& context);

/// What the target holds, which the source may not show yet; empty: nothing of that kind. In a transaction.
core::Position held_by_target(const VerificationContext& context);
/// Whether a read of the source that begins now sees all of `held`, after a wait of up to `patience_ms`.
bool is_shown(core::Source& source, const core::Position& held, int patience_ms);
/// How long that is waited for where nobody else waits.
constexpr int kReachPatienceMs = 60'000;

/// Compares one table, and mends it if the job is a repair. Throws SourceError and SqlError; what was repaired until
/// then stays repaired.
catalog::Findings verify_table(const VerificationContext& context, core::Source& source,
                               const catalog::JobTable& table);

}  // namespace pgrepl::replication
