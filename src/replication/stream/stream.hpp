#pragma once
// The stream of a source, as its source worker drives it: reads the source's log and applies it, whole transactions at
// a time, with the position in the same transaction here. This is its loop; who does what:
//
//   FollowedTables      the tables as the catalog has them; tells the change stream whose changes to give
//   TransactionWriter   writes one transaction here: rows, changes of tables, position and counters
//   BesideScheduler     between batches: looks at tables that have changed, copies those that are added or asked for
//   Stream              reads a batch, without a transaction here; decides when to commit, what mark is reached, when
//                       the end of the log was seen, and what others have asked for meanwhile
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
// The stream of a source in mode once ends itself, in the transaction that makes the target one state of the source.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/source_config.hpp"
#include "catalog/stream_state.hpp"
#include "core/source.hpp"
#include "core/stream.hpp"
#include "replication/access/locked_targets.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "replication/stream/beside_copy.hpp"
#include "replication/stream/beside_scheduler.hpp"
#include "replication/stream/followed_tables.hpp"
#include "replication/stream/read_again.hpp"
#include "replication/stream/schema_effects.hpp"
#include "replication/stream/transaction_writer.hpp"

namespace pgrepl::replication {

class Stream {
  public:
    /// `config`, `source` and `interrupts` outlive it.
    Stream(const CopyContext& context, const catalog::SourceConfig& config, core::Source& source,
           core::Interrupts& interrupts);
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() = default;

    /// Goes on after the position that the catalog has. Throws SourceError, SqlError.
    void open();

    /// Reads what comes within half a second, and applies it.
    void step();

    /// Of a source that is not continuous: the target has become one state of the source, and the log was left.
    [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

    /// A transaction of the source is half way through: no other transaction can be started.
    [[nodiscard]] bool in_transaction() const noexcept { return writer_.is_open(); }

  private:
    using Clock = std::chrono::steady_clock;

    void settle_doubt(const std::string& doubt);
    void do_between_batches();
    void take_sync_requests();
    void read_again_what_is_due();
    [[nodiscard]] bool source_answers() const;
    void look_at_rights();
    void look_for_the_end();
    void require_history(bool at_end);
    [[nodiscard]] bool write_window_if_due();
    [[nodiscard]] int wait_ms(bool is_busy) const;
    void await_rows(bool is_busy);
    void read_batch();

    void apply_batch();
    void end_transactions(std::size_t complete_changes);
    [[nodiscard]] std::vector<core::SchemaChange> schema_changes(bool shown);
    [[nodiscard]] std::vector<core::TableName> tables_without_right() const;
    void change_tables(const std::vector<core::SchemaChange>& changes, const TablesNow& now);
    void commit();
    void note_what_is_reached();
    [[nodiscard]] bool has_to_commit() const;
    [[nodiscard]] bool mark_is_reached() const;
    void take_up_touched();
    void report();

    CopyContext context_;
    const catalog::SourceConfig& config_;
    core::Source& source_;
    core::Log& log_;
    std::unique_ptr<core::ChangeStream> stream_;
    core::StreamLimits limits_;
    core::ChangeBatch batch_;

    Applied applied_;
    RightsAtSource rights_;
    LockedTargets locked_;
    ReadAgain read_again_;
    FollowedTables tables_;
    BesideCopy beside_;
    TransactionWriter writer_;
    BesideScheduler scheduler_;

    bool position_is_new_ = false;      ///< not committed yet
    TimestampTz end_committed_at_ = 0;  ///< applied_.times.end_seen_at, as it was committed
    bool rights_are_new_ = false;       ///< all tables were looked at by others than the catalog has
    Clock::time_point committed_at_;
    Clock::time_point between_batches_at_;
    bool has_read_ = false;   ///< since it was opened
    bool has_moved_ = false;  ///< since it was opened
    bool has_ended_ = false;

    std::optional<core::Position> mark_;  ///< what the source held when requests were taken, or when we began
    TimestampTz mark_taken_at_ = 0;
    bool mark_has_asked_ = false;  ///< for what is due to be read again when the mark is reached, or nobody has

    TimestampTz read_at_ = 0;            ///< when the batch in hand had been read
    TimestampTz end_seen_at_ = 0;        ///< when the batch in hand showed the end of the log; 0: it did not
    std::optional<core::Position> end_;  ///< where the log ended at end_told_at_; not reached yet
    TimestampTz end_told_at_ = 0;
    Clock::time_point end_asked_at_;
    Clock::duration end_answer_took_{};

    std::int64_t bytes_read_ = 0;    ///< since the worker began
    std::int64_t transactions_ = 0;  ///< since the worker began
};

}  // namespace pgrepl::replication
