// What is copied beside the stream, between its batches: tables in windows, and those without a key as a whole.

#include <algorithm>
#include <utility>

#include "replication/stream/stream.hpp"
#include "replication/stream/stream_table.hpp"

namespace pgrepl::replication {

const catalog::StreamTable* Stream::next_to_copy() const {
    const catalog::StreamTable* next = nullptr;
    for (const catalog::StreamTable& table : known_) {
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

/// Has a window read, or written if nothing is to be waited for. True if there may be more to do at once.
bool Stream::work_on_beside_copy() {
    if (!beside_.is_active()) {
        const catalog::StreamTable* const next = next_to_copy();
        if (next == nullptr || !is_shown()) {
            return false;
        }
        std::int32_t const id = next->table_id;
        pg::TargetPatience const patience(locked_.patience_ms(id));
        at_source(id, [&] { beside_.begin(*next); });
        if (beside_.is_active()) {
            read_again_.has_begun(beside_.table_id(), beside_.definition());
        }
        reload_tables(std::set{id});
        if (!beside_.is_active()) {
            return true;
        }
    }
    if (!beside_.has_window()) {
        if (!beside_.is_reading() && !is_shown()) {
            return false;
        }
        at_source(beside_.table_id(), [&] { beside_.read_window(); });
        if (!beside_.is_active()) {
            return true;
        }
    }
    if (!beside_.is_due(position_)) {
        return false;
    }
    begin_transaction();
    commit_transaction();
    take_up_touched();
    return true;
}

/// Reads and stages some rows of a table without a key, and merges it when all are in. True if there may be more to do
/// at once, false if rows are awaited.
bool Stream::work_on_keyless_refresh() {
    if (!keyless_.is_active() && (!next_keyless_ || !is_shown())) {
        return false;
    }
    std::int32_t const id = keyless_.is_active() ? keyless_.table_id() : next_keyless_->table_id;
    locked_.begin_batch();
    pg::TargetPatience const patience(locked_.patience_ms(id));
    bool went_on = true;
    at_source(id, [&] {
        if (keyless_.is_active()) {
            went_on = keyless_.step();
        } else {
            keyless_.begin(*std::exchange(next_keyless_, std::nullopt));
        }
    });
    if (!keyless_.is_active()) {
        reload_tables(std::set{id});
    }
    return went_on;
}

/// By time only where the stream stays.
int Stream::keyless_interval_ms() const noexcept {
    return config_.is_continuous() ? config_.keyless_refresh_interval_ms() : 0;
}

/// Something is being copied, or can be; tables that wait aside are left out.
bool Stream::is_copying() const {
    return beside_.is_active() || keyless_.is_active() || next_keyless_ || next_to_copy() != nullptr;
}

/// Nothing is left to be copied of what was asked for.
bool Stream::copies_are_in() const { return !awaits_copies() && !keyless_.is_active() && !next_keyless_; }

/// Not one that is left out until the open transaction of somebody else's, which can last as long as that likes, has
/// taken its target's name or not.
bool Stream::any_to_be_looked_at() const {
    return std::any_of(changed_.begin(), changed_.end(),
                       [&](const catalog::SourceTable& table) { return !open_names_.has_found_locked(table.id); });
}

/// Tables that wait aside among them, and those that are to be looked at.
bool Stream::awaits_copies() const {
    return any_to_be_looked_at() || discovery_due_ ||
           std::any_of(known_.begin(), known_.end(), [](const catalog::StreamTable& table) {
               return table.locked ||
                      (!table.keyless && (table.copy_bound || table.state == catalog::TableState::kPending));
           });
}

/// What has been left aside, and what is up to date again.
void Stream::note_locked_tables(const std::vector<catalog::StreamTable>& before,
                                const std::vector<catalog::StreamTable>& now) {
    std::set<std::int32_t> locked_before;
    for (const catalog::StreamTable& table : before) {
        if (table.locked) {
            locked_before.insert(table.table_id);
        }
    }
    for (const catalog::StreamTable& table : now) {
        if (table.locked && !locked_before.contains(table.table_id)) {
            locked_.left_aside(table.table_id);
        } else if (table.state == catalog::TableState::kStreaming || table.state == catalog::TableState::kIdle) {
            locked_.is_up_to_date(table.table_id);
        }
    }
}

}  // namespace pgrepl::replication
