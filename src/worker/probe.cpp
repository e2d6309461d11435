// The probe: a short worker that looks at one database for the launcher. It writes failed control calls into the
// catalog, starts the workers that are missing, and tells when it wants to be run again.

#include <algorithm>

#include "catalog/copy_queue.hpp"
#include "catalog/events.hpp"
#include "catalog/jobs.hpp"
#include "catalog/source_state.hpp"
#include "catalog/target_indexes.hpp"
#include "pg/settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/transaction.hpp"
#include "pg/worker.hpp"
#include "target/target_table.hpp"
#include "worker/entry_points.hpp"
#include "worker/worker_session.hpp"

namespace pgrepl::worker {

namespace {

constexpr int kNoSlotRetryMs = 2'000;
/// Whatever is due has the launcher probe; this is for what nobody tells us, such as an index that was dropped by hand.
constexpr int kLookAnywayMs = 300'000;

void write_failed_calls() {
    std::vector<pg::FailedCall> const calls = pg::take_failed_calls();
    pg::Transaction transaction;
    for (const pg::FailedCall& call : calls) {
        catalog::record_failed_call(call);
    }
    catalog::prune_events(pg::settings().event_retention_s);
    catalog::prune_jobs(pg::settings().event_retention_s);
    transaction.commit();
}

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
bool start_worker_of(const WorkerKind& kind, std::int32_t source_id, const std::string& source_name) {
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
    return pg::start_worker(kind.function, kind.type, kind.name + source_name, arguments, false).has_value();
}

/// The earliest of what the sources of a database wait for; 0: nothing.
class NextProbe {
  public:
    void at(TimestampTz when) { due_ = due_ == 0 ? when : std::min(due_, when); }
    void in(int ms) { at(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms)); }
    void when_a_slot_may_be_free() { in(kNoSlotRetryMs); }
    [[nodiscard]] TimestampTz due() const noexcept { return due_; }

  private:
    TimestampTz due_ = 0;
};

void serve_sources(NextProbe& next) {
    std::vector<catalog::SourceWork> sources;
    {
        pg::Transaction transaction;
        sources = catalog::list_source_work();
        transaction.commit();
    }
    for (const catalog::SourceWork& source : sources) {
        if (!source.wants_worker) {
            if (source.due_at != 0) {
                next.at(source.due_at);
            }
        } else if (!start_worker_of(kSourceWorker, source.source_id, source.name)) {
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
        } else if (!start_worker_of(kind, source.source_id, source.name)) {
            next.when_a_slot_may_be_free();
        }
    }
}

/// Starts what is missing; returns when the database wants its next probe.
TimestampTz serve_database() {
    NextProbe next;
    next.in(kLookAnywayMs);
    serve_sources(next);
    {
        pg::Transaction transaction;
        catalog::notice_lost_indexes();
        target::drop_orphaned_side_tables(catalog::all_tables());
        transaction.commit();
    }
    serve_side_work(kJobWorker, catalog::list_job_work, next);
    serve_side_work(kIndexWorker, catalog::list_index_work, next);
    return next.due();
}

}  // namespace

void probe_main() {
    pg::WorkerArguments const arguments = begin_worker_session();
    pg::set_application_name("pg_replicator probe");
    TimestampTz next_due = 0;
    if (installation() == Installation::kUsable) {
        write_failed_calls();
        next_due = serve_database();
    }
    pg::probe_done(arguments.database, next_due);
}

}  // namespace pgrepl::worker
