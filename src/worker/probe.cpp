// The probe: a short worker that looks at one database for the launcher. It starts the workers that are missing, writes
// failed control calls into the catalog, and tells when it wants to be run again.

#include <algorithm>

#include "catalog/copy_queue.hpp"
#include "catalog/events.hpp"
#include "catalog/jobs.hpp"
#include "catalog/own_statistics.hpp"
#include "catalog/source_config.hpp"
#include "catalog/source_state.hpp"
#include "catalog/target_indexes.hpp"
#include "catalog/wanted_workers.hpp"
#include "pg/settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/worker.hpp"
#include "replication/access/source_access.hpp"
#include "targets/target_table.hpp"
#include "worker/entry_points.hpp"
#include "worker/worker_session.hpp"

namespace pgrepl::worker {

namespace {

constexpr int kNoSlotRetryMs = 2'000;
/// Whatever is due has the launcher probe; this is for what nobody tells us: an index that was dropped by hand, a wish
/// whose wake-up was lost.
constexpr int kLookAnywayMs = 60'000;
/// CREATE EXTENSION asks for a probe, and so does ALTER EXTENSION … UPDATE.
constexpr int kNotInstalledMs = 600'000;
/// A worker that was started but ended before it was known as its source's asks for nothing.
constexpr int kLookWhetherStartedMs = 5'000;
/// Sources that have waited for a slot for longer are told of in events and in the log.
constexpr int kLongWaitMs = 10'000;
/// What others hold locked is looked at again later.
constexpr const char* kLockPatience = "2s";

/// The earliest of what the sources of a database wait for; 0: nothing.
class NextProbe {
  public:
    /// 0: nothing is waited for.
    void at(TimestampTz when) {
        if (when == 0) {
            return;
        }
        due_ = due_ == 0 ? when : std::min(due_, when);
    }
    void in(int ms) { at(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms)); }
    void when_a_slot_may_be_free() { in(kNoSlotRetryMs); }
    [[nodiscard]] TimestampTz due() const noexcept { return due_; }

  private:
    TimestampTz due_ = 0;
};

/// How a probe starts a worker.
struct Start {
    const char* function;
    const char* name;  ///< what ps shows, before the source's name
};

Start start_of(pg::WorkerKind kind) {
    switch (kind) {
        case pg::WorkerKind::kJob:
            return {"pg_replicator_job_worker_main", "pg_replicator jobs of "};
        case pg::WorkerKind::kIndex:
            return {"pg_replicator_index_worker_main", "pg_replicator indexes of "};
        default:
            return {"pg_replicator_source_worker_main", "pg_replicator source "};
    }
}

bool is_there(const catalog::WantedWorker& worker) {
    pg::Transaction transaction;
    bool const served = pg::is_source_locked(worker.source_id, worker.kind);
    transaction.commit();
    return served;
}

/// False if there is no slot for it.
bool start(const catalog::WantedWorker& worker) {
    Start const how = start_of(worker.kind);
    pg::WorkerArguments arguments;
    arguments.database = MyDatabaseId;
    arguments.source_id = worker.source_id;
    return pg::start_worker(how.function, worker.kind, how.name + worker.source_name, arguments, false).has_value();
}

/// What the sources of the database want of workers. Those that wait for a slot come first, in the order in which they
/// began to wait; from the first on for which there is none, all have to wait.
class WorkersToStart {
  public:
    explicit WorkersToStart(NextProbe& next) : next_(next) {}

    void look_for(pg::WorkerKind kind, std::vector<catalog::WantedWorker> (*list)()) {
        pg::Transaction transaction;
        std::vector<catalog::WantedWorker> found = list();
        std::erase_if(found, [&](const catalog::WantedWorker& worker) {
            if (!worker.now) {
                next_.at(worker.due_at);
            }
            return !worker.now;
        });
        catalog::forget_waits_of_others(kind, found);
        transaction.commit();
        wanted_.insert(wanted_.end(), found.begin(), found.end());
    }

    void start_all() {
        std::stable_sort(wanted_.begin(), wanted_.end(), [](const auto& a, const auto& b) {
            return a.slot_wanted != 0 && (b.slot_wanted == 0 || a.slot_wanted < b.slot_wanted);
        });
        bool any_slot = true;
        for (catalog::WantedWorker& worker : wanted_) {
            if (is_there(worker)) {
                served_.push_back(worker);
            } else if (any_slot && start(worker)) {
                next_.in(kLookWhetherStartedMs);
                served_.push_back(worker);
            } else {
                any_slot = false;
                waiting_.push_back(worker);
            }
        }
        if (!waiting_.empty()) {
            next_.when_a_slot_may_be_free();
        }
    }

    /// Since when the first of those waits for which there was no slot; 0: there was one for each.
    TimestampTz note_who_waits() const {
        if (waiting_.empty() && served_.empty()) {
            return 0;
        }
        pg::Transaction transaction;
        for (const catalog::WantedWorker& worker : served_) {
            if (worker.slot_wanted != 0) {
                catalog::end_wait_for_slot(worker);
            }
        }
        for (const catalog::WantedWorker& worker : waiting_) {
            if (worker.slot_wanted == 0) {
                catalog::wait_for_slot(worker);
            }
        }
        transaction.commit();
        if (waiting_.empty()) {
            return 0;
        }
        TimestampTz const first = waiting_.front().slot_wanted;
        return first != 0 ? first : GetCurrentTimestamp();
    }

    void tell_who_waits_for_long() const {
        TimestampTz const before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), -kLongWaitMs);
        pg::Transaction transaction;
        for (const catalog::WantedWorker& worker : waiting_) {
            if (worker.kind == pg::WorkerKind::kSource && worker.slot_wanted != 0 && worker.slot_wanted < before) {
                catalog::tell_wait_for_slot(worker.source_id);
            }
        }
        transaction.commit();
    }

  private:
    NextProbe& next_;
    std::vector<catalog::WantedWorker> wanted_;
    std::vector<catalog::WantedWorker> served_;
    std::vector<catalog::WantedWorker> waiting_;
};

void write_failed_calls() {
    std::vector<pg::FailedCall> const calls = pg::failed_calls();
    pg::Transaction transaction;
    for (const pg::FailedCall& call : calls) {
        catalog::record_failed_call(call);
    }
    transaction.commit();
    if (!calls.empty()) {
        pg::forget_failed_calls(calls.back().number);
    }
}

void prune_history() {
    pg::Transaction transaction;
    catalog::prune_events(pg::settings().event_retention_s);
    catalog::prune_jobs(pg::settings().event_retention_s);
    transaction.commit();
}

void remove_what_is_orphaned(const std::vector<replication::ScratchDirectory>& scratch) {
    pg::Transaction transaction;
    target::drop_orphaned_side_tables(catalog::all_tables());
    for (const replication::ScratchDirectory& directory : scratch) {
        if (directory.database == MyDatabaseId && !catalog::find_source(directory.source_id)) {
            replication::remove_scratch_directory(directory);
        }
    }
    transaction.commit();
}

/// The steps of a probe. An error in one, such as a lock that somebody holds, does not keep the others from being done.
class Steps {
  public:
    template <typename Step>
    void attempt(const char* what, Step&& step) {
        try {
            step();
        } catch (...) {
            pg::SqlError const error = pg::detail::current_exception_as_sql_error();
            pg::check_interrupts();
            log_failure("probe", what, error);
            complete_ = false;
        }
    }
    [[nodiscard]] bool complete() const noexcept { return complete_; }

  private:
    bool complete_ = true;
};

/// Starts what is missing, and tidies up.
pg::ProbeResult serve_database(const std::vector<replication::ScratchDirectory>& scratch) {
    NextProbe next;
    Steps steps;
    WorkersToStart workers(next);
    TimestampTz slot_wanted = 0;
    next.in(kLookAnywayMs);
    steps.attempt("lost indexes", [] {
        pg::Transaction transaction;
        catalog::notice_lost_indexes();
        transaction.commit();
    });
    steps.attempt("names of owners", [] {
        pg::Transaction transaction;
        catalog::note_names_of_owners();
        transaction.commit();
    });
    steps.attempt("sources", [&] { workers.look_for(pg::WorkerKind::kSource, catalog::list_source_work); });
    steps.attempt("jobs", [&] { workers.look_for(pg::WorkerKind::kJob, catalog::list_job_work); });
    steps.attempt("indexes", [&] { workers.look_for(pg::WorkerKind::kIndex, catalog::list_index_work); });
    steps.attempt("workers", [&] { workers.start_all(); });
    steps.attempt("waits for slots", [&] { slot_wanted = workers.note_who_waits(); });
    steps.attempt("long waits for slots", [&] { workers.tell_who_waits_for_long(); });
    steps.attempt("side tables", [&] { remove_what_is_orphaned(scratch); });
    steps.attempt("events", write_failed_calls);
    steps.attempt("old events and jobs", prune_history);
    steps.attempt("statistics", [] {
        pg::Transaction transaction;
        catalog::analyse_own_tables();
        transaction.commit();
    });
    return {next.due(), steps.complete(), slot_wanted};
}

pg::ProbeResult probe_database() {
    // Before we look which sources there are: a directory that is found has had its source in the catalog.
    std::vector<replication::ScratchDirectory> const scratch = replication::scratch_directories();
    Installation const found = installation();
    if (found == Installation::kUsable) {
        return serve_database(scratch);
    }
    NextProbe next;
    next.in(found == Installation::kNone ? kNotInstalledMs : kLookAnywayMs);
    if (found == Installation::kNone) {  // any more
        for (const replication::ScratchDirectory& directory : scratch) {
            if (directory.database == MyDatabaseId) {
                replication::remove_scratch_directory(directory);
            }
        }
    }
    return {next.due(), true, 0};
}

}  // namespace

void probe_main() {
    pg::WorkerArguments const arguments = begin_worker_session();
    pg::set_application_name("pg_replicator probe");
    set_lock_timeout(kLockPatience);
    pg::probe_done(arguments.probe_slot, arguments.database, probe_database());
}

}  // namespace pgrepl::worker
