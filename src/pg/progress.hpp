#pragma once
// What each of our workers does now, in shared memory: for replicator_progress, and to find the workers that a control
// call concerns. Lost with the process, which is right: what is left to do is in the catalog.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pg/error.hpp"
#include "pg/worker_names.hpp"

namespace pgrepl::pg {

struct PhaseReport {
    int pid = 0;
    std::int32_t source_id = 0;
    std::int32_t table_id = 0;
    WorkerPhase phase = WorkerPhase::kLookingForWork;
    std::int64_t done = 0;
    std::int64_t total = 0;
    TimestampTz since = 0;
};

/// This process enters a phase. `table_id` 0: no table in particular; `total` 0: not known how many rows it has.
/// `activity` is what pg_stat_activity shows as the query. Nothing but that without preload.
void begin_phase(WorkerPhase phase, std::int32_t source_id, std::int32_t table_id, std::int64_t total,
                 const std::string& activity);

/// A phase within the phase of this process, which goes on where it was, since when it was, at the end of the scope.
class NestedPhase {
  public:
    NestedPhase(WorkerPhase phase, std::int32_t source_id, std::int32_t table_id, std::int64_t total,
                const std::string& activity);
    ~NestedPhase();
    NestedPhase(const NestedPhase&) = delete;
    NestedPhase& operator=(const NestedPhase&) = delete;

  private:
    PhaseReport outer_;
    std::string outer_activity_;
};

struct PhaseSlot;

/// A phase beside that of this process, as long as the object lives: of work that is done in turns with it.
class SidePhase {
  public:
    SidePhase(WorkerPhase phase, std::int32_t source_id, std::int32_t table_id, std::int64_t total);
    ~SidePhase();
    SidePhase(const SidePhase&) = delete;
    SidePhase& operator=(const SidePhase&) = delete;

    void add_progress(std::int64_t rows) noexcept;

  private:
    PhaseSlot* slot_;  ///< null: there was none
};

/// Rows done since the phase began, further to those reported before.
void add_progress(std::int64_t rows) noexcept;

/// The phases of all workers in the current database.
std::vector<PhaseReport> phase_reports();

/// Ends all workers that are busy with a source of this database (SIGTERM); they give back what they hold at once.
/// Those that are wanted start again.
void end_workers_of(std::int32_t source_id) noexcept;

/// The workers that are busy with the source are no longer wanted, and see it within a moment. One that is still there
/// a second later, in code of an owner or in one long statement, is ended (SIGTERM) by the launcher.
void expect_end_of_source(std::int32_t source_id) noexcept;

/// They are wanted again.
void expect_no_end_of_source(std::int32_t source_id) noexcept;

/// For the launcher: ends those whose time has come. Returns in how many milliseconds to look again; -1: nothing waits.
long end_overdue_workers() noexcept;

/// Cancels what a worker of ours is doing, as pg_cancel_backend: it looks at the catalog what is still wanted. If it is
/// in the same phase a second later, in code that catches what cancels it, the launcher ends it. Any process that has
/// not entered a phase is left alone.
void interrupt_worker(int pid) noexcept;

/// Ends one worker; another takes its place.
void end_worker(int pid) noexcept;

// ---- for shared_state.cpp, which asks for the memory and the lock at the server's start ----

[[nodiscard]] std::size_t phase_memory_bytes() noexcept;
void attach_phase_memory(void* memory, bool is_new, LWLock* lock) noexcept;

}  // namespace pgrepl::pg
