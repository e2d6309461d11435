// A job worker: takes the jobs of one source (comparisons and repairs) one after another, and ends.
//
//   pending ──► running ──► done | failed       by its own tables: one that fails does not keep the others from being
//      ▲           │                            done; as a whole it fails at the fifth error
//      └───────────┘ an error that may pass, a crash, a termination: begun again, the tables that are done stay done
//
// A job that is canceled, or whose source is paused, stops at the next transaction: within seconds. Only one job worker
// can hold the source's lock. It writes nothing of the source's state but the job's; a repair takes its
// turn (catalog::take_turn) while it writes, so that it and the source worker do not write at once.

#include <optional>
#include <utility>

#include "catalog/jobs.hpp"
#include "catalog/source_config.hpp"
#include "catalog/tables.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/shared_state.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/work_in_hand.hpp"
#include "pg/worker.hpp"
#include "replication/access/deaths.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/source_access.hpp"
#include "replication/verify/verification.hpp"
#include "targets/target_table.hpp"
#include "worker/entry_points.hpp"
#include "worker/worker_session.hpp"

namespace pgrepl::worker {

namespace {

constexpr std::int32_t kMostFailures = 5;

/// Thrown where a job is not wanted any more.
struct NotWanted {};

class JobWorker {
  public:
    explicit JobWorker(std::int32_t source_id) : source_id_(source_id) {}

    void run() {
        if (!become_the_one_worker(source_id_, pg::WorkerKind::kJob)) {
            return;
        }
        replication::count_deaths_of_jobs(source_id_);
        // A table is done, and mended, in transactions after which nothing but its result is forgotten: a crash that
        // takes one back has the table compared again.
        set_commits_wait(false);
        remove_side_tables();
        while (std::optional<catalog::Job> const job = take_job()) {
            try {
                work_on(*job);
            } catch (const NotWanted&) {
                // The catalog says so already.
            } catch (...) {
                replication::Verdict const verdict = replication::judge_current_exception();
                if (!was_canceled(verdict.error)) {
                    record_error(*job, verdict);
                }
            }
            pg::begin_work({});
            remove_side_tables();
        }
    }

  private:
    std::optional<catalog::Job> take_job() {
        if (!workers_may_run()) {
            return std::nullopt;
        }
        pg::begin_work({});
        pg::LookAtOrders const orders;
        pg::Transaction transaction;
        std::optional<catalog::Job> job = catalog::next_job(source_id_);
        std::optional<catalog::SourceConfig> config = catalog::find_source(source_id_);
        if (!job || !config) {
            return std::nullopt;
        }
        pg::begin_work({pg::WorkerKind::kJob, job->id});
        if (!catalog::is_job_wanted(job->id)) {
            return std::nullopt;
        }
        config_ = std::move(*config);
        catalog::begin_job(job->id, MyProcPid);
        transaction.commit();
        orders.is_wanted();
        pg::set_application_name("pg_replicator " + std::string(job->repair ? "repair" : "verification") + " of " +
                                 config_.name);
        pg::set_target_patience(config_.target_lock_patience_ms());
        limit_memory(config_.memory_per_worker_kb());
        pg::begin_phase(pg::WorkerPhase::kOpeningSource, source_id_, 0, 0, "opening " + config_.name);
        return job;
    }

    void work_on(const catalog::Job& job) {
        std::vector<catalog::JobTable> tables;
        replication::AllowedSource allowed;
        {
            pg::Transaction transaction;
            allowed = replication::check_source_allowed(config_);
            tables = catalog::tables_of_job(job.id);
            transaction.commit();
        }
        pg::BackendInterrupts interrupts;
        pg::WorkInHand const at_job({pg::Work::kJob, 0, job.id});
        replication::OpenSource const source = replication::open_source(
            config_, allowed, interrupts, replication::scratch_directory(source_id_, replication::ScratchUse::kJobs));
        source->discard_snapshots({});
        for (const catalog::JobTable& table : tables) {
            compare(job, *source, table);
            source->discard_snapshots({});
        }
        if (locked_) {
            throw pg::SqlError(*std::exchange(locked_, std::nullopt));  // the tables that are done stay done
        }
        pg::Transaction transaction;
        catalog::finish_job(job.id);
        transaction.commit();
    }

    void compare(const catalog::Job& job, core::Source& source, const catalog::JobTable& table) {
        replication::VerificationContext context{
            job, config_.owner, false, core::is_followed(config_.plan), config_.max_quarantined(), [&] {
                pg::LookAtOrders const orders;
                if (!catalog::is_job_wanted(job.id)) {
                    throw NotWanted{};
                }
                orders.is_wanted();
                replication::check_source_allowed(config_);  // rights may have been taken away
            }};
        pg::WorkInHand const at_table({pg::Work::kJobTable, table.table_id, job.id});
        try {
            pg::failure_point("compare_table", table.name.table);
            catalog::Findings findings;
            try {
                findings = replication::verify_table(context, source, table);
            } catch (const core::SourceError& error) {
                if (error.kind() != core::SourceErrorKind::kStateLost) {
                    throw;
                }
                // Somebody writes to the source: take states that no writer can end.
                context.durable = true;
                findings = replication::verify_table(context, source, table);
            }
            pg::Transaction transaction;
            catalog::finish_job_table(job.id, table.table_id, findings);
            transaction.commit();
        } catch (const NotWanted&) {
            throw;
        } catch (...) {
            std::optional<pg::SqlError> const error = replication::error_of_table_alone();
            if (!error) {
                throw;  // a cancel among others
            }
            if (replication::waits_aside(*error)) {
                locked_ = *error;  // the others first
                return;
            }
            pg::Transaction transaction;
            catalog::fail_job_table(job.id, table.table_id, *error);
            transaction.commit();
        }
    }

    /// Those of a comparison that did not come to its end.
    void remove_side_tables() const {
        pg::Transaction transaction;
        for (const catalog::SourceTable& table : catalog::list_tables(source_id_)) {
            target::drop_side_table(target::first_pass_name(table.id));
            target::drop_side_table(target::second_pass_name(table.id));
        }
        transaction.commit();
    }

    void record_error(const catalog::Job& job, const replication::Verdict& verdict) {
        bool const again = verdict.retryable && job.failures + 1 < kMostFailures;
        std::int64_t const delay_ms =
            replication::retry_delay_ms(job.failures, config_.retry_initial_ms(), config_.retry_max_ms());
        log_failure("job " + std::to_string(job.id) + " of source", config_.name, verdict.error);
        pg::Transaction transaction;
        catalog::record_job_error(job.id, verdict.error, again ? std::optional(delay_ms) : std::nullopt);
        transaction.commit();
    }

    std::int32_t source_id_;
    catalog::SourceConfig config_;
    std::optional<pg::SqlError> locked_;  ///< of a table of the job under way
};

}  // namespace

void job_worker_main() {
    pg::WorkerArguments const arguments = begin_worker_session();
    if (installation() == Installation::kUsable) {
        work_until_it_ends([&] { JobWorker(arguments.source_id).run(); });
    }
}

}  // namespace pgrepl::worker
