// The library's entry points: _PG_init, and the main functions of the workers. SQL-callable functions are in
// src/api.

#include "pg/error.hpp"
#include "pg/log_redaction.hpp"
#include "pg/object_access.hpp"
#include "pg/owner_code.hpp"
#include "pg/settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/stream_report.hpp"
#include "pg/worker.hpp"
#include "source/settings.hpp"
#include "worker/entry_points.hpp"

extern "C" {

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init();
PGDLLEXPORT void pg_replicator_launcher_main(Datum);
PGDLLEXPORT void pg_replicator_probe_main(Datum);
PGDLLEXPORT void pg_replicator_source_worker_main(Datum);
PGDLLEXPORT void pg_replicator_copy_worker_main(Datum);
PGDLLEXPORT void pg_replicator_job_worker_main(Datum);
PGDLLEXPORT void pg_replicator_index_worker_main(Datum);

void _PG_init() {
    pgrepl::pg::GuardedEntry([] {
        pgrepl::pg::define_settings(pgrepl::source::kSettings);
        pgrepl::pg::redact_log();
        pgrepl::pg::keep_replica_role_from_code_of_users();
        pgrepl::pg::guard_objects();
        // Without preload the functions can say what is missing, and a restore can create the extension.
        if (process_shared_preload_libraries_in_progress) {
            pgrepl::pg::request_shared_memory();
            pgrepl::pg::request_stream_reports();
            pgrepl::pg::register_launcher("pg_replicator_launcher_main");
        }
    });
}

void pg_replicator_launcher_main(Datum /*unused*/) { pgrepl::pg::GuardedEntry(pgrepl::worker::launcher_main); }
void pg_replicator_probe_main(Datum /*unused*/) { pgrepl::pg::GuardedEntry(pgrepl::worker::probe_main); }
void pg_replicator_source_worker_main(Datum /*unused*/) {
    pgrepl::pg::GuardedEntry(pgrepl::worker::source_worker_main);
}
void pg_replicator_copy_worker_main(Datum /*unused*/) { pgrepl::pg::GuardedEntry(pgrepl::worker::copy_worker_main); }
void pg_replicator_job_worker_main(Datum /*unused*/) { pgrepl::pg::GuardedEntry(pgrepl::worker::job_worker_main); }
void pg_replicator_index_worker_main(Datum /*unused*/) { pgrepl::pg::GuardedEntry(pgrepl::worker::index_worker_main); }
}
