#pragma once
// The writer of one transaction on the targets: changes of rows, changes of tables, the window of the copy beside the
// stream, and with them the position and the counters.
//
//   begin    takes the source's turn: a worker that has been replaced writes nothing
//   apply    of each key the last change; one write and one delete a table; rows that are refused are set aside
//   settle   the window, tables that failed, tables of which something could not be read: their entries in the catalog
//            are written last, so that no target is waited for while a control call needs one of them
//   commit   rows, position and counters together
//
// What fails for one table is rolled back to a savepoint and takes it out of the transaction; the others go on. Entries
// of the catalog that the transaction has changed are kept as touched: the stream reloads them before it reads on.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "catalog/source_config.hpp"
#include "catalog/stream_state.hpp"
#include "core/source.hpp"
#include "core/stream.hpp"
#include "pg/transaction.hpp"
#include "replication/access/locked_targets.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "replication/stream/beside_copy.hpp"
#include "replication/stream/followed_tables.hpp"
#include "replication/stream/read_again.hpp"
#include "replication/stream/schema_effects.hpp"
#include "replication/stream/table_in_stream.hpp"

namespace pgrepl::replication {

/// How far the stream is.
struct Applied {
    core::Position position;     ///< though perhaps not committed yet
    catalog::StreamTimes times;  ///< of the position
    bool streaming = false;      ///< else catching up
};

/// Entries of the catalog that are to be read again.
struct Touched {
    std::set<std::int32_t> ids;
    bool all = false;  ///< perhaps

    [[nodiscard]] bool any() const noexcept { return all || !ids.empty(); }
};

class TransactionWriter {
  public:
    /// All of them outlive it.
    struct Parts {
        const catalog::SourceConfig& config;
        core::Source& source;
        FollowedTables& tables;
        LockedTargets& locked;
        ReadAgain& read_again;
        BesideCopy& beside;
        const Applied& applied;
    };
    TransactionWriter(const CopyContext& context, const Parts& parts) : context_(context), parts_(parts) {}

    /// A transaction of the source may be half way through, and then no other transaction can be started.
    [[nodiscard]] bool is_open() const noexcept { return transaction_.has_value(); }

    /// `batch` lives until the next one is taken up. Notes the tables of which something in it could not be read.
    void take_up(const core::ChangeBatch& batch);
    [[nodiscard]] bool has_unread() const noexcept { return any_unread_; }

    void begin();
    /// The batch's changes from one index to before another.
    void apply(std::size_t from, std::size_t to);
    /// After the changes of rows that the log has before the statements.
    void apply_schema_changes(const std::vector<core::SchemaChange>& changes, const TablesNow& now);
    /// The tables that the batch has rows of, and that are not followed.
    void note_strangers();
    /// The window of the copy beside, if the position is one to write it at, and what has failed. No target is waited
    /// for from here on.
    void settle();
    /// Counters, and the position.
    void commit();
    /// The source will never commit what has been written of its transaction.
    void withdraw();

    /// Also by others, in the transaction that is open.
    void touch_all() noexcept { touched_.all = true; }
    [[nodiscard]] bool has_touched() const noexcept { return touched_.any(); }
    [[nodiscard]] Touched take_touched() { return std::exchange(touched_, {}); }

  private:
    void add_change(const core::Change& change, const core::SourceError* unreadable);
    void write_table(TableInStream& table);
    void set_apart(TableInStream& table, const pg::SqlError& error);
    void write_window();
    void note_unread_tables();
    [[nodiscard]] bool has_caught_up(const TableInStream& table) const;
    void note_unread(TableInStream& table, const core::SourceError& error);
    void settle_unread_tables();
    void settle_unread(TableInStream& table);

    CopyContext context_;
    Parts parts_;
    const core::ChangeBatch* batch_ = nullptr;
    std::vector<TableInStream*> table_of_batch_;  ///< by index into batch_->tables; null: not followed
    std::optional<pg::Transaction> transaction_;
    std::set<std::int32_t> with_quarantine_;
    std::set<TableInStream*> written_;  ///< in the transaction under way
    bool any_unread_ = false;           ///< tables of which something could not be read, and that are to be settled
    Touched touched_;
};

}  // namespace pgrepl::replication
