#pragma once
// The stream of a source, as its source worker drives it: reads the source's log and applies it, whole transactions at
// a time, with the position in the same transaction here. Between batches it copies tables that were added, resynced or
// changed by a statement (beside_copy.hpp).
//
//   read      a batch of the log, without a transaction here
//   apply     of each key the last change; one write and one delete a table; rows that are refused are set aside
//   commit    rows, position and counters together
//
// A transaction of the source that is larger than a batch is written as it comes, into one transaction here that stays
// open until the source's has ended. Adapters give only what the source has committed, so there is nothing to wait for
// but the network; when that fails, the transaction here is rolled back. The one exception, a transaction that a crash
// of the source has cut off in its log, is rolled back, too.
//
// A table that cannot be written fails alone: the stream forgets it, and resync copies it again. One whose target
// others have locked for longer than we wait leaves the stream, too, and is copied beside it when the lock is gone.
// One of which something in the log cannot be read is copied again (read_again.hpp).
//
// What is read of the source beside the log (tables that a statement has changed, windows, tables without a key) is
// read when the source shows what was applied, and delays the stream by a moment at most: neither a commit that the
// source does not show yet nor a table that others have locked there is waited for, but tried again.
//
// The stream of a source in mode once ends itself, in the transaction that makes the target one state of the source.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catalog/source_config.hpp"
#include "catalog/stream_state.hpp"
#include "catalog/tables.hpp"
#include "core/source.hpp"
#include "core/stream.hpp"
#include "pg/transaction.hpp"
#include "replication/access/locked_targets.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/access/source_locks.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "replication/stream/beside_copy.hpp"
#include "replication/stream/keyless_refresh.hpp"
#include "replication/stream/read_again.hpp"
#include "replication/stream/schema_effects.hpp"
#include "targets/row_encoder.hpp"
#include "targets/table_changes.hpp"

namespace pgrepl::replication {

class Stream {
  public:
    /// `config`, `source` and `interrupts` outlive it.
    Stream(const CopyContext& context, const catalog::SourceConfig& config, core::Source& source,
           core::Interrupts& interrupts);
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream();

    /// Goes on after the position that the catalog has. Throws SourceError, SqlError.
    void open();

    /// Reads what comes within half a second, and applies it.
    void step();

    /// Of a source that is not continuous: the target has become one state of the source, and the log was left.
    [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

    /// A transaction of the source is half way through: no other transaction can be started.
    [[nodiscard]] bool in_transaction() const noexcept { return transaction_.has_value(); }

  private:
    struct Table;
    using Clock = std::chrono::steady_clock;

    void settle_doubt(const std::string& doubt);
    void do_between_batches();
    [[nodiscard]] bool tables_are_others();
    void reload_tables(const std::optional<std::set<std::int32_t>>& ids = {});
    [[nodiscard]] bool look_at_changed_tables();
    [[nodiscard]] bool look_at_all_tables();
    [[nodiscard]] bool any_to_be_looked_at() const;
    [[nodiscard]] bool look_at_changed_table(const catalog::SourceTable& table);
    [[nodiscard]] bool is_shown();
    void at_source(std::int32_t table_id, const std::function<void()>& read);
    [[nodiscard]] int wait_ms(bool is_busy) const;
    void follow_only(const std::vector<catalog::StreamTable>& before, const std::vector<catalog::StreamTable>& now);
    void follow(const catalog::StreamTable& table);
    void take_sync_requests();
    void look_for_the_end();
    void read_again_what_is_due();
    [[nodiscard]] bool is_copying() const;
    void require_history(bool at_end);
    [[nodiscard]] bool source_answers() const;
    void look_at_rights();
    [[nodiscard]] std::vector<core::SchemaChange> schema_changes(bool shown);
    [[nodiscard]] std::vector<core::TableName> tables_without_right() const;
    void change_tables(const std::vector<core::SchemaChange>& changes, const TablesNow& now);
    [[nodiscard]] bool work_on_beside_copy();
    [[nodiscard]] bool work_on_keyless_refresh();
    [[nodiscard]] int keyless_interval_ms() const noexcept;
    [[nodiscard]] bool copies_are_in() const;
    [[nodiscard]] bool awaits_copies() const;
    void note_locked_tables(const std::vector<catalog::StreamTable>& before,
                            const std::vector<catalog::StreamTable>& now);
    [[nodiscard]] const catalog::StreamTable* next_to_copy() const;

    void apply_batch();
    void take_up_touched();
    void note_unread_tables();
    [[nodiscard]] bool has_caught_up(const Table& table) const;
    void note_unread(Table& table, const core::SourceError& error);
    void settle_unread_tables();
    void settle_unread(Table& table);
    void withdraw_transaction();
    void end_transactions(std::size_t complete_changes);
    void begin_transaction();
    void commit_transaction();
    void apply_changes(std::size_t from, std::size_t to);
    void add_change(const core::Change& change, const core::SourceError* unreadable);
    void write_table(Table& table);
    void set_apart(Table& table, const pg::SqlError& error);
    void write_window();
    void note_what_is_reached();
    [[nodiscard]] bool has_to_commit() const;
    [[nodiscard]] bool mark_is_reached() const;
    void report();

    CopyContext context_;
    const catalog::SourceConfig& config_;
    core::Source& source_;
    core::Log& log_;
    core::Interrupts& interrupts_;
    std::unique_ptr<core::ChangeStream> stream_;
    core::StreamLimits limits_;
    RightsAtSource rights_;
    BesideCopy beside_;
    KeylessRefresh keyless_;
    LockedTargets locked_;
    ReadAgain read_again_;
    SourceLocks source_locks_;
    SourceLocks open_names_;                             ///< of tables whose targets' names others are about to take
    std::vector<catalog::SourceTable> changed_;          ///< by statements in the log, and to be looked at
    std::optional<std::string> discovery_due_;           ///< after this statement
    std::optional<catalog::KeylessTable> next_keyless_;  ///< to be refreshed, when we last looked
    core::ChangeBatch batch_;
    std::vector<catalog::StreamTable> known_;      ///< as the catalog has them
    std::int64_t fingerprint_ = 0;                 ///< of all tables, of which known_ are those that take part
    std::map<std::int32_t, std::int64_t> hashes_;  ///< by table, of which it is made
    std::map<core::TableName, std::unique_ptr<Table>> followed_;
    std::vector<Table*> table_of_batch_;  ///< by index into batch_.tables; null: not followed
    std::set<Table*> written_;            ///< in the transaction under way

    std::optional<pg::Transaction> transaction_;
    std::set<std::int32_t> with_quarantine_;
    core::Position position_;           ///< applied, though perhaps not committed yet
    catalog::StreamTimes times_;        ///< of the position
    bool position_is_new_ = false;      ///< not committed yet
    TimestampTz end_committed_at_ = 0;  ///< times_.end_seen_at, as it was committed
    bool rights_are_new_ = false;       ///< all tables were looked at by others than the catalog has
    bool any_unread_ = false;           ///< tables of which something could not be read, and that are to be settled
    std::set<std::int32_t> touched_;    ///< tables whose entries are to be read again after the commit
    bool all_touched_ = false;          ///< perhaps
    int shown_patience_ms_ = 0;         ///< how long the source may take to show what was applied
    Clock::time_point committed_at_;
    Clock::time_point between_batches_at_;
    Clock::time_point end_asked_at_;
    Clock::duration end_answer_took_{};
    bool has_read_ = false;   ///< since it was opened
    bool has_moved_ = false;  ///< since it was opened
    bool streaming_ = false;  ///< else catching up
    bool has_ended_ = false;
    TimestampTz mark_taken_at_ = 0;
    bool mark_has_asked_ = false;         ///< for what is due to be read again when the mark is reached, or nobody has
    std::optional<core::Position> mark_;  ///< what the source held when requests were taken, or when we began
    TimestampTz read_at_ = 0;             ///< when the batch in hand had been read
    TimestampTz end_seen_at_ = 0;         ///< when the batch in hand showed the end of the log; 0: it did not
    std::optional<core::Position> end_;   ///< where the log ended at end_told_at_; not reached yet
    TimestampTz end_told_at_ = 0;
    std::int64_t bytes_read_ = 0;    ///< since the worker began
    std::int64_t transactions_ = 0;  ///< since the worker began
};

}  // namespace pgrepl::replication
