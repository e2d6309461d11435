#pragma once
// The copy of a source, as its source worker drives it: ways A (first snapshot) and C (refresh) of
// docs/dev/architecture.md in one queue of chunks that all read one state of the source.
//
//   begin      take a state of the source; register its tables; choose each table's route; queue the chunks
//   chunks     copied by copy workers, or by the source worker itself (chunk_copier.hpp)
//   advance    a table whose chunks are all in: build its primary key (direct route)
//   finish     merge all staging tables in one transaction, with the position; drop them
//
// The first copy of a source in mode once goes beside the log where it can (copy_plan.hpp), as that of a continuous
// source always does; the stream then leaves it when it has become one state of the source.
//
// Everything that survives a crash is in the catalog. resume_or_begin() joins the same state again if the source
// still has it; otherwise the copy starts over.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catalog/copy_queue.hpp"
#include "catalog/source_config.hpp"
#include "catalog/source_state.hpp"
#include "core/source.hpp"
#include "replication/access/locked_targets.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "replication/setup/registration.hpp"
#include "replication/setup/table_selection.hpp"
#include "targets/merge.hpp"

namespace pgrepl::replication {

class Copy {
  public:
    /// Goes on with the copy under way, or begins one. `source` outlives it. Throws SourceError, SqlError,
    /// ConfigurationChanged.
    static std::unique_ptr<Copy> resume_or_begin(const CopyContext& context, const catalog::SourceConfig& config,
                                                 core::Source& source);

    /// Gives the copy up, if it is still ours: the next one starts over, in a durable way if asked.
    static void abandon(const CopyContext& context, bool durable);

    /// Completes tables whose chunks are all in. True when nothing is left but finish().
    bool advance();

    /// Merges what was staged, and ends the copy.
    void finish();

    [[nodiscard]] ChunkCopier& copier() noexcept { return *copier_; }
    [[nodiscard]] bool durable() const noexcept { return durable_; }
    /// Whether there is enough to read that copy workers are worth their start.
    [[nodiscard]] bool worth_copy_workers() const noexcept { return worth_copy_workers_; }

  private:
    using Clock = std::chrono::steady_clock;

    Copy(const CopyContext& context, catalog::SourceConfig config, core::Source& source)
        : context_(context), config_(std::move(config)), source_(source), locked_(config_.target_lock_patience_ms()) {}

    static catalog::SourceState require_state(std::int32_t source_id);
    bool resume(const std::string& position);
    [[nodiscard]] bool has_been_replaced(const core::SourceError& error) const;
    [[nodiscard]] std::string held_at_end() const;
    void begin(bool durable, std::optional<core::CopyPlan> last);
    std::vector<PlannedTable> take_state(bool durable);
    std::vector<core::TableInfo> open_state(bool durable);
    [[nodiscard]] bool look_at_rights(RightsAtSource& rights) const;
    [[nodiscard]] bool lacks_known_tables(const std::vector<core::TableInfo>& discovered) const;
    void settle_missing(const LookForTables& look, const RightsAtSource& rights);
    void let_go_of(const core::TableName& name);
    void drop_forgotten_staging() const;
    [[nodiscard]] catalog::SourceConfig lock_same_source() const;
    void prepare_tables(TimestampTz read_at);
    struct Route {
        bool staging = false;    ///< chunks are written to a staging table; else to the target itself
        Oid relid = InvalidOid;  ///< the target
    };
    std::vector<std::optional<Route>> prepare_routes(const std::vector<catalog::CopyTable>& tables);
    Route prepare_route(const catalog::CopyTable& table);
    [[nodiscard]] bool has_key(const catalog::CopyTable& table) const;
    void complete_table(const catalog::CopyTable& table);
    void note_progress(const std::vector<catalog::CopyTable>& tables);
    bool leave_locked_out(const std::vector<catalog::CopyTable>& locked);
    [[nodiscard]] pg::SqlError explained(const pg::SqlError& error, const core::TableName& table) const;
    std::int64_t merge(const catalog::CopyTable& table);
    [[nodiscard]] std::int64_t request_served() const;
    [[nodiscard]] std::optional<core::Consistency> consistency_of(const catalog::CopyTable& table) const;

    CopyContext context_;
    catalog::SourceConfig config_;  ///< as it was when the copy began: filters may have changed since
    core::Source& source_;
    LockedTargets locked_;
    std::unique_ptr<core::Snapshot> snapshot_;
    /// By which the snapshot is joined: the name of its state, or, beside a log, the place where it was taken, with
    /// what tells this log from another.
    std::string position_;
    std::unique_ptr<ChunkCopier> copier_;
    std::optional<Clock::time_point> only_locked_since_;
    std::int64_t pending_chunks_ = 0;
    bool durable_ = false;
    bool is_elsewhere_ = false;  ///< another server has answered than the one that a copy before was begun at
    core::CopyPlan plan_ = core::CopyPlan::kOneState;
    bool worth_copy_workers_ = false;
};

}  // namespace pgrepl::replication
