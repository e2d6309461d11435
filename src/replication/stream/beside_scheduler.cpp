#include "replication/stream/beside_scheduler.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "catalog/source_state.hpp"
#include "catalog/table_life.hpp"
#include "pg/precondition.hpp"
#include "pg/transaction.hpp"
#include "replication/access/source_log.hpp"
#include "replication/stream/schema_effects.hpp"

namespace pgrepl::replication {

namespace {

using Clock = std::chrono::steady_clock;

/// A server shows what is in its log a moment later; what takes longer is not waited for a second time.
constexpr int kShownPatienceMs = 100;
/// For tables that statements have changed: there may be hundreds when a worker begins.
constexpr std::chrono::milliseconds kLookingTime{100};
/// Among the tables that are locked at the source: one of them is, nobody knows which.
constexpr std::int32_t kAllTables = 0;

}  // namespace

bool BesideScheduler::is_shown() {
    bool const shown = wait_until_visible(parts_.log, parts_.interrupts, parts_.applied.position, shown_patience_ms_);
    shown_patience_ms_ = shown ? kShownPatienceMs : 0;
    return shown;
}

/// What is read of a table that others have locked is tried again later.
void BesideScheduler::at_source(std::int32_t table_id, const std::function<void()>& read) {
    try {
        read();
        source_locks_.went_on(table_id);
    } catch (const core::SourceError& error) {
        if (error.kind() != core::SourceErrorKind::kTableLocked) {
            throw;
        }
        if (source_locks_.found_locked(table_id)) {
            pg::Transaction transaction;
            catalog::note_locked_at_source(table_id);
            transaction.commit();
        }
    }
}

bool BesideScheduler::look_at_changed_tables() {
    pg::expect_no_transaction();
    std::vector<catalog::SourceTable> due;
    for (const catalog::SourceTable& table : parts_.tables.changed()) {
        if (source_locks_.may_be_tried(table.id) && unsettled_.may_be_tried(table.id)) {
            due.push_back(table);
        }
    }
    if (parts_.tables.discovery_due() && !any_to_be_looked_at() && source_locks_.may_be_tried(kAllTables)) {
        return look_at_all_tables();
    }
    if (due.empty() || !is_shown()) {
        return false;
    }
    auto const until = Clock::now() + kLookingTime;
    parts_.locked.begin_batch();
    std::set<std::int32_t> seen;
    for (const catalog::SourceTable& table : due) {
        bool settled = true;
        at_source(table.id, [&] { settled = look_at_changed_table(table); });
        if (settled) {
            unsettled_.went_on(table.id);
        } else {
            (void)unsettled_.found_locked(table.id);
            parts_.locked.waited_in_vain();
        }
        seen.insert(table.id);
        if (Clock::now() > until) {
            break;
        }
    }
    reload_tables(seen);
    return true;
}

/// After a statement that did not name them, and that the source did not show then.
bool BesideScheduler::look_at_all_tables() {
    if (!is_shown()) {
        return false;
    }
    bool const by_others = parts_.rights.are_others();
    std::optional<TablesNow> const all = look_up_all_tables(parts_.source);
    if (!all) {
        (void)source_locks_.found_locked(kAllTables);
        return false;
    }
    source_locks_.went_on(kAllTables);
    {
        pg::TargetPatience const patience(parts_.locked.patience_ms());
        pg::Transaction transaction;
        catalog::take_turn(context_.source_id, context_.generation);
        settle_all_tables(parts_.config, parts_.source, *parts_.tables.discovery_due(), *all, parts_.locked);
        if (by_others) {
            parts_.rights.are_seen();
            catalog::save_rights(context_.source_id, parts_.rights.text());
        }
        transaction.commit();
    }
    reload_tables();
    return true;
}

/// False: it is to be looked at again.
bool BesideScheduler::look_at_changed_table(const catalog::SourceTable& table) {
    std::optional<core::TableInfo> now;
    std::optional<pg::SqlError> denied;
    try {
        now = parts_.rights.find_table(table.name);
    } catch (const core::SourceError& error) {
        if (error.kind() != core::SourceErrorKind::kTableDenied) {
            throw;
        }
        denied = pg::to_sql_error(error);
    }
    pg::TargetPatience const patience(parts_.locked.patience_ms(table.id));
    pg::Transaction transaction;
    catalog::take_turn(context_.source_id, context_.generation);
    bool const settled = settle_changed_table(parts_.config, table.name, now, denied);
    transaction.commit();
    return settled;
}

const catalog::StreamTable* BesideScheduler::next_to_copy() const {
    const catalog::StreamTable* next = nullptr;
    for (const catalog::StreamTable& table : parts_.tables.known()) {
        if (table.keyless || table.locked || table.changed || !source_locks_.may_be_tried(table.table_id)) {
            continue;
        }
        if (table.copy_bound) {
            return &table;  // one at a time, and first what was begun
        }
        if (table.state == catalog::TableState::kPending && next == nullptr) {
            next = &table;
        }
    }
    return next;
}

bool BesideScheduler::work_on_copy() {
    pg::expect_no_transaction();
    if (!parts_.beside.is_active()) {
        const catalog::StreamTable* const next = next_to_copy();
        if (next == nullptr || !is_shown()) {
            return false;
        }
        std::int32_t const id = next->table_id;
        pg::TargetPatience const patience(parts_.locked.patience_ms(id));
        at_source(id, [&] { parts_.beside.begin(*next); });
        if (parts_.beside.is_active()) {
            parts_.read_again.has_begun(parts_.beside.table_id(), parts_.beside.definition());
        }
        reload_tables(std::set{id});
        if (!parts_.beside.is_active()) {
            return true;
        }
    }
    if (!parts_.beside.has_window()) {
        if (!parts_.beside.is_reading() && !is_shown()) {
            return false;
        }
        at_source(parts_.beside.table_id(), [&] { parts_.beside.read_window(); });
        if (!parts_.beside.is_active()) {
            return true;
        }
    }
    return false;
}

bool BesideScheduler::work_on_keyless_refresh() {
    pg::expect_no_transaction();
    if (!keyless_.is_active() && (!parts_.tables.next_keyless() || !is_shown())) {
        return false;
    }
    std::int32_t const id = keyless_.is_active() ? keyless_.table_id() : parts_.tables.next_keyless()->table_id;
    parts_.locked.begin_batch();
    pg::TargetPatience const patience(parts_.locked.patience_ms(id));
    bool went_on = true;
    at_source(id, [&] {
        if (keyless_.is_active()) {
            went_on = keyless_.step();
        } else {
            keyless_.begin(parts_.tables.take_next_keyless());
        }
    });
    if (!keyless_.is_active()) {
        reload_tables(std::set{id});
    }
    return went_on;
}

bool BesideScheduler::is_copying() const {
    return parts_.beside.is_active() || keyless_.is_active() || parts_.tables.next_keyless() ||
           next_to_copy() != nullptr;
}

bool BesideScheduler::copies_are_in() const {
    return !awaits_copies() && !keyless_.is_active() && !parts_.tables.next_keyless();
}

/// Not one that is left out until the open transaction of somebody else's, which can last as long as that likes, has
/// taken its target's name or not; nor one that waits aside until its target may go.
bool BesideScheduler::any_to_be_looked_at() const {
    return std::any_of(parts_.tables.changed().begin(), parts_.tables.changed().end(),
                       [&](const catalog::SourceTable& table) { return !unsettled_.has_found_locked(table.id); });
}

bool BesideScheduler::awaits_copies() const {
    return any_to_be_looked_at() || parts_.tables.discovery_due() ||
           std::any_of(
               parts_.tables.known().begin(), parts_.tables.known().end(), [](const catalog::StreamTable& table) {
                   return table.locked ||
                          (!table.keyless && (table.copy_bound || table.state == catalog::TableState::kPending));
               });
}

/// What has been left aside, and what is up to date again.
void BesideScheduler::note_locked_tables(const FollowedTables::Reloaded& tables) {
    std::set<std::int32_t> locked_before;
    for (const catalog::StreamTable& table : tables.before) {
        if (table.locked) {
            locked_before.insert(table.table_id);
        }
    }
    for (const catalog::StreamTable& table : tables.now) {
        if (table.locked && !locked_before.contains(table.table_id)) {
            parts_.locked.left_aside(table.table_id);
        } else if (table.state == catalog::TableState::kStreaming || table.state == catalog::TableState::kIdle) {
            parts_.locked.is_up_to_date(table.table_id);
        }
    }
}

void BesideScheduler::met_statement() noexcept { shown_patience_ms_ = kShownPatienceMs; }

bool BesideScheduler::awaits_something() const {
    return is_copying() || !parts_.tables.changed().empty() || parts_.tables.discovery_due();
}

void BesideScheduler::reload_tables(const std::optional<FollowedTables::Ids>& ids) {
    FollowedTables::Reloaded const tables = parts_.tables.reload(ids, source_locks_.waiting());
    note_locked_tables(tables);
    auto const is_now = [&](std::int32_t id, auto&& condition) {
        return (ids && !ids->contains(id)) ||
               std::any_of(tables.now.begin(), tables.now.end(),
                           [&](const catalog::StreamTable& table) { return table.table_id == id && condition(table); });
    };
    if (keyless_.is_active() && !is_now(keyless_.table_id(), [](const catalog::StreamTable& table) {
            return table.copy_way == catalog::CopyWay::kWhole;
        })) {
        keyless_.stop();  // paused, dropped, asked for again, or it has a key now
    }
    if (parts_.beside.is_active() && !is_now(parts_.beside.table_id(), [](const catalog::StreamTable& table) {
            return table.copy_bound.has_value();
        })) {
        parts_.beside.stop();  // paused, dropped, or asked for again
    }
}

}  // namespace pgrepl::replication
