#pragma once
// Fills a core::ChangeBatch: changes of the transaction that is open, after those of complete ones, and what becomes
// of them at its end.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/stream.hpp"
#include "source/mysql/binlog/rows_event.hpp"
#include "source/mysql/stream/stream_tables.hpp"

namespace pgrepl::mysql {

class TransactionBatch {
  public:
    /// Begins to fill `batch`, which is empty. A transaction may be open.
    void open(core::ChangeBatch& batch);

    void begin_transaction();
    /// All rows of an event. After an error those before the row that cannot be read are in the batch.
    void add_rows(StreamedTable& table, const RowsEvent& event);
    /// Changes of the table are missing; told when the transaction has ended.
    void add_unread(core::UnreadTable table);
    /// Its rows were changed, and it is not followed. Of a transaction that has just ended.
    void tell_stranger(core::TableName table);
    void add_schema_changes(std::vector<core::SchemaChange> changes);
    /// Between transactions.
    void tell(core::SchemaChange change);
    /// `commit_time_us`: 0 if it is not known.
    void end_transaction(std::int64_t commit_time_us);

    /// Names are compared as servers do, without regard to case; but for letters beyond ASCII.
    void set_savepoint(const std::string& name);
    /// False if it cannot be told to which savepoint the name belongs.
    [[nodiscard]] bool can_find(const std::string& name) const;
    /// Takes back what came since. False if some of it has been handed out already.
    [[nodiscard]] bool roll_back_to(const std::string& name);
    [[nodiscard]] bool roll_back();
    /// The open transaction will not end, or not yet: what has been handed out of it is void.
    void withdraw();

    /// Whether the open transaction has changed tables that are followed.
    [[nodiscard]] bool has_changes() const noexcept { return changes_before_ + open_changes_ != 0; }
    /// The same, also of what could not be read.
    [[nodiscard]] bool concerns_us() const noexcept { return has_changes() || !unread_.empty(); }
    /// Bytes of the rows in the batch.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// Ended in this batch.
    [[nodiscard]] std::int64_t transactions() const noexcept { return batch_->transactions; }

  private:
    core::RowBatch& rows_of(StreamedTable& table);
    void add_all_rows(StreamedTable& table, core::ChangeKind kind, core::RowBatch& rows);
    bool truncate(std::size_t changes_of_transaction);

    core::ChangeBatch* batch_ = nullptr;
    std::uint64_t number_ = 0;
    std::size_t bytes_ = 0;
    std::size_t changes_before_ = 0;  ///< of the open transaction, in earlier batches
    std::size_t open_changes_ = 0;    ///< of the open transaction, in this batch
    std::vector<core::SchemaChange> schema_changes_;
    std::vector<core::UnreadTable> unread_;
    std::vector<std::pair<std::string, std::size_t>> savepoints_;  ///< and how many changes there were
};

}  // namespace pgrepl::mysql
