// Looking at locked targets.

#include "replication/access/locked_targets.hpp"

#include <algorithm>

#include "catalog/locked_tables.hpp"
#include "pg/precondition.hpp"
#include "pg/transaction.hpp"
#include "replication/access/own_target.hpp"

namespace pgrepl::replication {

namespace {

/// For a batch that has waited already, and for a table that has been left aside.
constexpr int kMomentMs = 50;
/// For a look: 0 would be as long as it takes.
constexpr int kLeastPatienceMs = 1;
constexpr std::chrono::milliseconds kFirstDelay{250};
constexpr std::chrono::milliseconds kLongestDelay{10'000};

}  // namespace

int LockedTargets::patience_ms(std::int32_t table_id) const {
    return exhausted_ || tables_.contains(table_id) ? std::min(kMomentMs, patience_ms_) : patience_ms_;
}

void LockedTargets::left_aside(std::int32_t table_id) {
    Table& table = tables_[table_id];
    table.delay = std::clamp(2 * table.delay, kFirstDelay, kLongestDelay);
    table.next_look = Clock::now() + table.delay;
    table.pauses = true;
}

bool LockedTargets::look_again(std::int32_t source_id, Oid owner, Which which) {
    pg::expect_no_transaction();
    bool any = false;
    pg::Transaction transaction;
    for (const catalog::LockedTable& table : catalog::locked_tables(source_id)) {
        Table& known = tables_[table.table_id];
        if (table.lacks_room && !known.pauses) {
            left_aside(table.table_id);  // by a worker that has copied a chunk of it
        }
        if (table.changed && !table.in_copy) {
            continue;  // it may be one whose target is to go, which more locks keep than from being written
        }
        if (Clock::now() < known.next_look || (which == Which::kInCopy && !table.in_copy)) {
            continue;
        }
        bool is_free = false;
        {
            pg::TargetPatience const no_patience(kLeastPatienceMs);
            pg::RoleScope const as_owner(owner, pg::RoleScope::Restriction::kRestrictedOperation);
            is_free = target::can_be_opened(own_target(table, table.table_id, owner).ref);
        }
        if (is_free) {
            catalog::end_locked(table.table_id);
            known.pauses = false;
            any = true;
        } else {
            known.next_look = Clock::now() + kFirstDelay;
        }
    }
    transaction.commit();
    return any;
}

}  // namespace pgrepl::replication
