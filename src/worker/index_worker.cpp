// An index worker: builds the indexes that a source's rules ask for, one after another, and ends.
//
//   pending ──► building ──► ready
//      ▲           │  └────► failed            an error that needs a person: ended by resume or alter
//      └───────────┘ an error that may pass, a crash, a termination: what is left of the index is INVALID; the next
//                    worker drops it and builds again; a table that others have locked: the other indexes first
//
// An index is built when its table has been copied in full, by CREATE INDEX CONCURRENTLY: nobody who reads or writes
// the table waits for it. The statement cannot look at the catalog: pause, drop and the like cancel it; then what is
// left of the index is dropped, and the catalog says what is still wanted.

#include <algorithm>
#include <optional>

#include "catalog/source_config.hpp"
#include "catalog/target_indexes.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/transaction.hpp"
#include "pg/work_in_hand.hpp"
#include "pg/worker.hpp"
#include "replication/access/deaths.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/locked_targets.hpp"
#include "replication/setup/index_rules.hpp"
#include "worker/entry_points.hpp"
#include "worker/worker_session.hpp"

namespace pgrepl::worker {

namespace {

constexpr std::int32_t kMostFailures = 5;
/// Until an index is tried again whose table was locked.
constexpr int kLockedMs = 10'000;

class IndexWorker {
  public:
    explicit IndexWorker(std::int32_t source_id) : source_id_(source_id) {}

    void run() {
        if (!become_the_one_worker(source_id_, pg::WorkerKind::kIndex)) {
            return;
        }
        replication::count_deaths_of_indexes(source_id_);
        pg::begin_phase(pg::WorkerPhase::kLookingForWork, source_id_, 0, 0, "looking for indexes to build");
        while (std::optional<catalog::TargetIndex> const index = take_index()) {
            try {
                work_on(*index);
            } catch (...) {
                replication::Verdict const verdict = replication::judge_current_exception();
                if (!was_canceled(verdict.error)) {
                    record_error(*index, verdict.error);
                }
                clean_up(*index);
            }
        }
    }

  private:
    std::optional<catalog::TargetIndex> take_index() {
        if (!workers_may_run()) {
            return std::nullopt;
        }
        pg::begin_work({});
        pg::LookAtOrders const orders;
        pg::Transaction transaction;
        std::optional<catalog::SourceConfig> config = catalog::find_source(source_id_);
        std::optional<catalog::TargetIndex> index = catalog::next_index(source_id_);
        if (index) {
            pg::failure_point("index_chosen");
            pg::begin_work({pg::WorkerKind::kIndex, index->id});
        }
        if (!config || !index || (!index->clean_up && !catalog::begin_index(index->id, MyProcPid))) {
            return std::nullopt;
        }
        config_ = std::move(*config);
        transaction.commit();
        orders.is_wanted();
        if (!locked_) {
            locked_.emplace(config_.target_lock_patience_ms());
        }
        pg::set_target_patience(locked_->patience_ms());
        pg::set_application_name("pg_replicator indexes of " + config_.name);
        limit_memory(config_.memory_per_worker_kb());
        return index;
    }

    void work_on(const catalog::TargetIndex& index) const {
        pg::WorkInHand const at_index({pg::Work::kIndex, 0, index.id});
        if (index.clean_up) {
            replication::drop_invalid_index(index, config_.owner);
        } else {
            replication::build_index(index, config_.owner);
        }
        pg::Transaction transaction;
        if (index.clean_up) {
            catalog::finish_clean_up(index.id);
        } else {
            catalog::finish_index(index.id);
        }
        transaction.commit();
    }

    /// An INVALID index would be maintained, and could refuse rows.
    void clean_up(const catalog::TargetIndex& index) const {
        try {
            replication::drop_invalid_index(index, config_.owner);
        } catch (...) {
            // The next attempt begins with the same.
            replication::Verdict const verdict = replication::judge_current_exception();
            (void)was_canceled(verdict.error);
        }
    }

    /// All that are locked are waited for once.
    void leave_for_later(const catalog::TargetIndex& index, const pg::SqlError& error) {
        locked_->waited_in_vain();
        pg::set_target_patience(locked_->patience_ms());
        pg::Transaction transaction;
        catalog::wait_for_lock(index, error, std::min(kLockedMs, config_.retry_max_ms()));
        transaction.commit();
    }

    /// An error of the expression or of the rows stays; others may pass.
    void record_error(const catalog::TargetIndex& index, const pg::SqlError& error) {
        int const category = ERRCODE_TO_CATEGORY(error.sqlstate());
        // What an owner's code says of itself, or a limit that it runs into, does not pass.
        bool const lacks_room = category == ERRCODE_INSUFFICIENT_RESOURCES && error.fields().lack != pg::Lack::kNothing;
        if (replication::waits_aside(error) && !lacks_room) {
            return leave_for_later(index, error);
        }
        bool const stays = error.sqlstate() != ERRCODE_UNDEFINED_TABLE &&  // the target is being re-created
                           (category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
                            category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_PROGRAM_LIMIT_EXCEEDED);
        bool const again = lacks_room || (!stays && index.failures + 1 < kMostFailures);
        std::int64_t const delay_ms =
            replication::retry_delay_ms(index.failures, config_.retry_initial_ms(), config_.retry_max_ms());
        log_failure("index \"" + index.index.name + "\" of source", config_.name, error);
        pg::SqlError::Fields fields = error.fields();
        if (lacks_room) {
            fields.hint = "Make room. The index is built when there is some: it is tried again after pauses that grow.";
        } else if (fields.hint.empty()) {
            fields.hint = "Correct the rows or the rule, then call replicator_resume or replicator_alter to try again.";
        }
        pg::Transaction transaction;
        if (index.clean_up) {
            catalog::finish_clean_up(index.id);  // the log says what is left
        } else {
            catalog::record_index_error(index.id, pg::SqlError(fields), again ? std::optional(delay_ms) : std::nullopt);
        }
        transaction.commit();
    }

    std::int32_t source_id_;
    catalog::SourceConfig config_;
    std::optional<replication::LockedTargets> locked_;
};

}  // namespace

void index_worker_main() {
    pg::WorkerArguments const arguments = begin_worker_session();
    if (installation() == Installation::kUsable) {
        work_until_it_ends([&] { IndexWorker(arguments.source_id).run(); });
    }
}

}  // namespace pgrepl::worker
