#pragma once
// Change capture: what an adapter reads from its source's log, and in which form it hands it over.
//
// A stream begins after a position and gives every later change of the tables that it follows, in the order of the
// log. Only transactions that the source has committed are given. A transaction is applied as a whole; one that does
// not fit into a batch comes in several, and only the batch with its end has a position after it.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/position.hpp"
#include "core/row_batch.hpp"
#include "core/source_error.hpp"
#include "core/table_name.hpp"

namespace pgrepl::core {

enum class ChangeKind : std::uint8_t {
    kInsert,  ///< one row
    kUpdate,  ///< two rows: as it was, and after it as it is
    kDelete,  ///< one row, of which only the columns of the key are looked at: those of the row as it was
    kPut,     ///< one row as it is, whether it was there before or not. Its key is unchanged, and how it was unknown
};

/// One change of one row.
struct Change {
    std::uint32_t table = 0;  ///< index into ChangeBatch::tables
    ChangeKind kind = ChangeKind::kInsert;
    std::uint32_t row = 0;  ///< index of its first row in that table's rows
};

/// A change of a table's structure or existence, as a statement in the log made it.
struct SchemaChange {
    enum class Kind : std::uint8_t {
        kCreated,          ///< also by CREATE TABLE … SELECT: its rows are there already, or come after
        kCreatedIfAbsent,  ///< the same, unless a table of that name was there
        kDropped,          ///<
        kRenamed,          ///< `table` is now `renamed_to`
        kTruncated,        ///< all rows are gone; the structure stays
        kAltered,          ///< columns, types, keys or the rows themselves may be others now
        kRedefined,        ///< columns and rows are the same; its engine, its indexes or foreign keys may be others
        /// as kRedefined; and rows may be gone: damaged ones, if its engine has no transactions, or those that the log
        /// has before it, if it had another engine then
        kMaintained,
        kDatabaseDropped,  ///< all tables of database `table.database`
        kNotUnderstood,    ///< the statement may have done anything to the tables whose names are in `text`
        /// Rights to `table`, or, if that has no name, to any, may be others now: Source::rights() says whether ours
        /// are.
        kRights,
        /// Rows of tables that cannot be told may have been changed: `note` says why. `table`, if it has a name, is the
        /// one of a statement whose rows are not in the log.
        kUnreadRows,
        /// The source has crashed, and may have lost changes that it had logged: of any table, or, if `keeps_commits`,
        /// of those that Source::survives_crash() does not name. `note` says why.
        kCrashed,
    };

    Kind kind = Kind::kAltered;
    TableName table;
    TableName renamed_to;
    std::string statement;  ///< as the log has it, at most 1,000 bytes of it, without secrets; UTF-8
    /// Of kNotUnderstood: the whole statement, in which names stand in their comparable form (NameRules). Empty if none
    /// of its words is certain: it may concern any table.
    std::string text = {};
    std::string note = {};       ///< of kUnreadRows: what could not be read, where, and what is to be done about it
    bool keeps_commits = false;  ///< of kCrashed
};

/// Rows of one table with one structure.
struct StreamedRows {
    StreamedRows(TableName name, std::shared_ptr<const RowLayout> row_layout)
        : table(std::move(name)), layout(std::move(row_layout)), rows(layout->columns.size()) {}

    TableName table;
    std::shared_ptr<const RowLayout> layout;  ///< the same object as long as the structure is the same
    RowBatch rows;
    /// A column that FollowedTable::structure has, and these rows have not; empty: none. They are of another structure.
    std::string lacking_column;
};

/// A change of which some value cannot be represented.
struct UnreadableChange {
    std::size_t change = 0;  ///< index into ChangeBatch::changes
    SourceError error;
};

/// A table of which something in the log could not be read. Of its changes some are missing; of the others' none are.
struct UnreadTable {
    TableName table;
    SourceError error;  ///< names the table and the place
};

/// What one read() gives. Filled by the adapter, then only read.
struct ChangeBatch {
    std::deque<StreamedRows> tables;
    std::vector<Change> changes;               ///< in the order of the log
    std::vector<UnreadableChange> unreadable;  ///< by change
    /// Each table once, by transactions that have ended. They go on being followed: the caller decides what becomes of
    /// them.
    std::vector<UnreadTable> unread_tables;
    /// Tables that are not followed, and of which transactions that have ended changed rows: each once, until a
    /// statement names it. Perhaps nobody knows of them, because what made them is not in the log.
    std::vector<TableName> not_followed;
    /// The changes that belong to complete transactions; those after them begin (or go on with) one whose end comes in
    /// a later batch.
    std::size_t complete_changes = 0;
    /// The transaction that the last batch left open will not end, and was never committed: what has been given of it
    /// is void. The changes of this batch are others'.
    bool withdrawn = false;
    /// After the last complete transaction, and after what stands between transactions and was told; empty if no
    /// transaction ended in this batch, and nothing was told. It also moves when nothing of the tables that are
    /// followed was changed.
    Position position;
    std::int64_t transactions = 0;    ///< that ended in this batch, also those without changes for us
    std::int64_t commit_time_us = 0;  ///< of the last of them, at the source: microseconds since 1970 UTC; 0: unknown
    /// Made after all changes of this batch, by the last transactions of it; the batch ends with them, so that the
    /// caller can call follow() before the next read().
    std::vector<SchemaChange> schema_changes;
    bool at_end_of_log = false;    ///< the source has said that there was nothing more when the batch ended
    std::uint64_t bytes_read = 0;  ///< of the log, for this batch

    [[nodiscard]] bool transaction_open() const noexcept { return changes.size() > complete_changes; }

    void clear() {
        tables.clear();
        changes.clear();
        unreadable.clear();
        unread_tables.clear();
        not_followed.clear();
        complete_changes = 0;
        withdrawn = false;
        position.text.clear();
        transactions = 0;
        commit_time_us = 0;
        schema_changes.clear();
        at_end_of_log = false;
        bytes_read = 0;
    }
};

/// How much one read() may put into a batch. One event of the log may exceed it.
struct StreamLimits {
    std::size_t changes = 10'000;
    std::size_t bytes = 8 << 20;
    int wait_ms = 500;  ///< for something to come, while nothing is in the batch and no transaction is open
};

/// A table that is followed.
struct FollowedTable {
    TableName name;
    std::string structure;  ///< TableInfo::structure, as it was at the stream's position
};

struct StreamRequest {
    Position position;            ///< begin after it
    std::uint32_t reader_id = 0;  ///< by which the source tells its readers apart: unique, and kept (MySQL: server_id)
    std::vector<FollowedTable> tables;
};

class ChangeStream {
  public:
    virtual ~ChangeStream() = default;

    /// The position after which it began: that of the request, in the words of the source as it is now.
    [[nodiscard]] virtual Position start() const = 0;

    /// Why what has been read before may lack changes that the source holds: another server answers than the one that
    /// it was read from, and has changes of before the switch that were not read. Empty: it does not. Read after
    /// open_stream().
    [[nodiscard]] virtual std::string doubt() const = 0;

    /// Clears `batch` and fills it with what comes next. Returns as soon as it has something and no more is there to be
    /// read at once, or a limit is reached, or a schema change was met; within a transaction it waits for more.
    /// Throws kPositionLost if the log no longer reaches back, kDiverged if it never held the position.
    virtual void read(ChangeBatch& batch, const StreamLimits& limits) = 0;

    /// From now on changes of this table are given, with this structure.
    virtual void follow(const FollowedTable& table) = 0;

    /// From now on they are not.
    virtual void forget(const TableName& table) = 0;
};

}  // namespace pgrepl::core
