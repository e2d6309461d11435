// What is copied beside the stream, between its batches: tables in windows, and those without a key as a whole.

#include <algorithm>

#include "replication/stream.hpp"
#include "replication/stream_table.hpp"

namespace pgrepl::replication {

const catalog::StreamTable* Stream::next_to_copy() const {
    const catalog::StreamTable* next = nullptr;
    for (const catalog::StreamTable& table : known_) {
        if (table.keyless || table.locked) {
            continue;
        }
        if (table.beside_bound) {
            return &table;  // one at a time, and first what was begun
        }
        if (table.state == "pending" && next == nullptr) {
            next = &table;
        }
    }
    return next;
}

/// Has a window read, or written if nothing is to be waited for.
void Stream::work_on_beside_copy() {
    if (!beside_.is_active()) {
        const catalog::StreamTable* const table = next_to_copy();
        if (table == nullptr) {
            return;
        }
        pg::TargetPatience const patience(locked_.patience_ms(table->table_id));
        beside_.begin(*table);
        if (beside_.is_active()) {
            read_again_.has_begun(beside_.table_id(), beside_.definition());
        }
        reload_tables();
        if (!beside_.is_active()) {
            return;
        }
    }
    if (!beside_.has_window()) {
        beside_.read_window(position_);
    }
    if (beside_.is_due(position_)) {
        begin_transaction();
        commit_transaction();
    }
}

/// Reads and stages some rows of a table without a key, and merges it when all are in.
void Stream::work_on_keyless_refresh() {
    locked_.begin_batch();
    pg::TargetPatience const patience(
        locked_.patience_ms(keyless_.is_active() || !next_keyless_ ? keyless_.table_id() : next_keyless_->table_id));
    if (!keyless_.is_active() && next_keyless_) {
        keyless_.begin(*next_keyless_);
        next_keyless_.reset();
    } else if (keyless_.is_active()) {
        keyless_.step();
    } else {
        return;
    }
    if (!keyless_.is_active()) {
        reload_tables();
    }
}

/// By time only where the stream stays.
int Stream::keyless_interval_ms() const noexcept {
    return config_.is_continuous() ? config_.keyless_refresh_interval_ms() : 0;
}

/// Nothing is left to be copied of what was asked for.
bool Stream::copies_are_in() const { return !awaits_copies() && !keyless_.is_active() && !next_keyless_; }

/// Tables that wait aside among them.
bool Stream::awaits_copies() const {
    return std::any_of(known_.begin(), known_.end(), [](const catalog::StreamTable& table) {
        return table.locked || (!table.keyless && (table.beside_bound || table.state == "pending"));
    });
}

/// What has been left aside, and what is up to date again.
void Stream::note_locked_tables(const std::vector<catalog::StreamTable>& before) {
    std::set<std::int32_t> locked_before;
    for (const catalog::StreamTable& table : before) {
        if (table.locked) {
            locked_before.insert(table.table_id);
        }
    }
    for (const catalog::StreamTable& table : known_) {
        if (table.locked && !locked_before.contains(table.table_id)) {
            locked_.left_aside(table.table_id);
        } else if (table.state == "streaming" || table.state == "idle") {
            locked_.is_up_to_date(table.table_id);
        }
    }
}

}  // namespace pgrepl::replication
