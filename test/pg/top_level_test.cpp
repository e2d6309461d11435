// run_top_level, which needs a background worker of its own: test_top_level(sql) starts one for the statement.
// It does not wait for its end: CREATE INDEX CONCURRENTLY would wait for the waiting statement's snapshot. The worker
// ends with an error if the statement does.

#include <cstring>

#include "api/entry.hpp"
#include "pg/top_level.hpp"
#include "pg/worker.hpp"
#include "test/pg/arguments.hpp"

namespace pgrepl::test {

namespace {

struct Order {
    Oid database;
    char sql[100];
};
static_assert(sizeof(Order) <= BGW_EXTRALEN);

Datum test_top_level(FunctionCallInfo fcinfo) {
    std::string const library = text_argument(fcinfo, 0);
    std::string const sql = text_argument(fcinfo, 1);
    Order order{MyDatabaseId, {}};
    strlcpy(order.sql, sql.c_str(), sizeof(order.sql));
    BackgroundWorker worker;
    std::memset(&worker, 0, sizeof(worker));
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    worker.bgw_notify_pid = MyProcPid;
    strlcpy(worker.bgw_library_name, library.c_str(), BGW_MAXLEN);
    strlcpy(worker.bgw_function_name, "pg_replicator_test_top_level_main", BGW_MAXLEN);
    strlcpy(worker.bgw_type, "top level test", BGW_MAXLEN);
    strlcpy(worker.bgw_name, "top level test", BGW_MAXLEN);
    std::memcpy(worker.bgw_extra, &order, sizeof(order));
    pg::CallPg([&] {
        BackgroundWorkerHandle* handle = nullptr;
        if (!RegisterDynamicBackgroundWorker(&worker, &handle)) {
            elog(ERROR, "no worker slot");
        }
        pid_t pid = 0;
        WaitForBackgroundWorkerStartup(handle, &pid);
    });
    PG_RETURN_VOID();
}

void top_level_main() {
    Order order;
    std::memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
    pg::set_up_worker_signals();
    pg::connect_worker(order.database);
    try {
        pg::run_top_level(order.sql);
    } catch (const pg::SqlError& error) {
        // The worker goes on after an error: what comes next must work.
        std::string const note =
            std::string("COMMENT ON TABLE public.top_level IS 'caught ") + pg::sqlstate_text(error.sqlstate()) + "'";
        pg::run_top_level(note);
    }
}

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_top_level, pgrepl::test::test_top_level)

extern "C" {
PGDLLEXPORT void pg_replicator_test_top_level_main(Datum);
void pg_replicator_test_top_level_main(Datum /*unused*/) { pgrepl::pg::GuardedEntry(pgrepl::test::top_level_main); }
}
