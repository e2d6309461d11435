#pragma once
// What our processes share in memory: only what may be lost. Wake-ups, which databases the launcher should look
// at, and failed control calls on their way to the catalog (their own transaction is rolled back, so the
// next probe of the database writes them down).

#include <optional>
#include <string>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// Whether the library was loaded by shared_preload_libraries, so that shared memory and the launcher exist.
[[nodiscard]] bool is_preloaded() noexcept;

/// Throws the error that says which line to add, if not is_preloaded().
void require_preload();

/// Called from _PG_init while shared_preload_libraries are processed.
void request_shared_memory();

/// When this transaction commits: have the launcher probe the current database. Forgotten when the transaction aborts.
/// Does nothing without preload.
void probe_at_commit();

/// The same for control calls: also wakes the process `worker_pid` (0: none), and lets workers start again in a
/// database where they had been stopped.
void wake_at_commit(int worker_pid = 0);

/// When this transaction commits: interrupt a worker (0: none), and have the launcher probe the database.
void interrupt_at_commit(int worker_pid);

/// Have the launcher probe a database now.
void request_probe(Oid database) noexcept;

/// Wakes a process by setting its latch. Harmless if it is gone or of another kind.
void wake_process(int pid) noexcept;

/// A control call that failed.
struct FailedCall {
    TimestampTz at = 0;
    Oid role = InvalidOid;
    std::string action;
    std::string source;
    std::string arguments;  ///< jsonb text without secrets; cut if it is too long
    std::string sqlstate;
    std::string message;
};

/// Keeps a failed call of the current database until the next probe takes it. The oldest is dropped if there
/// are too many. Does nothing without preload.
void remember_failed_call(const FailedCall& call) noexcept;

/// Takes all failed calls of the current database.
std::vector<FailedCall> take_failed_calls();

// ---- for the launcher and for replicator_stop_workers() ----

struct DatabaseWork {
    Oid database = InvalidOid;
    bool probe_requested = false;
    bool stopped = false;      ///< replicator_stop_workers() was called: nothing starts until a control call
    TimestampTz next_due = 0;  ///< when the database wants to be probed again; 0: not by time
};

void set_launcher(int pid) noexcept;
[[nodiscard]] int launcher_pid() noexcept;
/// All databases that have ever asked for something.
std::vector<DatabaseWork> database_work();
/// Clears probe_requested; called before the probe starts, so that no request is lost.
void probe_starts(Oid database) noexcept;
/// The probe's result: when it wants to be run again (0: not by time).
void probe_done(Oid database, TimestampTz next_due) noexcept;
/// Forgets databases that no longer exist.
void forget_database(Oid database) noexcept;
/// Whether replicator_stop_workers() holds for the database.
void set_stopped(Oid database, bool stopped) noexcept;
[[nodiscard]] bool is_stopped(Oid database) noexcept;

}  // namespace pgrepl::pg
