// The probe: a short worker that looks at one database for the launcher. It writes failed control calls into the
// catalog, starts the source workers that are missing, and tells when it wants to be run again.

#include <algorithm>

#include "catalog/events.hpp"
#include "catalog/source_state.hpp"
#include "pg/settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/transaction.hpp"
#include "pg/worker.hpp"
#include "worker/entry_points.hpp"
#include "worker/worker_session.hpp"

namespace pgrepl::worker {

namespace {

constexpr int kNoSlotRetryMs = 2'000;

void write_failed_calls() {
    std::vector<pg::FailedCall> const calls = pg::take_failed_calls();
    pg::Transaction transaction;
    for (const pg::FailedCall& call : calls) {
        catalog::record_failed_call(call);
    }
    catalog::prune_events(pg::settings().event_retention_s);
    transaction.commit();
}

/// Whether the source got a worker, or has one.
bool start_source_worker(const catalog::SourceWork& work) {
    {
        pg::Transaction transaction;
        bool const served = pg::is_source_locked(work.source_id);
        transaction.commit();
        if (served) {
            return true;
        }
    }
    pg::WorkerArguments arguments;
    arguments.database = MyDatabaseId;
    arguments.source_id = work.source_id;
    if (pg::start_worker("pg_replicator_source_worker_main", "pg_replicator source worker",
                         "pg_replicator source " + work.name, arguments, false)) {
        return true;
    }
    pg::Transaction transaction;
    catalog::record_no_worker_slot(work.source_id, kNoSlotRetryMs);
    transaction.commit();
    return false;
}

/// When the database wants its next probe: the earliest of what its sources wait for.
TimestampTz serve_sources() {
    std::vector<catalog::SourceWork> sources;
    {
        pg::Transaction transaction;
        sources = catalog::list_source_work();
        transaction.commit();
    }
    TimestampTz next_due = 0;
    auto const due_at = [&](TimestampTz when) { next_due = next_due == 0 ? when : std::min(next_due, when); };
    for (const catalog::SourceWork& source : sources) {
        if (!source.wants_worker) {
            if (source.due_at != 0) {
                due_at(source.due_at);
            }
        } else if (!start_source_worker(source)) {
            due_at(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kNoSlotRetryMs));
        }
    }
    return next_due;
}

}  // namespace

void probe_main() {
    pg::WorkerArguments const arguments = begin_worker_session();
    pg::set_application_name("pg_replicator probe");
    TimestampTz next_due = 0;
    if (installation() == Installation::kUsable) {
        write_failed_calls();
        next_due = serve_sources();
    }
    pg::probe_done(arguments.database, next_due);
}

}  // namespace pgrepl::worker
