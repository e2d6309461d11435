// The end of a copy: tables whose chunks are all in are completed, what was staged is merged.

#include <algorithm>

#include "catalog/deaths.hpp"
#include "catalog/locked_tables.hpp"
#include "catalog/quarantine.hpp"
#include "catalog/table_life.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/transaction.hpp"
#include "pg/work_in_hand.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/own_target.hpp"
#include "replication/copy/copy.hpp"
#include "replication/copy/staged_merge.hpp"
#include "targets/merge.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::replication {

namespace {

/// How many times target_lock_patience a first copy waits for locked targets when all others are in.
constexpr int kPatiencesForFirstCopy = 10;

[[noreturn]] void throw_not_refreshed(const std::vector<catalog::LockedTable>& aside) {
    std::string const what = "the targets of " + std::to_string(aside.size()) + " tables ";
    bool const any_lacks_room =
        std::any_of(aside.begin(), aside.end(), [](const catalog::LockedTable& table) { return table.lacks_room; });
    if (any_lacks_room) {
        throw TablesLeftAside(ERRCODE_DISK_FULL, what + "have no room, or are locked: they were not refreshed",
                              "All other tables were.",
                              "replicator_tables.last_error says what is lacking. It is tried again.");
    }
    throw TablesLeftAside(ERRCODE_LOCK_NOT_AVAILABLE, what + "are locked: they were not refreshed",
                          "All other tables were.",
                          "replicator_tables.blocked_by names the processes that hold the locks. It is tried again.");
}

}  // namespace

bool Copy::advance() {
    (void)locked_.look_again(context_.source_id, context_.owner, LockedTargets::Which::kInCopy);
    std::vector<catalog::CopyTable> tables;
    {
        pg::Transaction transaction;
        catalog::withdraw_tables(context_.source_id);
        tables = catalog::tables_in_copy(context_.source_id);
        note_progress(tables);
        transaction.commit();
    }
    bool all_complete = true;
    std::vector<catalog::CopyTable> locked;
    for (const catalog::CopyTable& table : tables) {
        if (table.complete) {
            continue;
        }
        if (table.locked) {
            locked.push_back(table);
        } else if (table.pending_chunks > 0) {
            all_complete = false;
        } else {
            complete_table(table);
        }
    }
    return all_complete && leave_locked_out(locked);
}

/// Deaths in a row are those between which no chunk was done.
void Copy::note_progress(const std::vector<catalog::CopyTable>& tables) {
    std::int64_t pending = 0;
    for (const catalog::CopyTable& table : tables) {
        pending += table.pending_chunks;
    }
    if (pending < pending_chunks_ && pg::notes_each_table()) {
        catalog::forget_source_deaths(context_.source_id);
        pg::note_each_table(false);
    }
    pending_chunks_ = pending;
}

/// Nothing but these is left to be copied. For a while they are waited for, because what was copied of them would have
/// to be copied again; then the others go on. True if none is in the copy any more.
bool Copy::leave_locked_out(const std::vector<catalog::CopyTable>& locked) {
    if (locked.empty()) {
        only_locked_since_.reset();
        return true;
    }
    if (!only_locked_since_) {
        only_locked_since_ = Clock::now();
    }
    if (Clock::now() - *only_locked_since_ <
        kPatiencesForFirstCopy * std::chrono::milliseconds(locked_.patience_ms())) {
        return false;
    }
    pg::Transaction transaction;
    for (const catalog::CopyTable& table : locked) {
        catalog::stay_aside(table.table_id);
    }
    transaction.commit();
    return true;
}

void Copy::complete_table(const catalog::CopyTable& table) {
    pg::WorkInHand const at_table({pg::Work::kTable, table.table_id, 0});
    pg::failure_point("before_primary_key");
    try {
        pg::Transaction transaction;
        if (!table.staging) {
            pg::begin_phase(pg::WorkerPhase::kBuildingPrimaryKey, context_.source_id, table.table_id, 0,
                            "building the primary key of " + table.name.qualified());
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            target::add_primary_key(
                open_own_target(own_target(table, table.table_id, context_.owner), target::TargetUse::kDefine));
        }
        if (!has_key(table)) {
            pg::begin_phase(pg::WorkerPhase::kNumberingIdenticalRows, context_.source_id, table.table_id, 0,
                            "numbering identical rows of " + table.name.qualified());
            target::analyze_staging(table.table_id);
            target::number_identical_rows(table.table_id);
        }
        if (!catalog::complete_table_copy(table.table_id, consistency_of(table))) {
            return;  // a person has taken it out meanwhile: as it was
        }
        if (!table.staging) {
            catalog::forget_stale_quarantine(table.table_id);
        }
        transaction.commit();
    } catch (const pg::SqlError&) {
        std::optional<pg::SqlError> const table_error = error_of_table_alone();
        if (!table_error) {
            throw;
        }
        pg::Transaction transaction;
        if (waits_aside(*table_error)) {
            catalog::note_locked(table.table_id, *table_error);
        } else {
            catalog::fail_table(table.table_id, explained(*table_error, table.name));
        }
        transaction.commit();
    }
    pg::failure_point("after_primary_key");
}

/// Two rows with one id: the rule `keys` names columns that are not unique.
pg::SqlError Copy::explained(const pg::SqlError& error, const core::TableName& table) const {
    bool const by_rule = config_.keys.contains(table.table) || config_.keys.contains(table.qualified());
    if (!by_rule || error.sqlstate() != ERRCODE_UNIQUE_VIOLATION) {
        return error;
    }
    pg::SqlError::Fields fields = error.fields();
    fields.hint = "The columns that the rule keys names are not unique: name more of them, or remove the rule.";
    return pg::SqlError(std::move(fields));
}

void Copy::finish() {
    pg::WorkInHand const at_end({pg::Work::kSource, 0, 0});
    std::vector<catalog::LockedTable> aside;
    {
        pg::Transaction transaction;
        catalog::take_turn(context_.source_id, context_.generation);
        std::int64_t changes = 0;
        bool again = false;
        for (const catalog::CopyTable& table : catalog::tables_in_copy(context_.source_id)) {
            if (!table.staging) {
                continue;
            }
            pg::begin_phase(pg::WorkerPhase::kMerging, context_.source_id, table.table_id, 0,
                            "merging " + table.name.qualified());
            again = again || target::file_of(table.relation.relid) != table.target_file;
            changes += merge(table);
            target::release_staging(table.table_id, config_.mode == catalog::SourceMode::kPeriodic);
            pg::failure_point("merge_table");
        }
        catalog::forget_copy(context_.source_id);
        drop_forgotten_staging();
        aside = catalog::locked_tables(context_.source_id);
        catalog::end_copy(context_.source_id, context_.generation, held_at_end(), changes, core::needs_log(plan_),
                          aside.empty());
        if (core::needs_log(plan_)) {
            catalog::begin_catching_up(context_.source_id);
        }
        if (again && !core::is_followed(plan_)) {
            // A target was truncated or re-created while it was compared: what was found unchanged may be gone.
            catalog::request_sync(context_.source_id);
        }
        transaction.commit();
    }
    copier_.reset();
    snapshot_.reset();
    source_.discard_snapshots({});
    if (!aside.empty() && !core::needs_log(plan_)) {  // a stream copies them beside itself
        throw_not_refreshed(aside);
    }
}

/// Merges one table; an error of its own makes it fail alone. Returns the number of rows changed.
std::int64_t Copy::merge(const catalog::CopyTable& table) {
    pg::WorkInHand const at_table({pg::Work::kTable, table.table_id, 0});
    pg::failure_point("merge_rows", table.name.table);
    catalog::ChunkProgress const found = catalog::found_in_target(table.table_id);
    std::optional<target::IdFingerprint> fingerprint;
    if (found.unsure_rows == 0) {
        fingerprint = {found.found_rows, found.found_first, found.found_second};
    }
    target::MergeCounts counts;
    pg::TargetPatience const patience(locked_.patience_ms());
    std::optional<pg::SqlError> const error =
        merge_staged(context_, own_target(table, table.table_id, context_.owner), fingerprint, counts);
    if (error) {
        if (waits_aside(*error)) {
            locked_.waited_in_vain();
        }
        set_table_apart(table.table_id, *error);
        return 0;
    }
    catalog::record_merge(table.table_id, {.consistency = consistency_of(table),
                                           .inserted = counts.inserted,
                                           .updated = counts.updated,
                                           .deleted = counts.deleted,
                                           .request = has_key(table) ? 0 : request_served()});
    catalog::forget_stale_quarantine(table.table_id);
    return counts.total();
}

std::int64_t Copy::request_served() const { return require_state(context_.source_id).copy_sync_number; }

std::optional<core::Consistency> Copy::consistency_of(const catalog::CopyTable& table) const {
    if (core::reads_beside_log(plan_) && has_key(table)) {
        return std::nullopt;  // read at different times: the log will mend it
    }
    const core::TableInfo* const info = copier_->find(table.name);
    return info == nullptr ? core::Consistency::kState : info->consistency;
}

}  // namespace pgrepl::replication
