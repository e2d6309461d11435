// The probe: a short worker that looks at one database for the launcher. It starts the workers that are missing, writes
// failed control calls into the catalog, and tells when it wants to be run again.

#include <algorithm>

#include "catalog/copy_queue.hpp"
#include "catalog/events.hpp"
#include "catalog/jobs.hpp"
#include "catalog/source_config.hpp"
#include "catalog/source_state.hpp"
#include "catalog/target_indexes.hpp"
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
/// CREATE EXTENSION asks for a probe; only one that is prepared and committed later does not.
constexpr int kNotInstalledMs = 600'000;
/// A worker that was started but ended before it was known as its source's asks for nothing.
constexpr int kLookWhetherStartedMs = 5'000;
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

/// A kind of worker that a probe starts for a source.
struct WorkerKind {
    pg::WorkerRole role;
    const char* function;
    const char* type;
    const char* name;  ///< what ps shows, before the source's name
};

constexpr WorkerKind kSourceWorker = {pg::WorkerRole::kSource, "pg_replicator_source_worker_main",
                                      "pg_replicator source worker", "pg_replicator source "};
constexpr WorkerKind kJobWorker = {pg::WorkerRole::kJob, "pg_replicator_job_worker_main", "pg_replicator job worker",
                                   "pg_replicator jobs of "};
constexpr WorkerKind kIndexWorker = {pg::WorkerRole::kIndex, "pg_replicator_index_worker_main",
                                     "pg_replicator index worker", "pg_replicator indexes of "};

/// Whether the source got a worker of the kind, or has one.
bool start_worker_of(const WorkerKind& kind, std::int32_t source_id, const std::string& source_name, NextProbe& next) {
    {
        pg::Transaction transaction;
        bool const served = pg::is_source_locked(source_id, kind.role);
        transaction.commit();
        if (served) {
            return true;
        }
    }
    pg::WorkerArguments arguments;
    arguments.database = MyDatabaseId;
    arguments.source_id = source_id;
    next.in(kLookWhetherStartedMs);
    return pg::start_worker(kind.function, kind.type, kind.name + source_name, arguments, false).has_value();
}

void serve_sources(NextProbe& next) {
    std::vector<catalog::SourceWork> sources;
    {
        pg::Transaction transaction;
        sources = catalog::list_source_work();
        transaction.commit();
    }
    for (const catalog::SourceWork& source : sources) {
        if (!source.wants_worker) {
            next.at(source.due_at);
        } else if (!start_worker_of(kSourceWorker, source.source_id, source.name, next)) {
            pg::Transaction transaction;
            catalog::record_no_worker_slot(source.source_id, kNoSlotRetryMs);
            transaction.commit();
            next.when_a_slot_may_be_free();
        }
    }
}

void serve_side_work(const WorkerKind& kind, std::vector<catalog::SideWork> (*list)(), NextProbe& next) {
    std::vector<catalog::SideWork> sources;
    {
        pg::Transaction transaction;
        sources = list();
        transaction.commit();
    }
    for (const catalog::SideWork& source : sources) {
        if (!source.wants_worker) {
            next.at(source.due_at);
        } else if (!start_worker_of(kind, source.source_id, source.name, next)) {
            next.when_a_slot_may_be_free();
        }
    }
}

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
    next.in(kLookAnywayMs);
    steps.attempt("sources", [&] { serve_sources(next); });
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
    steps.attempt("jobs", [&] { serve_side_work(kJobWorker, catalog::list_job_work, next); });
    steps.attempt("indexes", [&] { serve_side_work(kIndexWorker, catalog::list_index_work, next); });
    steps.attempt("side tables", [&] { remove_what_is_orphaned(scratch); });
    steps.attempt("events", write_failed_calls);
    steps.attempt("old events and jobs", prune_history);
    return {next.due(), steps.complete()};
}

pg::ProbeResult probe_database() {
    // Before we look which sources there are: a directory that is found has had its source in the catalog.
    std::vector<replication::ScratchDirectory> const scratch = replication::scratch_directories();
    Installation const found = installation();
    if (found == Installation::kUsable) {
        return serve_database(scratch);
    }
    NextProbe next;
    next.in(kNotInstalledMs);
    if (found == Installation::kNone) {  // any more
        for (const replication::ScratchDirectory& directory : scratch) {
            if (directory.database == MyDatabaseId) {
                replication::remove_scratch_directory(directory);
            }
        }
    }
    return {next.due(), true};
}

}  // namespace

void probe_main() {
    pg::WorkerArguments const arguments = begin_worker_session();
    pg::set_application_name("pg_replicator probe");
    set_lock_timeout(kLockPatience);
    pg::probe_done(arguments.probe_slot, arguments.database, probe_database());
}

}  // namespace pgrepl::worker
