#pragma once
// Tables without a key beside a stream. Their changes in the log cannot be told apart by row, so they are refreshed as
// a whole, by the stream's own worker and between its batches:
//
//   begin   one statement at the source, which sees one state of the table
//   step    some rows into staging, each time in a transaction of their own
//   merge   when all are in: number identical rows; then one transaction brings the target to the state that was read
//
// A refresh whose process dies begins again. The target shows the state of the moment
// in which the statement began, whatever the stream has applied to other tables: consistency `state`.

#include <memory>
#include <optional>

#include "catalog/keyless_tables.hpp"
#include "catalog/source_config.hpp"
#include "core/row_batch.hpp"
#include "core/source.hpp"
#include "pg/progress.hpp"
#include "replication/access/own_target.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "targets/row_encoder.hpp"

namespace pgrepl::replication {

class KeylessRefresh {
  public:
    /// `config`, by which `source` was opened, `source`, and `rights` at it outlive it.
    KeylessRefresh(const CopyContext& context, const catalog::SourceConfig& config, core::Source& source,
                   RightsAtSource& rights)
        : context_(context), config_(config), source_(source), rights_(rights) {}

    [[nodiscard]] bool is_active() const noexcept { return table_.has_value(); }
    [[nodiscard]] std::int32_t table_id() const noexcept { return table_ ? table_->table_id : 0; }

    // No transaction is open in any of these. An error of the table alone makes it fail, and ends the refresh; so does
    // kTableLocked, which is thrown: it is to be begun again.

    /// The source must show what the stream has applied. Throws ConfigurationChanged.
    void begin(const catalog::KeylessTable& table);

    /// Goes on; with the last rows it merges, and is no longer active. False if rows are awaited: after a moment the
    /// stream goes on meanwhile.
    bool step();

    /// The table is not wanted any more, or starts over.
    void stop();

  private:
    void open();
    void prepare_target();
    void write_piece();
    core::ChunkReader::Outcome read_piece();
    bool go_on();
    void merge();
    void fail(const pg::SqlError& error);
    void close() noexcept;
    [[nodiscard]] OwnTarget target() const { return own_target(*table_, table_->table_id, context_.owner); }

    CopyContext context_;
    const catalog::SourceConfig& config_;
    core::Source& source_;
    RightsAtSource& rights_;
    std::optional<catalog::KeylessTable> table_;
    std::optional<pg::SidePhase> phase_;
    core::TableInfo info_;
    std::unique_ptr<core::Snapshot> snapshot_;
    std::optional<core::RowBatch> batch_;
    std::unique_ptr<core::ChunkReader> reader_;
    std::unique_ptr<target::RowEncoder> encoder_;
    target::EncodedRows rows_;
    std::vector<pg::RefusedRow> set_aside_;
};

}  // namespace pgrepl::replication
