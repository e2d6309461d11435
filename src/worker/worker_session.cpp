// The common beginning of workers.

#include "worker/worker_session.hpp"

#include <malloc.h>

#include <chrono>
#include <string>

#include "core/version.hpp"
#include "pg/failure_point.hpp"
#include "pg/pinned_settings.hpp"
#include "pg/settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"

namespace pgrepl::worker {

namespace {

constexpr std::chrono::milliseconds kPauseAfterError{2'000};

void set(const char* name, const std::string& value) {
    const char* const text = value.c_str();
    pg::CallPg([&] { SetConfigOption(name, text, PGC_SUSET, PGC_S_SESSION); });
}

void request_probe_at_exit(int /*code*/, Datum /*unused*/) {
    pg::request_probe(MyDatabaseId);
    pg::exit_failure_point("worker_exits");
}

}  // namespace

pg::WorkerArguments begin_worker_session() {
    pg::set_up_worker_signals();
    pg::WorkerArguments const arguments = pg::read_worker_arguments();
    pg::connect_worker(arguments.database);
    pg::pin_worker_settings();
    limit_memory(pg::settings().memory_per_worker_kb);
    return arguments;
}

void keep_freed_memory() {
#ifdef __GLIBC__
    constexpr int kKeptBytes = 32 << 20;  // the most that the first of them takes
    mallopt(M_MMAP_THRESHOLD, kKeptBytes);
    mallopt(M_TRIM_THRESHOLD, kKeptBytes);
#endif
}

void limit_memory(int memory_kb) {
    set("maintenance_work_mem", std::to_string(memory_kb) + "kB");
    set("work_mem", std::to_string(memory_kb / 4) + "kB");
}

void set_lock_timeout(const std::string& timeout) { set("lock_timeout", timeout); }

void set_commits_wait(bool wait) { set("synchronous_commit", wait ? "on" : "off"); }

bool become_the_one_worker(std::int32_t source_id, pg::WorkerKind kind) {
    pg::failure_point("worker_begins");
    pg::Transaction transaction;
    bool const ours = pg::try_lock_source(source_id, kind);
    transaction.commit();
    if (ours) {
        // Not sooner: a worker that started before our transaction is rolled back and our lock is free would end at
        // once, and nobody would ask again.
        on_shmem_exit(request_probe_at_exit, 0);
    }
    return ours;
}

void work_until_it_ends(const std::function<void()>& work) {
    try {
        work();
    } catch (...) {
        pg::SqlError const error = pg::detail::current_exception_as_sql_error();
        // Whoever wakes us does not know that we are at our end.
        auto const until = std::chrono::steady_clock::now() + kPauseAfterError;
        while (!error.is_interrupt() && std::chrono::steady_clock::now() < until) {
            (void)pg::wait_for_latch(kPauseAfterError.count(), pg::WaitFor::kWork);
        }
        throw;
    }
}

bool workers_may_run() {
    return pg::settings().enabled && !pg::is_stopped(MyDatabaseId) && installation() == Installation::kUsable;
}

bool was_canceled(const pg::SqlError& error) {
    try {
        pg::check_interrupts();
    } catch (const pg::SqlError& interrupt) {
        if (interrupt.sqlstate() != ERRCODE_QUERY_CANCELED) {
            throw;
        }
        return true;
    }
    return error.is_interrupt();
}

void log_failure(const std::string& what, const std::string& name, const pg::SqlError& error) {
    const char* const subject = what.c_str();
    const char* const source = name.c_str();
    const char* const text = error.what();
    pg::CallPg([&] { ereport(LOG, (errmsg("pg_replicator %s \"%s\": %s", subject, source, text))); });
}

Installation installation() {
    pg::Transaction transaction;
    pg::QueryResult const row = pg::execute(
        R"(SELECT extversion, current_database() FROM pg_catalog.pg_extension
           WHERE extname = 'pg_replicator')");
    std::string const installed = row.empty() ? "" : row.text(0, 0);
    if (installed == core::kVersion) {
        pg::keep_to_this_catalog();
    }
    transaction.commit();
    if (row.empty()) {
        return Installation::kNone;
    }
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
