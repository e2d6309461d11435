// The common beginning of workers.

#include "worker/worker_session.hpp"

#include <string>

#include "core/version.hpp"
#include "pg/settings.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

namespace pgrepl::worker {

namespace {

void set(const char* name, const std::string& value) {
    const char* const text = value.c_str();
    pg::CallPg([&] { SetConfigOption(name, text, PGC_SUSET, PGC_S_SESSION); });
}

}  // namespace

pg::WorkerArguments begin_worker_session() {
    pg::set_up_worker_signals();
    pg::WorkerArguments const arguments = pg::read_worker_arguments();
    pg::connect_worker(arguments.database);
    set("search_path", "pg_catalog, pg_temp");
    // As native apply: only ENABLE REPLICA and ENABLE ALWAYS triggers fire.
    set("session_replication_role", "replica");
    limit_memory(pg::settings().memory_per_worker_kb);
    set("row_security", "off");
    set("statement_timeout", "0");
    set("lock_timeout", "0");
    set("idle_in_transaction_session_timeout", "0");
    set("default_transaction_read_only", "off");
    return arguments;
}

void limit_memory(int memory_kb) {
    set("maintenance_work_mem", std::to_string(memory_kb) + "kB");
    set("work_mem", std::to_string(memory_kb / 4) + "kB");
}

Installation installation() {
    pg::Transaction transaction;
    pg::QueryResult const row = pg::execute(
        "SELECT extversion, current_database() FROM pg_catalog.pg_extension "
        "WHERE extname = 'pg_replicator'");
    transaction.commit();
    if (row.empty()) {
        return Installation::kNone;
    }
    std::string const installed = row.text(0, 0);
    if (installed == core::kVersion) {
        return Installation::kUsable;
    }
    std::string const database = row.text(0, 1);
    pg::CallPg([&] {
        ereport(WARNING, (errmsg("pg_replicator starts no workers in database \"%s\"", database.c_str()),
                          errdetail("The loaded library is version %s, the installed extension is version %s.",
                                    core::kVersion, installed.c_str()),
                          errhint("Restart the server, or run ALTER EXTENSION pg_replicator UPDATE.")));
    });
    return Installation::kOtherVersion;
}

}  // namespace pgrepl::worker
