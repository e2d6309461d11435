// The source worker: one process per source that has work, and the only one that changes the source's state.
//
//   starting ──► snapshot ──► idle            once and periodic: a copy, then nothing to do; the worker ends, and
//      │            │            ▲            the launcher starts another when a refresh is asked for or due
//      │            │            └──────┐     the first copy of once, beside a log: when the target is consistent
//      │            └──► catching_up ──► streaming    continuous: the log is followed from before the copy; the worker
//      │                      ▲                       stays. With a position, a new worker begins at catching_up
//      ├──────────────────────┘
//      └──► backing_off                       from anywhere, an error that may pass: the worker ends; the probe knows
//      when └──► failed                            an error that needs a person: ended by resume or alter
//
// paused is configuration, not state: the worker looks at it every round and ends. Its end, whatever the reason,
// has the launcher probe the database, so a worker that was terminated is replaced. Only one can hold the
// source's lock, so a replacement that comes too early ends at once.
//
// While a copy is under way the rounds of supervise() are: look whether we are still wanted, complete tables whose
// chunks are in, and wait for the copy workers; without copy workers, copy a chunk.

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/events.hpp"
#include "catalog/source_config.hpp"
#include "catalog/source_state.hpp"
#include "catalog/stream_state.hpp"
#include "pg/progress.hpp"
#include "pg/settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/stream_report.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/work_in_hand.hpp"
#include "pg/worker.hpp"
#include "replication/access/deaths.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/source_access.hpp"
#include "replication/copy/copy.hpp"
#include "replication/stream/stream.hpp"
#include "worker/entry_points.hpp"
#include "worker/worker_session.hpp"

namespace pgrepl::worker {

namespace {

constexpr long kSupervisionMs = 250;
constexpr std::chrono::milliseconds kLookEvery{250};
constexpr std::chrono::milliseconds kLookAtRightsEvery{1000};
constexpr int kMostRestartsInARow = 5;
/// A copy of this server that follows the source, too, does not pass by itself.
constexpr std::int32_t kMostEvictions = 6;

/// The copy workers of one copy; they end with it.
class CopyWorkers {
  public:
    ~CopyWorkers() {
        for (const pg::WorkerHandle& worker : workers_) {
            worker.terminate();
        }
    }

    /// The copy is complete: they find no chunk, and end by themselves.
    void dismiss() { workers_.clear(); }

    /// Starts `count` workers, once. False if there was no slot for any.
    bool start(int count, const replication::CopyContext& context, const std::string& source_name) {
        pg::WorkerArguments arguments;
        arguments.database = MyDatabaseId;
        arguments.source_id = context.source_id;
        arguments.generation = context.generation;
        arguments.supervisor_pid = MyProcPid;
        for (int i = 0; i < count; ++i) {
            std::optional<pg::WorkerHandle> worker =
                pg::start_worker("pg_replicator_copy_worker_main", pg::WorkerKind::kCopy,
                                 "pg_replicator copy of " + source_name, arguments, true);
            if (worker) {
                workers_.push_back(std::move(*worker));
            }
        }
        return !workers_.empty();
    }

    [[nodiscard]] bool any_alive() {
        std::erase_if(workers_, [](const pg::WorkerHandle& worker) { return !worker.alive(); });
        return !workers_.empty();
    }

  private:
    std::vector<pg::WorkerHandle> workers_;
};

class SourceWorker {
  public:
    explicit SourceWorker(std::int32_t source_id) : source_id_(source_id) {}

    void run() {
        if (!become_the_one_worker(source_id_, pg::WorkerKind::kSource) ||
            !replication::count_deaths_of_source(source_id_) || !begin()) {
            return;
        }
        int restarts = 0;
        while (serve(restarts)) {
        }
    }

  private:
    using Clock = std::chrono::steady_clock;
    enum class Outcome { kDone, kNotWanted };

    /// Loads the configuration and takes over. False if there is nothing for us to do.
    bool begin() {
        pg::Transaction transaction;
        std::optional<catalog::SourceState> const state = catalog::load_source_state(source_id_);
        std::optional<catalog::SourceConfig> config = catalog::find_source(source_id_);
        if (!state || !config || state->paused || !state->has_work) {
            return false;
        }
        config_ = std::move(*config);
        context_ = {source_id_, catalog::begin_generation(source_id_, MyProcPid), config_.owner, 0,
                    config_.max_quarantined()};
        transaction.commit();
        pg::begin_reports(source_id_, state->reader_id);
        pg::set_application_name("pg_replicator source " + config_.name);
        pg::set_target_patience(config_.target_lock_patience_ms());
        limit_memory(config_.memory_per_worker_kb());
        return true;
    }

    /// Each copy has a generation of its own: a copy worker that lingers from the one before, and reads another state
    /// of the source, must find nothing to do in it.
    void begin_generation() {
        pg::Transaction transaction;
        context_.generation = catalog::begin_generation(source_id_, MyProcPid);
        transaction.commit();
    }

    /// One copy. False when this worker should end.
    bool serve(int& restarts) {
        try {
            if (!still_wanted()) {
                return false;
            }
            begin_generation();
            if ((streams_ ? stream() : work()) == Outcome::kNotWanted) {
                return false;
            }
            restarts = 0;
            return true;
        } catch (const replication::ConfigurationChanged&) {
            replication::Copy::abandon(context_, durable_wanted_);
            return true;
        } catch (...) {
            replication::Verdict const verdict = replication::judge_current_exception();
            pg::check_interrupts();
            return handle_failure(verdict, restarts);
        }
    }

    /// Rights of the owner may have been taken away since the source was opened, and settings reloaded. Call within a
    /// transaction.
    void require_allowed() {
        replication::check_source_allowed(config_);
        allowed_at_ = Clock::now();
    }
    [[nodiscard]] bool rights_are_due() const { return Clock::now() - allowed_at_ >= kLookAtRightsEvery; }

    bool still_wanted() {
        if (!workers_may_run()) {
            return false;
        }
        pg::LookAtOrders const orders;
        pg::Transaction transaction;
        std::optional<catalog::SourceState> const state = catalog::load_source_state(source_id_);
        std::optional<catalog::SourceConfig> config = catalog::find_source(source_id_);
        transaction.commit();
        if (!state || !config || state->paused || state->generation != context_.generation || !state->has_work) {
            return false;
        }
        orders.is_wanted();
        durable_wanted_ = state->copy_durable;
        streams_ = state->streams;
        bool const same = catalog::works_alike(config_, *config);
        config_ = std::move(*config);
        context_.owner = config_.owner;
        context_.max_quarantined = config_.max_quarantined();
        pg::set_target_patience(config_.target_lock_patience_ms());
        if (!same) {
            throw replication::ConfigurationChanged{};
        }
        if (rights_are_due()) {
            pg::Transaction rights;
            require_allowed();
            rights.commit();
        }
        return true;
    }

    /// Between the parts of a large transaction of the source, in the one that they are applied in.
    bool may_go_on() {
        if (rights_are_due()) {
            require_allowed();
        }
        pg::LookAtOrders const orders;
        bool const wanted = catalog::may_go_on(source_id_, context_.generation);
        if (wanted) {
            orders.is_wanted();
        }
        return wanted;
    }

    replication::OpenSource open(core::Interrupts& interrupts) {
        replication::AllowedSource allowed;
        {
            pg::Transaction transaction;
            allowed = replication::check_source_allowed(config_);
            transaction.commit();
        }
        pg::begin_phase(pg::WorkerPhase::kOpeningSource, source_id_, 0, 0, "opening " + config_.name);
        pg::WorkInHand const at_source({pg::Work::kSource, 0, 0});
        replication::OpenSource source = replication::open_source(
            config_, allowed, interrupts, replication::scratch_directory(source_id_, replication::ScratchUse::kCopies));
        core::SourceInfo const info = source->describe();
        {
            pg::Transaction transaction;
            catalog::set_source_version(source_id_, info.server_version);
            transaction.commit();
        }
        return source;
    }

    /// Until we are not wanted any more, or the log is left.
    Outcome stream() {
        // What a crash takes back, the position among it, is read from the source again: commits need not wait.
        set_commits_wait(false);
        keep_freed_memory();
        pg::BackendInterrupts interrupts;
        replication::OpenSource const source = open(interrupts);
        replication::Stream stream(context_, config_, *source, interrupts);
        stream.open();
        auto looked_at = std::chrono::steady_clock::now();
        while (true) {
            pg::check_interrupts();
            if (std::chrono::steady_clock::now() - looked_at >= kLookEvery) {
                looked_at = std::chrono::steady_clock::now();
                if (stream.in_transaction() ? !may_go_on() : !still_wanted()) {
                    return Outcome::kNotWanted;
                }
            }
            stream.step();
            if (stream.has_ended()) {
                return Outcome::kDone;
            }
        }
    }

    Outcome work() {
        // Rows are committed with how far they are, so what a crash takes back is read again.
        set_commits_wait(false);
        pg::BackendInterrupts interrupts;
        replication::OpenSource const source = open(interrupts);
        std::unique_ptr<replication::Copy> const copy = begin_copy(*source);
        CopyWorkers workers;
        start_copy_workers(*copy, workers);
        Outcome const outcome = supervise(*copy, workers);
        return outcome;
    }

    std::unique_ptr<replication::Copy> begin_copy(core::Source& source) const {
        pg::WorkInHand const at_source({pg::Work::kSource, 0, 0});
        return replication::Copy::resume_or_begin(context_, config_, source);
    }

    void start_copy_workers(const replication::Copy& copy, CopyWorkers& workers) {
        int const count = config_.copy_workers(pg::settings().copy_workers_per_source);
        if (count == 0 || !copy.worth_copy_workers()) {
            return;
        }
        // A source that waits for a worker comes before a copy that could be faster.
        if (pg::are_slots_wanted() || !workers.start(count, context_, config_.name)) {
            pg::Transaction transaction;
            catalog::note_no_copy_workers(source_id_);
            transaction.commit();
        }
    }

    Outcome supervise(replication::Copy& copy, CopyWorkers& workers) {
        while (true) {
            if (!still_wanted()) {
                return Outcome::kNotWanted;
            }
            if (durable_wanted_ && !copy.durable()) {
                throw core::SourceError(core::SourceErrorKind::kStateLost, 0,
                                        "the copy workers could not join the state of the source", true);
            }
            auto const began = Clock::now();
            if (advance(copy)) {
                workers.dismiss();
                set_commits_wait(true);  // whoever waits for the copy is told that it is in
                copy.finish();
                return Outcome::kDone;
            }
            if (workers.any_alive()) {
                if (!waiting_) {
                    pg::begin_phase(pg::WorkerPhase::kWaitingForCopyWorkers, source_id_, 0, 0,
                                    "waiting for copy workers");
                    waiting_ = true;
                }
                wait_for_copy_workers(Clock::now() - began);
                continue;
            }
            waiting_ = false;
            if (!copy_alone(copy)) {
                pg::wait_for_latch(kSupervisionMs, pg::WaitFor::kCopyWorkers);
            }
        }
    }

    /// What is to be done between chunks. True when nothing is left but the end.
    bool advance(replication::Copy& copy) const {
        pg::WorkInHand const at_copy({pg::Work::kSource, 0, 0});
        if (copy.advance()) {
            return true;
        }
        // One that died must not keep the others waiting for its chunk.
        pg::Transaction transaction;
        catalog::release_dead_leases(source_id_, context_.generation);
        transaction.commit();
        return false;
    }

    /// Until one of them has done a chunk. Looking at thousands of tables takes its time: most of it is to be theirs.
    static void wait_for_copy_workers(Clock::duration last_look) {
        auto const not_before = Clock::now() + 4 * std::min<Clock::duration>(last_look, kLookEvery);
        pg::wait_for_latch(kSupervisionMs, pg::WaitFor::kCopyWorkers);
        while (Clock::now() < not_before) {
            pg::wait_for_latch(
                1 + std::chrono::duration_cast<std::chrono::milliseconds>(not_before - Clock::now()).count(),
                pg::WaitFor::kCopyWorkers);
        }
    }

    /// Copies chunks until it is time to look around again. False if there was none.
    static bool copy_alone(replication::Copy& copy) {
        auto const until = Clock::now() + kLookEvery;
        bool any = false;
        while (copy.copier().copy_next_chunk()) {
            any = true;
            if (Clock::now() >= until) {
                break;
            }
        }
        return any;
    }

    /// Records the failure. True if the copy is to start over at once.
    bool handle_failure(const replication::Verdict& verdict, int& restarts) {
        if (streams_ && !core::is_followed(config_.plan) && verdict.log_unusable) {
            copy_again(verdict.error, "log not followed: copied again by one consistent read");
            return true;
        }
        if (verdict.position_lost && config_.parsed_options.resyncs_when_lost()) {
            copy_again(verdict.error, "position lost: copied again");
            return true;
        }
        if (verdict.state_lost && restarts < kMostRestartsInARow) {
            ++restarts;
            replication::Copy::abandon(context_, true);
            return true;
        }
        bool told = false;
        pg::Transaction transaction;
        std::optional<catalog::SourceState> const state = catalog::load_source_state(source_id_);
        if (state && state->generation == context_.generation) {
            std::int32_t const evictions = verdict.thrown_out ? note_eviction() : 0;
            bool const again = verdict.retryable && evictions < kMostEvictions;
            std::int64_t const retry_ms = replication::retry_delay_ms(
                std::max(state->retry_count, evictions), config_.retry_initial_ms(), config_.retry_max_ms());
            if (leaves_gap(verdict)) {
                catalog::ask_for_comparison(source_id_);
            }
            told =
                catalog::record_failure(source_id_, context_.generation, verdict.error,
                                        again ? std::optional(retry_ms) : std::nullopt, verdict.others_are_up_to_date);
        }
        transaction.commit();
        if (!told) {
            log_failure("source", config_.name, verdict.error);
        }
        return false;
    }

    /// A log that was off, or leaves changes out, does not get them later: whoever mends that and resumes would go on
    /// without what was changed meanwhile. So all tables are compared then, as after a failover.
    [[nodiscard]] bool leaves_gap(const replication::Verdict& verdict) const {
        return streams_ && core::is_followed(config_.plan) && verdict.log_unusable && !verdict.retryable &&
               verdict.error.sqlstate() == ERRCODE_FEATURE_NOT_SUPPORTED &&
               config_.parsed_options.after_failover != "trust";
    }

    /// Each of the two connects again, and throws the other out: that is an end to each stream's errors, and so to its
    /// count of retries.
    [[nodiscard]] std::int32_t note_eviction() const {
        constexpr std::int64_t kHourMs = 3'600'000;
        return catalog::note_eviction(source_id_, std::max<std::int64_t>(kHourMs, 4LL * config_.retry_max_ms()));
    }

    void copy_again(const pg::SqlError& reason, const std::string& event) {
        log_failure("source", config_.name, reason);
        pg::Transaction transaction;
        catalog::take_turn(source_id_, context_.generation);
        catalog::lock_state(source_id_, context_.generation);
        catalog::forget_position(source_id_);
        catalog::record_work(config_.name, config_.owner, event, "{}");
        transaction.commit();
    }

    std::int32_t source_id_;
    catalog::SourceConfig config_;
    replication::CopyContext context_;
    bool durable_wanted_ = false;
    bool streams_ = false;          ///< the log is to be followed; else there is a copy to make
    Clock::time_point allowed_at_;  ///< when the owner's rights were last looked at
    bool waiting_ = false;          ///< in the phase of waiting for copy workers
};

}  // namespace

void source_worker_main() {
    pg::WorkerArguments const arguments = begin_worker_session();
    if (installation() == Installation::kUsable) {
        work_until_it_ends([&] { SourceWorker(arguments.source_id).run(); });
    }
}

}  // namespace pgrepl::worker
