#pragma once
// What each of our workers does now, in shared memory: for replicator_progress, and to find the workers that a control
// call concerns. Lost with the process, which is right: what is left to do is in the catalog.

#include <cstddef>
#include <cstdint>
#include <optional>
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

/// A number greater than those of all orders before. A control call takes it while it holds its source's row: then the
/// numbers say in which order the calls were made, which the ends of their transactions need not.
[[nodiscard]] std::uint64_t next_order() noexcept;

/// The workers that are busy with the source are no longer wanted, and see it within a moment: it is paused. What a job
/// or an index worker is at is cancelled. One that is still there a second later, in code of an owner or in one long
/// statement, is ended (SIGTERM) by the launcher. Nothing where a later order has been served already.
void expect_end_of_source(std::int32_t source_id, std::uint64_t order) noexcept;

/// They are wanted again: what expect_end_of_source has ordered is withdrawn.
void expect_no_end_of_source(std::int32_t source_id, std::uint64_t order) noexcept;

/// For the launcher: ends those whose time has come. Returns in how many milliseconds to look again; -1: nothing waits.
long end_overdue_workers() noexcept;

/// A job, or the build of an index. Each kind has numbers of its own.
struct PieceOfWork {
    WorkerKind of = WorkerKind::kJob;
    std::int64_t id = 0;  ///< 0: none

    bool operator==(const PieceOfWork&) const = default;
};

/// Of a worker that does one piece of work after another: this is its next. An end that was ordered of what it was at
/// before is withdrawn; one of the source stays. Call it before others can read in the catalog who is at it, and look
/// afterwards whether it is wanted: what was ordered of it before concerned nobody.
void begin_work(PieceOfWork work) noexcept;

/// Cancels what our workers are at for the source, as pg_cancel_backend does: all of it, or only `work`. They look at
/// the catalog what is still wanted. One that is in the same phase a second later, in code that catches what cancels
/// it, is ended by the launcher.
void interrupt_work(std::int32_t source_id, std::optional<PieceOfWork> work = std::nullopt) noexcept;

/// For a worker that looks at the catalog whether it is still wanted: before that it notes what has been ordered, and
/// once it has found that it is wanted, that is withdrawn, of all its phases. (Who orders an end has committed what it
/// follows from. So the worker has seen that, and what came later.)
class LookAtOrders {
  public:
    LookAtOrders() noexcept;
    void is_wanted() const noexcept;

  private:
    std::uint64_t last_order_ = 0;
};

/// Ends one worker of the source; another takes its place. Any other process is left alone: the number may have been
/// given to one meanwhile. False if it is another.
bool end_worker(int pid, std::int32_t source_id) noexcept;

// ---- for shared_state.cpp, which asks for the memory and the lock at the server's start ----

[[nodiscard]] std::size_t phase_memory_bytes() noexcept;
void attach_phase_memory(void* memory, bool is_new, LWLock* lock) noexcept;

}  // namespace pgrepl::pg
