#pragma once
// Way B of docs/dev/architecture.md: the copy of one table beside a running stream, by the stream's own worker and
// between its batches, as DBLog and Debezium's incremental snapshots do it.
//
//   read_window   when the source shows what is applied here (low mark): begin to read some rows. When they are in:
//                 take the high mark
//   touch         the stream has changed rows of the table: its word is newer than the window's, or as new
//   write         in the transaction in which the stream reaches the high mark: write what is left of the window
//
// Why this is exact: a row of the window shows its key at some moment between the position that was applied when the
// read began and the high mark. If the stream touched the key in between, the window's row is dropped, and the stream
// has said the rest. If it did not, the row is the same at both ends, so it is right at the high mark.
//
// The first row may take minutes: where the server has to sort the table, where its rows are costly to compute, where
// the network is stuck. The stream goes on meanwhile, and what it touches is kept, by id, until the window is in: which
// of these ids the window will have nobody knows. What is kept is bounded. Beyond that the read is given up, and while
// the next one is under way the log is not read: to try again and again would never come to an end.
//
// If the target had rows before, the ids met (by windows and by the stream) are kept in a side table, and the last
// transaction deletes the others. Everything is resumed from the catalog: a window in hand is lost with the process.

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "catalog/source_config.hpp"
#include "catalog/stream_state.hpp"
#include "core/row_batch.hpp"
#include "core/source.hpp"
#include "pg/progress.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "targets/row_encoder.hpp"
#include "targets/seen_ids.hpp"
#include "targets/table_changes.hpp"

namespace pgrepl::replication {

class BesideCopy {
  public:
    /// `config`, by which `source` was opened, `source`, its `log`, and `rights` at it outlive it. A window holds the
    /// stream's commits up for as long as it takes to write it: at most `window`.
    BesideCopy(const CopyContext& context, const catalog::SourceConfig& config, core::Source& source, core::Log& log,
               RightsAtSource& rights, const core::BatchLimits& window)
        : context_(context), config_(config), source_(source), log_(log), rights_(rights), window_limits_(window) {}

    [[nodiscard]] bool is_active() const noexcept { return table_.has_value(); }
    [[nodiscard]] std::int32_t table_id() const noexcept { return table_ ? table_->table_id : 0; }
    [[nodiscard]] const std::string& definition() const noexcept { return info_.definition; }
    [[nodiscard]] bool has_window() const noexcept { return has_window_; }

    // Before both the source must show what is applied. They throw kTableLocked, and are then no longer active, if
    // others have locked the table at the source.

    /// Begins or resumes the copy of a table. An error of the table alone makes it fail. No transaction is open. The
    /// table is to be followed from now on, with the structure that the catalog then has. Throws ConfigurationChanged.
    void begin(const catalog::StreamTable& table);

    /// Begins to read the next rows, or goes on: with the last of them has_window(). Waits for a moment at most. No
    /// transaction is open. The source need not show anything if is_reading() already.
    void read_window();
    [[nodiscard]] bool is_reading() const noexcept { return reader_ != nullptr; }
    /// Until these rows are in, nothing is to be read of the log.
    [[nodiscard]] bool holds_stream() const noexcept { return is_reading() && is_waited_for_; }

    /// The table is no longer wanted, or starts over.
    void stop() noexcept;

    /// The window can be written where `applied` is reached.
    [[nodiscard]] bool is_due(const core::Position& applied) const {
        return has_window_ && log_.has_reached(applied, high_mark_);
    }

    /// The window may be written at a later mark as well: one that can be reached, where the source has given up what
    /// the other waits for.
    void wait_for(const core::Position& later_mark) { high_mark_ = later_mark; }

    /// The stream changes these rows of the table, in the transaction that is open.
    void touch(const target::TableChanges& changes);

    /// Writes the window, and with the last one ends the copy; `streaming`: else the stream is still catching up. In
    /// the transaction that is open, in its turn as the writer. True if the copy is complete.
    bool write(bool streaming);

  private:
    std::optional<std::string> prepare_target();
    void fail(const pg::SqlError& error);
    void open_snapshot();
    bool go_on_reading();
    bool fill_window();
    void take_window();
    void end_reading() noexcept;
    void keep_touched(const std::vector<std::string>& ids);
    void write_rows();
    void end(bool streaming);
    bool make_or_find_target();
    [[nodiscard]] target::OpenTarget open() const;

    CopyContext context_;
    const catalog::SourceConfig& config_;
    core::Source& source_;
    core::Log& log_;
    RightsAtSource& rights_;
    core::BatchLimits window_limits_;
    std::optional<catalog::StreamTable> table_;
    std::optional<pg::SidePhase> phase_;
    core::TableInfo info_;
    std::unique_ptr<core::Snapshot> snapshot_;
    std::optional<core::RowBatch> batch_;
    std::unique_ptr<core::ChunkReader> reader_;  ///< of the window that is being read
    bool is_full_ = false;                       ///< no more of it is wanted
    bool is_waited_for_ = false;                 ///< it, or the next one
    std::unordered_set<std::string> touched_;    ///< ids that the stream has touched since the read began
    std::size_t touched_bytes_ = 0;
    std::unique_ptr<target::RowEncoder> encoder_;
    std::unique_ptr<target::SeenIds> seen_;  ///< null: the target was empty
    std::string bound_;                      ///< rows up to here are in, or in the window

    bool has_window_ = false;
    bool last_window_ = false;
    core::Position high_mark_;
    target::EncodedRows rows_;
    std::vector<pg::RefusedRow> set_aside_;         ///< of the window
    std::set<std::string, std::less<>> untouched_;  ///< ids of the window that the stream has not touched since
};

}  // namespace pgrepl::replication
