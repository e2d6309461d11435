// A copy worker: joins the state that its source worker holds, copies chunks while there are any, and ends. It
// writes no state of the source but its chunks'. If the source's state cannot be joined any more it asks the
// source worker for one that can.

#include <optional>

#include "catalog/source_config.hpp"
#include "catalog/source_state.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/shared_state.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/work_in_hand.hpp"
#include "pg/worker.hpp"
#include "replication/access/source_access.hpp"
#include "replication/copy/chunk_copier.hpp"
#include "replication/setup/copy_plan.hpp"
#include "worker/entry_points.hpp"
#include "worker/worker_session.hpp"

namespace pgrepl::worker {

namespace {

/// How long to wait for a chunk that another reader may split off.
constexpr long kIdleMs = 100;

class CopyWorker {
  public:
    explicit CopyWorker(const pg::WorkerArguments& arguments) : arguments_(arguments) {}

    void run() {
        if (!load()) {
            return;
        }
        pg::begin_notes(arguments_.source_id, pg::NoteKeeper::kSource);
        set_commits_wait(false);
        pg::set_target_patience(config_.target_lock_patience_ms());
        limit_memory(config_.memory_per_worker_kb());
        pg::set_application_name("pg_replicator copy of " + config_.name);
        pg::begin_phase(pg::WorkerPhase::kOpeningSource, arguments_.source_id, 0, 0, "opening " + config_.name);
        pg::BackendInterrupts interrupts;
        replication::OpenSource const source = replication::open_source(
            config_, allowed_, interrupts,
            replication::scratch_directory(arguments_.source_id, replication::ScratchUse::kCopies));
        try {
            std::unique_ptr<core::Snapshot> const snapshot = source->open_snapshot(replication::copy_request(
                state_.copy_position, state_.copy_durable, state_.plan.value_or(core::CopyPlan::kOneState)));
            copy_chunks(*snapshot);
        } catch (const core::SourceError& error) {
            if (error.kind() != core::SourceErrorKind::kStateLost) {
                throw;
            }
            ask_for_durable_copy();
        }
    }

  private:
    bool load() {
        pg::Transaction transaction;
        std::optional<catalog::SourceState> const state = catalog::load_source_state(arguments_.source_id);
        std::optional<catalog::SourceConfig> config = catalog::find_source(arguments_.source_id);
        if (config) {
            allowed_ = replication::check_source_allowed(*config);
        }
        transaction.commit();
        if (!state || !config || state->generation != arguments_.generation || !state->copy_under_way()) {
            return false;
        }
        state_ = *state;
        config_ = std::move(*config);
        return true;
    }

    void copy_chunks(core::Snapshot& snapshot) {
        replication::ChunkCopier copier({arguments_.source_id, arguments_.generation, config_.owner,
                                         arguments_.supervisor_pid, config_.max_quarantined()},
                                        snapshot);
        do {
            while (is_wanted() && copier.copy_next_chunk()) {
            }
            pg::begin_phase(pg::WorkerPhase::kWaitingForChunk, arguments_.source_id, 0, 0, "waiting for a chunk");
            pg::failure_point("waiting_for_chunk");
            pg::wait_for_latch(kIdleMs, pg::WaitFor::kChunk);
        } while (chunks_remain());
    }

    bool is_wanted() {
        pg::LookAtOrders const orders;
        pg::Transaction transaction;
        bool const wanted = catalog::may_go_on(arguments_.source_id, arguments_.generation);
        transaction.commit();
        if (wanted) {
            orders.is_wanted();
        }
        return wanted;
    }

    bool chunks_remain() {
        pg::Transaction transaction;
        bool const remain = catalog::may_go_on(arguments_.source_id, arguments_.generation) &&
                            catalog::has_unfinished_chunks(arguments_.source_id);
        transaction.commit();
        return remain;
    }

    void ask_for_durable_copy() {
        pg::Transaction transaction;
        catalog::ask_for_durable_copy(arguments_.source_id, arguments_.generation);
        transaction.commit();
        pg::wake_process(arguments_.supervisor_pid);
    }

    pg::WorkerArguments arguments_;
    catalog::SourceState state_;
    catalog::SourceConfig config_;
    replication::AllowedSource allowed_;
};

}  // namespace

void copy_worker_main() {
    pg::WorkerArguments const arguments = begin_worker_session();
    if (installation() == Installation::kUsable) {
        CopyWorker(arguments).run();
    }
}

}  // namespace pgrepl::worker
