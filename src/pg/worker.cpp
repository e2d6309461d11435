// Background workers through PostgreSQL's API.

#include "pg/worker.hpp"

#include <cstring>

#include "pg/scoped_setting.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

namespace pgrepl::pg {

namespace {

constexpr const char* kLibrary = "pg_replicator";

/// Our own class of advisory locks: user-level advisory locks have 1 or 2 in the last field.
constexpr std::uint16_t kLockClass = 0x5052;

/// Beside those of the kinds.
constexpr std::uint32_t kWriting = 100;

LOCKTAG lock_tag(std::int32_t source_id, std::uint32_t what) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, what, static_cast<std::uint32_t>(source_id), kLockClass);
    return tag;
}

LOCKTAG source_lock_tag(std::int32_t source_id, WorkerKind kind) {
    return lock_tag(source_id, static_cast<std::uint32_t>(kind));
}

BackgroundWorker describe(const char* function, WorkerKind kind, const std::string& name) {
    BackgroundWorker worker;
    std::memset(&worker, 0, sizeof(worker));
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker.bgw_restart_time = BGW_NEVER_RESTART;
    strlcpy(worker.bgw_library_name, kLibrary, BGW_MAXLEN);
    strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
    strlcpy(worker.bgw_type, type_of(kind).c_str(), BGW_MAXLEN);
    strlcpy(worker.bgw_name, name.c_str(), BGW_MAXLEN);
    return worker;
}

}  // namespace

bool WorkerHandle::alive() const {
    pid_t pid = 0;
    return handle_ != nullptr && GetBackgroundWorkerPid(handle_, &pid) != BGWH_STOPPED;
}

void WorkerHandle::terminate() const {
    if (handle_ != nullptr) {
        TerminateBackgroundWorker(handle_);
    }
}

std::optional<WorkerHandle> start_worker(const char* function, WorkerKind kind, const std::string& name,
                                         const WorkerArguments& arguments, bool notify) {
    BackgroundWorker worker = describe(function, kind, name);
    std::memcpy(worker.bgw_extra, &arguments, sizeof(arguments));
    worker.bgw_notify_pid = notify ? MyProcPid : 0;
    BackgroundWorkerHandle* const handle = CallPg([&]() -> BackgroundWorkerHandle* {
        MemoryContext const previous = MemoryContextSwitchTo(TopMemoryContext);
        BackgroundWorkerHandle* registered = nullptr;
        bool const started = RegisterDynamicBackgroundWorker(&worker, &registered);
        MemoryContextSwitchTo(previous);
        return started ? registered : nullptr;
    });
    if (handle == nullptr) {
        return std::nullopt;
    }
    return WorkerHandle(handle);
}

void register_launcher(const char* function) {
    BackgroundWorker worker = describe(function, WorkerKind::kLauncher, "pg_replicator launcher");
    worker.bgw_restart_time = 5;
    RegisterBackgroundWorker(&worker);
}

WorkerArguments read_worker_arguments() {
    WorkerArguments arguments;
    std::memcpy(&arguments, MyBgworkerEntry->bgw_extra, sizeof(arguments));
    if (arguments.size != sizeof(arguments)) {
        throw SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                       "a worker of pg_replicator was started by another build of the library", "",
                       "Restart the server.");
    }
    return arguments;
}

void set_up_worker_signals() {
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, die);
    pqsignal(SIGINT, StatementCancelHandler);
    BackgroundWorkerUnblockSignals();
}

void connect_worker(Oid database) {
    CallPg([&] { BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0); });
}

bool try_lock_source(std::int32_t source_id, WorkerKind kind) {
    LOCKTAG const tag = source_lock_tag(source_id, kind);
    return CallPg([&] { return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL; });
}

bool is_source_locked(std::int32_t source_id, WorkerKind kind) {
    LOCKTAG const tag = source_lock_tag(source_id, kind);
    return CallPg([&] {
        if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL) {
            return true;
        }
        LockRelease(&tag, ExclusiveLock, true);
        return false;
    });
}

void lock_writing(std::int32_t source_id) {
    LOCKTAG const tag = lock_tag(source_id, kWriting);
    CallPg([&] { (void)LockAcquire(&tag, ExclusiveLock, false, false); });
}

bool try_lock_writing(std::int32_t source_id) {
    LOCKTAG const tag = lock_tag(source_id, kWriting);
    return CallPg([&] { return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL; });
}

bool lock_writing_within(std::int32_t source_id, int timeout_ms) {
    std::string const timeout = std::to_string(timeout_ms) + "ms";
    std::optional<SqlError> const error = run_in_subtransaction([&] {
        ScopedSetting const patience("lock_timeout", timeout.c_str());
        lock_writing(source_id);
    });
    if (error && error->sqlstate() != ERRCODE_LOCK_NOT_AVAILABLE) {
        throw *error;
    }
    return !error;
}

WritingQueue queue_for_writing(std::int32_t source_id) {
    QueryResult const rows = execute(
        R"(SELECT pid, granted FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND database = $1 AND
           classid::int8 = $2 AND objid::int8 = $3 AND objsubid = $4)",
        {Param::oid(MyDatabaseId), std::int64_t{kWriting}, std::int64_t{source_id}, std::int32_t{kLockClass}});
    WritingQueue queue;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        auto const pid = static_cast<int>(rows.int64(i, 0));
        if (rows.boolean(i, 1)) {
            queue.holder = pid;
        } else {
            queue.waiters.push_back(pid);
        }
    }
    return queue;
}

int lock_timeout_ms() noexcept { return LockTimeout; }

int deadlock_timeout_ms() noexcept { return DeadlockTimeout; }

void set_application_name(const std::string& name) {
    const char* const value = name.c_str();
    CallPg([&] { SetConfigOption("application_name", value, PGC_USERSET, PGC_S_SESSION); });
}

}  // namespace pgrepl::pg
