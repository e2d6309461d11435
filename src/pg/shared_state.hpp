#pragma once
// What our processes share in memory: only what may be lost. Wake-ups, which databases ask the launcher to look at
// them, and failed control calls on their way to the catalog (their own transaction is rolled back, so the
// next probe of the database writes them down).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/error.hpp"
#include "pg/progress.hpp"

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

// What workers are ordered to do when this transaction commits; the launcher then probes the database. What a savepoint
// takes back is not ordered.

/// Their jobs and index builds for the source are interrupted, or only `work` (pg/progress.hpp, interrupt_work).
void interrupt_at_commit(std::int32_t source_id, std::optional<PieceOfWork> work = std::nullopt);

/// Whoever works on the source, which is no longer wanted, ends within a moment (expect_end_of_source). Not
/// `is_to_end`: they are wanted again. Call it with the source's row locked, and last: the last call counts.
void end_source_at_commit(std::int32_t source_id, bool is_to_end = true);

/// Have the launcher probe a database now.
void request_probe(Oid database) noexcept;

/// Wakes a process by setting its latch. Harmless if it is gone or of another kind.
void wake_process(int pid) noexcept;

/// A control call that failed.
struct FailedCall {
    std::uint64_t number = 0;  ///< set by remember_failed_call
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

/// All failed calls of the current database that are not written down yet, in order.
std::vector<FailedCall> failed_calls();
/// Those up to `number` are in the catalog, committed.
void forget_failed_calls(std::uint64_t number) noexcept;

// ---- for the launcher, its probes and replicator_stop_workers() ----

/// How many probes there may be at one time.
constexpr int kMostProbes = 4;

/// What a probe found.
struct ProbeResult {
    TimestampTz next_due = 0;     ///< when the database wants to be looked at again
    bool complete = false;        ///< all that was to be looked at was; else the server log says what was not
    TimestampTz slot_wanted = 0;  ///< since when a worker waits for a slot there; 0: none does
};

/// Which databases asked to be looked at since the last call.
struct ProbeRequests {
    std::vector<Oid> databases;
    bool all = false;  ///< more asked than there was room for
};

void set_launcher(int pid) noexcept;
/// Takes the requests. What becomes of them afterwards is the launcher's: if it ends, the next one looks at everything.
ProbeRequests take_probe_requests();
/// Before the probe of a slot (0 to kMostProbes - 1) is started, and by it at its end.
void probe_starts(int slot, Oid database) noexcept;
void probe_done(int slot, Oid database, const ProbeResult& result) noexcept;
/// Of a probe that has ended; nothing: it did not come to its end.
std::optional<ProbeResult> probe_result(int slot, Oid database) noexcept;

/// The launcher finds no slot even for a probe. It notes since when; the views show it.
void set_short_of_slots(bool is_short) noexcept;
/// 0: it is not.
[[nodiscard]] TimestampTz short_of_slots_since() noexcept;
/// Whether a worker of some database waits for a slot: what only makes others faster leaves it to that one.
void set_slots_wanted(bool wanted) noexcept;
[[nodiscard]] bool are_slots_wanted() noexcept;

/// replicator_stop_workers() holds for a database until a control call there: nothing starts in it. False if there is
/// no room to remember one more.
bool set_stopped(Oid database, bool stopped) noexcept;
[[nodiscard]] bool is_stopped(Oid database) noexcept;
std::vector<Oid> stopped_databases();

}  // namespace pgrepl::pg
