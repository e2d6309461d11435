#pragma once
// Background workers: how ours are described, started and found alive.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/error.hpp"
#include "pg/worker_names.hpp"

namespace pgrepl::pg {

/// What a dynamic worker is told. Fits into BackgroundWorker.bgw_extra.
struct WorkerArguments {
    std::uint32_t size = sizeof(WorkerArguments);  ///< checked by the worker: both sides must be one build
    Oid database = InvalidOid;
    std::int32_t source_id = 0;
    std::int64_t generation = 0;
    std::int32_t supervisor_pid = 0;  ///< woken when there is news; 0: nobody
    std::int32_t probe_slot = 0;      ///< of a probe: where its result goes
};
static_assert(sizeof(WorkerArguments) <= BGW_EXTRALEN);

/// A worker that was started.
class WorkerHandle {
  public:
    explicit WorkerHandle(BackgroundWorkerHandle* handle) : handle_(handle) {}
    WorkerHandle(const WorkerHandle&) = delete;
    WorkerHandle& operator=(const WorkerHandle&) = delete;
    WorkerHandle(WorkerHandle&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
    WorkerHandle& operator=(WorkerHandle&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~WorkerHandle() {
        if (handle_ != nullptr) {
            pfree(handle_);
        }
    }

    /// True from registration until the process has ended.
    [[nodiscard]] bool alive() const;
    void terminate() const;

  private:
    BackgroundWorkerHandle* handle_;
};

/// Starts a dynamic worker of our library. Null if there is no free worker slot (max_worker_processes). Sets this
/// process's latch when the worker starts and ends if `notify` is set.
/// `function` is its entry, `name` what ps shows.
std::optional<WorkerHandle> start_worker(const char* function, WorkerKind kind, const std::string& name,
                                         const WorkerArguments& arguments, bool notify);

/// Registers the launcher; called from _PG_init.
void register_launcher(const char* function);

/// First lines of every worker: signal handlers, arguments, connection to the database (none: shared catalogs
/// only) as the bootstrap superuser.
WorkerArguments read_worker_arguments();
void set_up_worker_signals();
void connect_worker(Oid database);

/// Takes the lock that makes this process the one worker of its kind for `source_id`; false if another holds it. Held
/// until the process ends.
bool try_lock_source(std::int32_t source_id, WorkerKind kind);
/// Whether some process holds it.
bool is_source_locked(std::int32_t source_id, WorkerKind kind);

/// Keeps others from writing the targets of the source until the transaction ends; waits for whoever does. No row of
/// the catalog, because whoever holds it may wait for a target, and control calls must not wait for that.
void lock_writing(std::int32_t source_id);
/// False if somebody else holds it.
bool try_lock_writing(std::int32_t source_id);
/// False if it is still not ours after that time.
bool lock_writing_within(std::int32_t source_id, int timeout_ms);
/// The processes that have it, or wait for it.
struct WritingQueue {
    int holder = 0;  ///< 0: nobody has it just now
    std::vector<int> waiters;
};
WritingQueue queue_for_writing(std::int32_t source_id);

/// What the session has set: how long it waits for a lock (0: for as long as it takes), and for how long before it
/// looks for a deadlock.
int lock_timeout_ms() noexcept;
int deadlock_timeout_ms() noexcept;

/// What pg_stat_activity shows as this process's application_name.
void set_application_name(const std::string& name);

}  // namespace pgrepl::pg
