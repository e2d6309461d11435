// The changes of a batch on their way to the targets.

#include <utility>

#include "catalog/events.hpp"
#include "catalog/quarantine.hpp"
#include "catalog/table_life.hpp"
#include "catalog/target_indexes.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/spi.hpp"
#include "pg/work_in_hand.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/stream/stream.hpp"
#include "replication/stream/stream_table.hpp"

namespace pgrepl::replication {

void Stream::apply_changes(std::size_t from, std::size_t to) {
    std::set<Table*> touched;
    pg::WorkInHand at_rows({pg::Work::kSource, 0, 0});
    auto unreadable = batch_.unreadable.begin();
    for (std::size_t i = from; i < to; ++i) {
        while (unreadable != batch_.unreadable.end() && unreadable->change < i) {
            ++unreadable;
        }
        bool const is_unreadable = unreadable != batch_.unreadable.end() && unreadable->change == i;
        const core::Change& change = batch_.changes[i];
        Table* const table = table_of_batch_[change.table];
        if (table == nullptr || table->error || table->unread) {
            continue;
        }
        bool const is_first = touched.insert(table).second;
        if (pg::notes_each_table()) {
            at_rows.is_now({pg::Work::kTable, table->in_catalog.table_id, 0});
        }
        if (is_first) {
            pg::failure_point("take_apart", table->in_catalog.name.table);
        }
        add_change(change, is_unreadable ? &unreadable->error : nullptr);
    }
    for (Table* const table : touched) {
        write_table(*table);
    }
}

void Stream::add_change(const core::Change& change, const core::SourceError* unreadable) {
    Table& table = *table_of_batch_[change.table];
    const core::StreamedRows& rows = batch_.tables[change.table];
    target::RowEncoder& encoder = table.encoder_for(rows.layout);
    std::span<const core::Value> const first = rows.rows.row(change.row);
    bool const has_new_row = change.kind != core::ChangeKind::kDelete;
    std::span<const core::Value> const row =
        change.kind == core::ChangeKind::kUpdate ? rows.rows.row(change.row + 1) : first;
    if (change.kind == core::ChangeKind::kUpdate) {
        std::string const old_id = encoder.id_of(first);
        if (old_id != encoder.id_of(row)) {
            table.changes.remove(old_id);
        }
        ++table.counts.updated;
    } else if (change.kind == core::ChangeKind::kInsert) {
        ++table.counts.inserted;
    }
    if (!has_new_row) {
        table.changes.remove(encoder.id_of(row));
        ++table.counts.deleted;
    } else if (unreadable != nullptr) {
        table.changes.set_aside(encoder.id_of(row), pg::to_sql_error(*unreadable));
    } else {
        table.changes.put(encoder, row);
    }
}

void Stream::write_table(Table& table) {
    pg::WorkInHand const at_table({pg::Work::kTable, table.in_catalog.table_id, 0});
    pg::failure_point("apply_table", table.in_catalog.name.table);
    pg::TargetPatience const patience(locked_.patience_ms(table.in_catalog.table_id));
    std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] {
        {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            // After a copy the log repeats what the copy has read already.
            table.changes.write(open_own_target(table.target(context_.owner), target::TargetUse::kWrite),
                                streaming_ ? target::WhereSame::kRewrite : target::WhereSame::kLeave);
        }
        if (with_quarantine_.contains(table.in_catalog.table_id)) {
            catalog::release_keys(table.in_catalog.table_id, table.changes.ids());
        }
        if (!table.changes.refused().empty()) {
            with_quarantine_.insert(table.in_catalog.table_id);
            catalog::set_aside(context_.quarantine(table.in_catalog.table_id), table.changes.refused());
        }
        if (beside_.table_id() == table.in_catalog.table_id) {
            beside_.touch(table.changes);
        }
    });
    table.counts.tagged_values += static_cast<std::int64_t>(table.changes.rows().tagged_values());
    table.changes.clear();
    if (error) {
        set_apart(table, *error);
    } else {
        written_.insert(&table);
        pg::add_progress(table.counts.total());
    }
}

/// It takes no part in the transaction under way from now on. What other batches have written of it in this transaction
/// stays: it is not read any more as one that is up to date.
void Stream::set_apart(Table& table, const pg::SqlError& error) {
    if (!concerns_table_alone(error)) {
        throw pg::SqlError(error);
    }
    if (waits_aside(error)) {
        locked_.waited_in_vain();
    }
    table.error = error;
}

void Stream::note_unread_tables() {
    for (const core::SchemaChange& change : batch_.schema_changes) {
        auto const found = followed_.find(change.table);
        if (change.kind == core::SchemaChange::Kind::kRedefined && found != followed_.end()) {
            read_again_.forget(found->second->in_catalog.table_id);  // what was tried, was tried with another structure
        }
    }
    for (const core::UnreadTable& unread : batch_.unread_tables) {
        if (auto const found = followed_.find(unread.table); found != followed_.end()) {
            note_unread(*found->second, unread.error);
        }
    }
    for (std::size_t i = 0; i < batch_.tables.size(); ++i) {
        Table* const table = table_of_batch_[i];
        const std::string& column = batch_.tables[i].lacking_column;
        if (!column.empty() && table != nullptr && has_caught_up(*table)) {
            note_unread(*table, core::SourceError(core::SourceErrorKind::kTableChanged, 0,
                                                  "the changes of table " + table->in_catalog.name.qualified() +
                                                      " lack column \"" + column + "\"",
                                                  false, "No statement in the log has said that it is gone.",
                                                  "Copy the table again: replicator_resync(name, table)."));
        }
    }
}

/// The structure of others may be of a later time than their events: the statement in between will be met. What has
/// just caught up is read from the catalog a moment later.
bool Stream::has_caught_up(const Table& table) const {
    catalog::TableState const state = table.in_catalog.state;
    return state == catalog::TableState::kStreaming || (streaming_ && state == catalog::TableState::kCatchingUp);
}

void Stream::note_unread(Table& table, const core::SourceError& error) {
    if (!config_.is_continuous()) {  // a copy that needs no log is better than a table that lacks changes
        throw core::SourceError(core::SourceErrorKind::kUnsupported, error.code(), error.text(), false, error.detail(),
                                error.hint());
    }
    if (!table.unread) {
        table.unread = pg::to_sql_error(error);
        table.remedy = read_again_.remedy_for(table.in_catalog, position_);
        any_unread_ = true;
    }
}

void Stream::settle_unread_tables() {
    if (!std::exchange(any_unread_, false)) {
        return;
    }
    for (auto& [name, table] : followed_) {
        if (table->unread) {
            settle_unread(*table);
        }
    }
}

void Stream::settle_unread(Table& table) {
    pg::SqlError const error = *table.unread;
    std::int32_t const table_id = table.in_catalog.table_id;
    table.unread.reset();
    table.error.reset();
    if (table.remedy == ReadAgain::Remedy::kAwaited) {
        return;
    }
    touched_.insert(table_id);
    if (table.remedy == ReadAgain::Remedy::kNone) {
        read_again_.forget(table_id);
        return set_table_apart(table_id, error);
    }
    catalog::ask_for_copy(table_id, std::string(error.what()) + ": it is being read again beside the stream");
    if (table.remedy == ReadAgain::Remedy::kFirst) {
        pg::QueryResult const arguments =
            pg::execute("SELECT pg_catalog.jsonb_build_object('table', $1, 'error', $2, 'hint', $3)",
                        {table.in_catalog.name.qualified(), std::string(error.what()), error.fields().hint});
        catalog::record_work(config_.name, config_.owner, "table read again", arguments.text(0, 0));
    }
}

/// The window of the copy beside the stream; an error of that table makes it fail alone.
void Stream::write_window() {
    std::int32_t const table_id = beside_.table_id();
    pg::WorkInHand const at_table({pg::Work::kTable, table_id, 0});
    bool complete = false;
    pg::TargetPatience const patience(locked_.patience_ms(table_id));
    std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] { complete = beside_.write(streaming_); });
    if (error && !concerns_table_alone(*error)) {
        throw pg::SqlError(*error);
    }
    if (error) {
        if (waits_aside(*error)) {
            locked_.waited_in_vain();
        }
        set_table_apart(table_id, *error);
        beside_.stop();
    }
    if (complete || error) {
        touched_.insert(table_id);
    }
    if (complete) {
        catalog::look_for_index_work_at_commit(context_.source_id, table_id);
    }
}

}  // namespace pgrepl::replication
