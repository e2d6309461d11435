#include "source/mysql/stream/transaction_batch.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>

namespace pgrepl::mysql {

using core::ChangeKind;

namespace {

/// Of a system-versioned table: whether the row is the current one, not a past state of it.
bool is_current(const core::Value& end) {
    // The last moment of a TIMESTAMP, as of MariaDB 11.5, too; or the last number of a transaction.
    return end.kind == core::ValueKind::kText
               ? end.view().starts_with("2038-01-19T03:14:07.999999") ||
                     end.view().starts_with("2106-02-07T06:28:15.999999")
               : end.kind == core::ValueKind::kUint64 && end.payload.uint64 == UINT64_MAX;
}

/// What the change is to those who see current rows only; nothing if it is none. Past states come as inserts of their
/// own, and a delete is an update of the row's end.
std::optional<core::Change> current_change(core::Change change, const core::RowBatch& rows, std::uint32_t end_column) {
    bool const before = is_current(rows.row(change.row)[end_column]);
    if (change.kind != ChangeKind::kUpdate) {
        return before ? std::optional(change) : std::nullopt;
    }
    bool const after = is_current(rows.row(change.row + 1)[end_column]);
    if (before && !after) {
        change.kind = ChangeKind::kDelete;
    } else if (!before && after) {
        change.kind = ChangeKind::kInsert;
        ++change.row;  // the row as it is
    }
    return before || after ? std::optional(change) : std::nullopt;
}

/// Of names that a server finds equal, as far as ASCII goes.
std::string folded(std::string name) {
    for (char& letter : name) {
        letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter | 0x20) : letter;
    }
    name.erase(name.find_last_not_of(' ') + 1);
    return name;
}

bool is_ascii(const std::string& name) {
    return std::all_of(name.begin(), name.end(), [](char letter) { return static_cast<unsigned char>(letter) < 0x80; });
}

void add_once(std::vector<core::UnreadTable>& tables, core::UnreadTable table) {
    bool const known = std::any_of(tables.begin(), tables.end(),
                                   [&](const core::UnreadTable& other) { return other.table == table.table; });
    if (!known) {
        tables.push_back(std::move(table));
    }
}

}  // namespace

void TransactionBatch::open(core::ChangeBatch& batch) {
    if (batch_ != nullptr) {
        changes_before_ += open_changes_;
    }
    batch_ = &batch;
    ++number_;
    bytes_ = 0;
    open_changes_ = 0;
}

void TransactionBatch::begin_transaction() {
    changes_before_ = 0;
    open_changes_ = 0;
    savepoints_.clear();
    schema_changes_.clear();
    unread_.clear();
}

core::RowBatch& TransactionBatch::rows_of(StreamedTable& table) {
    if (table.batch != number_) {
        table.batch = number_;
        table.index = static_cast<std::uint32_t>(batch_->tables.size());
        batch_->tables.emplace_back(table.name, table.layout);
        batch_->tables.back().lacking_column = table.lacking_column;
    }
    return batch_->tables[table.index].rows;
}

void TransactionBatch::add_rows(StreamedTable& table, const RowsEvent& event) {
    table.decoder.open(event);
    core::RowBatch& rows = rows_of(table);
    std::size_t const bytes_before = rows.size_bytes();
    // Also where a row cannot be read: those before it are in the batch.
    auto const count = [&] {
        bytes_ += rows.size_bytes() - bytes_before;
        open_changes_ = batch_->changes.size() - batch_->complete_changes;
    };
    try {
        add_all_rows(table, event.kind, rows);
    } catch (const core::SourceError&) {
        count();
        throw;
    }
    count();
}

void TransactionBatch::add_all_rows(StreamedTable& table, ChangeKind kind, core::RowBatch& rows) {
    for (auto row = static_cast<std::uint32_t>(rows.row_count()); table.decoder.next(rows);
         row = static_cast<std::uint32_t>(rows.row_count())) {
        std::optional<core::Change> change = core::Change{table.index, kind, row};
        if (table.end_column) {
            change = current_change(*change, rows, *table.end_column);
        }
        if (!change) {
            continue;
        }
        if (table.decoder.invalid_value()) {
            batch_->unreadable.push_back({batch_->changes.size(), *table.decoder.invalid_value()});
        }
        batch_->changes.push_back(*change);
    }
}

void TransactionBatch::add_unread(core::UnreadTable table) { add_once(unread_, std::move(table)); }

void TransactionBatch::tell_stranger(core::TableName table) { batch_->not_followed.push_back(std::move(table)); }

void TransactionBatch::add_schema_changes(std::vector<core::SchemaChange> changes) {
    std::move(changes.begin(), changes.end(), std::back_inserter(schema_changes_));
}

void TransactionBatch::tell(core::SchemaChange change) { batch_->schema_changes.push_back(std::move(change)); }

void TransactionBatch::end_transaction(std::int64_t commit_time_us) {
    batch_->complete_changes = batch_->changes.size();
    std::move(schema_changes_.begin(), schema_changes_.end(), std::back_inserter(batch_->schema_changes));
    for (core::UnreadTable& table : unread_) {
        add_once(batch_->unread_tables, std::move(table));
    }
    ++batch_->transactions;
    batch_->commit_time_us = commit_time_us;
    begin_transaction();
}

void TransactionBatch::set_savepoint(const std::string& name) {
    savepoints_.emplace_back(folded(name), changes_before_ + open_changes_);
}

bool TransactionBatch::can_find(const std::string& name) const {
    std::string const wanted = folded(name);
    return std::any_of(savepoints_.begin(), savepoints_.end(), [&](const auto& s) { return s.first == wanted; }) ||
           (is_ascii(wanted) &&
            std::all_of(savepoints_.begin(), savepoints_.end(), [](const auto& s) { return is_ascii(s.first); }));
}

/// One that is not in the log was set before the transaction's first change.
bool TransactionBatch::roll_back_to(const std::string& name) {
    auto const found = std::find_if(savepoints_.rbegin(), savepoints_.rend(),
                                    [wanted = folded(name)](const auto& s) { return s.first == wanted; });
    return truncate(found == savepoints_.rend() ? 0 : found->second);
}

bool TransactionBatch::roll_back() { return truncate(0); }

void TransactionBatch::withdraw() {
    batch_->withdrawn = batch_->withdrawn || changes_before_ != 0;
    changes_before_ = 0;
    (void)truncate(0);
    begin_transaction();
}

/// The rows stay where they are; no change points to them any more.
bool TransactionBatch::truncate(std::size_t changes_of_transaction) {
    if (changes_of_transaction >= changes_before_ + open_changes_) {
        return true;
    }
    if (changes_of_transaction < changes_before_) {
        return false;
    }
    open_changes_ = changes_of_transaction - changes_before_;
    batch_->changes.resize(batch_->complete_changes + open_changes_);
    while (!batch_->unreadable.empty() && batch_->unreadable.back().change >= batch_->changes.size()) {
        batch_->unreadable.pop_back();
    }
    return true;
}

}  // namespace pgrepl::mysql
