#include "replication/stream/transaction_writer.hpp"

#include <utility>

#include "catalog/events.hpp"
#include "catalog/quarantine.hpp"
#include "catalog/source_state.hpp"
#include "catalog/table_life.hpp"
#include "catalog/target_indexes.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/spi.hpp"
#include "pg/work_in_hand.hpp"
#include "replication/access/error_policy.hpp"

namespace pgrepl::replication {

void TransactionWriter::take_up(const core::ChangeBatch& batch) {
    batch_ = &batch;
    table_of_batch_.clear();
    for (const core::StreamedRows& rows : batch.tables) {
        table_of_batch_.push_back(parts_.tables.find(rows.table));
    }
    note_unread_tables();
}

void TransactionWriter::begin() {
    transaction_.emplace();
    catalog::take_turn(context_.source_id, context_.generation);
    std::vector<std::int32_t> const tables = catalog::tables_with_quarantine(context_.source_id);
    with_quarantine_ = {tables.begin(), tables.end()};
    parts_.locked.begin_batch();
}

void TransactionWriter::apply(std::size_t from, std::size_t to) {
    std::set<TableInStream*> touched;
    pg::WorkInHand at_rows({pg::Work::kSource, 0, 0});
    auto unreadable = batch_->unreadable.begin();
    for (std::size_t i = from; i < to; ++i) {
        while (unreadable != batch_->unreadable.end() && unreadable->change < i) {
            ++unreadable;
        }
        bool const is_unreadable = unreadable != batch_->unreadable.end() && unreadable->change == i;
        const core::Change& change = batch_->changes[i];
        TableInStream* const table = table_of_batch_[change.table];
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
    for (TableInStream* const table : touched) {
        write_table(*table);
    }
}

void TransactionWriter::add_change(const core::Change& change, const core::SourceError* unreadable) {
    TableInStream& table = *table_of_batch_[change.table];
    const core::StreamedRows& rows = batch_->tables[change.table];
    target::RowEncoder& encoder = table.encoder_for(rows.layout);
    bool const is_update = change.kind == core::ChangeKind::kUpdate;
    table.changes.add(change.kind, encoder, rows.rows.row(change.row),
                      is_update ? rows.rows.row(change.row + 1) : std::span<const core::Value>(), unreadable);
    table.counts.add(change.kind);
}

void TransactionWriter::write_table(TableInStream& table) {
    pg::WorkInHand const at_table({pg::Work::kTable, table.in_catalog.table_id, 0});
    pg::failure_point("apply_table", table.in_catalog.name.table);
    pg::TargetPatience const patience(parts_.locked.patience_ms(table.in_catalog.table_id));
    std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] {
        {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            // After a copy the log repeats what the copy has read already.
            table.changes.write(open_own_target(table.target(context_.owner), target::TargetUse::kWrite),
                                parts_.applied.streaming ? target::WhereSame::kRewrite : target::WhereSame::kLeave);
        }
        if (with_quarantine_.contains(table.in_catalog.table_id)) {
            catalog::release_keys(table.in_catalog.table_id, table.changes.ids());
        }
        if (!table.changes.refused().empty()) {
            with_quarantine_.insert(table.in_catalog.table_id);
            catalog::set_aside(context_.quarantine(table.in_catalog.table_id), table.changes.refused());
        }
        if (parts_.beside.table_id() == table.in_catalog.table_id) {
            parts_.beside.touch(table.changes);
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
void TransactionWriter::set_apart(TableInStream& table, const pg::SqlError& error) {
    if (!concerns_table_alone(error)) {
        throw pg::SqlError(error);
    }
    if (waits_aside(error)) {
        parts_.locked.waited_in_vain();
    }
    table.error = error;
}

void TransactionWriter::note_unread_tables() {
    for (const core::SchemaChange& change : batch_->schema_changes) {
        TableInStream* const table = parts_.tables.find(change.table);
        if (change.kind == core::SchemaChange::Kind::kRedefined && table != nullptr) {
            parts_.read_again.forget(table->in_catalog.table_id);  // what was tried, was tried with another structure
        }
    }
    for (const core::UnreadTable& unread : batch_->unread_tables) {
        if (TableInStream* const table = parts_.tables.find(unread.table); table != nullptr) {
            note_unread(*table, unread.error);
        }
    }
    for (std::size_t i = 0; i < batch_->tables.size(); ++i) {
        TableInStream* const table = table_of_batch_[i];
        const std::string& column = batch_->tables[i].lacking_column;
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
bool TransactionWriter::has_caught_up(const TableInStream& table) const {
    catalog::TableState const state = table.in_catalog.state;
    return state == catalog::TableState::kStreaming ||
           (parts_.applied.streaming && state == catalog::TableState::kCatchingUp);
}

void TransactionWriter::note_unread(TableInStream& table, const core::SourceError& error) {
    if (!core::is_followed(parts_.config.plan)) {  // a copy that needs no log is better than a table that lacks changes
        throw core::SourceError(core::SourceErrorKind::kUnsupported, error.code(), error.text(), false, error.detail(),
                                error.hint());
    }
    if (!table.unread) {
        table.unread = pg::to_sql_error(error);
        table.remedy = parts_.read_again.remedy_for(table.in_catalog, parts_.applied.position);
        any_unread_ = true;
    }
}

void TransactionWriter::settle_unread_tables() {
    if (!std::exchange(any_unread_, false)) {
        return;
    }
    for (auto const& [name, table] : parts_.tables.followed()) {
        if (table->unread) {
            settle_unread(*table);
        }
    }
}

void TransactionWriter::settle_unread(TableInStream& table) {
    pg::SqlError const error = *table.unread;
    std::int32_t const table_id = table.in_catalog.table_id;
    table.unread.reset();
    table.error.reset();
    if (table.remedy == ReadAgain::Remedy::kAwaited) {
        return;
    }
    touched_.ids.insert(table_id);
    if (table.remedy == ReadAgain::Remedy::kNone) {
        parts_.read_again.forget(table_id);
        return set_table_apart(table_id, error);
    }
    catalog::ask_for_copy(table_id, std::string(error.what()) + ": it is being read again beside the stream");
    if (table.remedy == ReadAgain::Remedy::kFirst) {
        pg::QueryResult const arguments =
            pg::execute("SELECT pg_catalog.jsonb_build_object('table', $1, 'error', $2, 'hint', $3)",
                        {table.in_catalog.name.qualified(), std::string(error.what()), error.fields().hint});
        catalog::record_work(parts_.config.name, parts_.config.owner, "table read again", arguments.text(0, 0));
    }
}

/// The window of the copy beside the stream; an error of that table makes it fail alone.
void TransactionWriter::write_window() {
    std::int32_t const table_id = parts_.beside.table_id();
    pg::WorkInHand const at_table({pg::Work::kTable, table_id, 0});
    bool complete = false;
    pg::TargetPatience const patience(parts_.locked.patience_ms(table_id));
    std::optional<pg::SqlError> const error =
        pg::run_in_subtransaction([&] { complete = parts_.beside.write(parts_.applied.streaming); });
    if (error && !concerns_table_alone(*error)) {
        throw pg::SqlError(*error);
    }
    if (error) {
        if (waits_aside(*error)) {
            parts_.locked.waited_in_vain();
        }
        set_table_apart(table_id, *error);
        parts_.beside.stop();
    }
    if (complete || error) {
        touched_.ids.insert(table_id);
    }
    if (complete) {
        catalog::look_for_index_work_at_commit(context_.source_id, table_id);
    }
}

void TransactionWriter::apply_schema_changes(const std::vector<core::SchemaChange>& changes, const TablesNow& now) {
    settle_unread_tables();  // what the statements say of them is newer
    for (const core::SchemaChange& change : changes) {
        if (TableInStream* const table = parts_.tables.find(change.table); table != nullptr) {
            parts_.read_again.forget(table->in_catalog.table_id);
        }
    }
    pg::TargetPatience const patience(parts_.locked.patience_ms());
    std::optional<std::set<std::int32_t>> touched =
        replication::apply_schema_changes(parts_.config, parts_.source, changes, now, parts_.locked);
    touched_.all = touched_.all || !touched;
    touched_.ids.merge(std::move(touched).value_or(std::set<std::int32_t>{}));
}

void TransactionWriter::note_strangers() {
    touched_.ids.merge(replication::note_strangers(parts_.config, parts_.source, batch_->not_followed, parts_.locked));
}

void TransactionWriter::settle() {
    if (parts_.beside.is_due(parts_.applied.position)) {
        write_window();
    }
    settle_unread_tables();
    for (auto const& [name, table] : parts_.tables.followed()) {
        if (table->error) {
            set_table_apart(table->in_catalog.table_id, *table->error);
            table->error.reset();
            touched_.ids.insert(table->in_catalog.table_id);
        }
    }
}

void TransactionWriter::commit() {
    std::vector<catalog::ChangeCounts> counts;
    for (TableInStream* const table : written_) {
        counts.push_back(table->counts);
        table->counts = {.table_id = table->in_catalog.table_id};
    }
    catalog::add_changes(context_.source_id, counts);
    catalog::save_position(context_.source_id, parts_.applied.position.text, parts_.applied.times);
    pg::failure_point("before_stream_commit");
    transaction_->commit();
    transaction_.reset();
    pg::failure_point("after_stream_commit");
    written_.clear();
}

void TransactionWriter::withdraw() {
    transaction_.reset();
    written_.clear();
    for (auto const& [name, table] : parts_.tables.followed()) {
        table->counts = {.table_id = table->in_catalog.table_id};
        table->error.reset();
        table->unread.reset();
    }
    any_unread_ = false;
    touched_ = {};
    parts_.beside.stop();  // its window lacks the keys that the transaction has touched
}

}  // namespace pgrepl::replication
