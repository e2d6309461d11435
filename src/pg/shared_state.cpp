// The shared memory of pg_replicator: a fixed struct under one lock, and beside it the table of phases (progress.cpp)
// under another.

#include "pg/shared_state.hpp"

#include <algorithm>
#include <cstring>

#include "pg/callback.hpp"
#include "pg/failure_point.hpp"
#include "pg/fixed_text.hpp"
#include "pg/locked.hpp"

namespace pgrepl::pg {

namespace {

/// Of requests between two rounds of the launcher: if there are more, it looks at all databases.
constexpr int kMaxRequests = 256;
constexpr int kMaxStopped = 256;
constexpr int kMaxFailedCalls = 64;

struct ProbeSlot {
    Oid database;
    bool done;
    ProbeResult result;
};

struct SharedFailedCall {
    std::uint64_t number;
    Oid database;
    Oid role;
    TimestampTz at;
    FixedText<64> action;
    FixedText<128> source;
    FixedText<1024> arguments;
    FixedText<8> sqlstate;
    FixedText<512> message;
};

struct SharedState {
    LWLock* lock;
    int launcher_pid;
    bool all_requested;
    int request_count;
    Oid requests[kMaxRequests];
    int stopped_count;
    Oid stopped[kMaxStopped];
    ProbeSlot probes[kMostProbes];
    TimestampTz short_of_slots_since;
    bool slots_wanted;
    std::uint64_t failed_calls_ever;
    int failed_call_count;
    SharedFailedCall failed_calls[kMaxFailedCalls];
};

SharedState* shared = nullptr;
bool preloaded = false;
shmem_request_hook_type previous_request_hook = nullptr;
shmem_startup_hook_type previous_startup_hook = nullptr;

constexpr const char* kName = "pg_replicator";
constexpr const char* kPhasesName = "pg_replicator phases";

void on_shmem_request() {
    if (previous_request_hook != nullptr) {
        previous_request_hook();
    }
    RequestAddinShmemSpace(MAXALIGN(sizeof(SharedState)) + MAXALIGN(phase_memory_bytes()));
    RequestNamedLWLockTranche(kName, 2);
}

void on_shmem_startup() {
    if (previous_startup_hook != nullptr) {
        previous_startup_hook();
    }
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    LWLockPadded* const locks = GetNamedLWLockTranche(kName);
    bool found = false;
    shared = static_cast<SharedState*>(ShmemInitStruct(kName, sizeof(SharedState), &found));
    if (!found) {
        std::memset(static_cast<void*>(shared), 0, sizeof(SharedState));
        shared->lock = &locks[0].lock;
    }
    void* const phases = ShmemInitStruct(kPhasesName, phase_memory_bytes(), &found);
    attach_phase_memory(phases, !found, &locks[1].lock);
    LWLockRelease(AddinShmemInitLock);
}

/// Where `database` stands in the first `count`; `count` if it does not. Under the lock.
int index_of(const Oid* databases, int count, Oid database) noexcept {
    return static_cast<int>(std::find(databases, databases + count, database) - databases);
}

/// Under the lock.
void add_request(Oid database) noexcept {
    if (index_of(shared->requests, shared->request_count, database) < shared->request_count) {
        return;
    }
    if (shared->request_count == kMaxRequests) {
        shared->all_requested = true;
    } else {
        shared->requests[shared->request_count++] = database;
    }
}

// What the current transaction asked for. Reset at its end, whichever way it ends.
bool probe_wanted = false;
bool workers_wanted = false;
int worker_to_wake = 0;
bool callback_registered = false;

/// To the workers of a source.
struct Order {
    enum class Kind { kInterrupt, kPause, kResume };
    Kind kind;
    std::int32_t source_id;
    std::optional<PieceOfWork> work;  ///< of an interrupt: of this alone
    std::uint64_t number;             ///< of the others
    SubTransactionId given_in;
};
std::vector<Order> orders;

void serve(const Order& order) {
    switch (order.kind) {
        case Order::Kind::kInterrupt:
            exit_failure_point("interrupt_ordered");
            return interrupt_work(order.source_id, order.work);
        case Order::Kind::kPause:
            exit_failure_point("pause_ordered");
            return expect_end_of_source(order.source_id, order.number);
        case Order::Kind::kResume:
            return expect_no_end_of_source(order.source_id, order.number);
    }
}

/// Whether the order is to pause or resume a source.
bool concerns_as_a_whole(const Order& order, std::int32_t source_id) {
    return order.source_id == source_id && order.kind != Order::Kind::kInterrupt;
}

void serve_what_was_asked_for() {
    for (auto order = orders.begin(); order != orders.end(); ++order) {
        bool const is_undone =
            order->kind != Order::Kind::kInterrupt && std::any_of(order + 1, orders.end(), [&](const Order& later) {
                return concerns_as_a_whole(later, order->source_id);
            });
        if (!is_undone) {
            serve(*order);
        }
    }
    if (workers_wanted) {
        set_stopped(MyDatabaseId, false);
    }
    if (probe_wanted) {
        request_probe(MyDatabaseId);
    }
    if (worker_to_wake != 0) {
        wake_process(worker_to_wake);
    }
}

void on_transaction_end(XactEvent event, void* /*unused*/) {
    if (event == XACT_EVENT_PRE_PREPARE && probe_wanted) {
        // Whoever commits it is another process, which would wake nobody.
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("cannot PREPARE a transaction that has called functions of pg_replicator"),
                        errdetail("Workers are woken by the session that commits the call."),
                        errhint("Commit it with COMMIT, or call the functions in a transaction of their own.")));
    }
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PARALLEL_COMMIT) {
        run_in_callback("waking workers", serve_what_was_asked_for);
    } else if (event != XACT_EVENT_ABORT && event != XACT_EVENT_PARALLEL_ABORT && event != XACT_EVENT_PREPARE) {
        return;
    }
    probe_wanted = false;
    workers_wanted = false;
    worker_to_wake = 0;
    orders.clear();
}

void on_subtransaction_end(SubXactEvent event, SubTransactionId ended, SubTransactionId parent, void* /*unused*/) {
    if (event == SUBXACT_EVENT_ABORT_SUB) {
        std::erase_if(orders, [&](const Order& order) { return order.given_in == ended; });
    } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
        for (Order& order : orders) {
            order.given_in = order.given_in == ended ? parent : order.given_in;
        }
    }
}

}  // namespace

bool is_preloaded() noexcept { return preloaded && shared != nullptr; }

void require_preload() {
    if (!is_preloaded()) {
        throw SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                       "pg_replicator must be loaded by shared_preload_libraries",
                       "Its background workers are started by the library as the server starts.",
                       "Add this line to postgresql.conf and restart the server: "
                       "shared_preload_libraries = 'pg_replicator' (beside what is there already).");
    }
}

void request_shared_memory() {
    preloaded = true;
    previous_request_hook = shmem_request_hook;
    shmem_request_hook = on_shmem_request;
    previous_startup_hook = shmem_startup_hook;
    shmem_startup_hook = on_shmem_startup;
}

void probe_at_commit() {
    if (!is_preloaded()) {
        return;
    }
    if (!callback_registered) {
        CallPg([] {
            RegisterXactCallback(on_transaction_end, nullptr);
            RegisterSubXactCallback(on_subtransaction_end, nullptr);
        });
        callback_registered = true;
    }
    probe_wanted = true;
}

void wake_at_commit(int worker_pid) {
    probe_at_commit();
    workers_wanted = true;
    if (worker_pid != 0) {
        worker_to_wake = worker_pid;
    }
}

void interrupt_at_commit(std::int32_t source_id, std::optional<PieceOfWork> work) {
    wake_at_commit();
    if (is_preloaded()) {
        orders.push_back({Order::Kind::kInterrupt, source_id, work, 0, GetCurrentSubTransactionId()});
    }
}

void end_source_at_commit(std::int32_t source_id, bool is_to_end) {
    wake_at_commit();
    if (is_preloaded()) {
        Order::Kind const kind = is_to_end ? Order::Kind::kPause : Order::Kind::kResume;
        orders.push_back({kind, source_id, std::nullopt, next_order(), GetCurrentSubTransactionId()});
    }
}

void request_probe(Oid database) noexcept {
    if (!is_preloaded()) {
        return;
    }
    int pid = 0;
    {
        Locked lock(shared->lock, LW_EXCLUSIVE);
        add_request(database);
        pid = shared->launcher_pid;
    }
    wake_process(pid);
}

void wake_process(int pid) noexcept {
    if (pid == 0) {
        return;
    }
    // BackendPidGetProc takes and releases ProcArrayLock; a latch set in a process that is just leaving is harmless.
    if (PGPROC* const process = BackendPidGetProc(pid)) {
        SetLatch(&process->procLatch);
    }
}

void remember_failed_call(const FailedCall& call) noexcept {
    if (!is_preloaded()) {
        return;
    }
    {
        Locked lock(shared->lock, LW_EXCLUSIVE);
        if (shared->failed_call_count == kMaxFailedCalls) {
            std::memmove(static_cast<void*>(&shared->failed_calls[0]), &shared->failed_calls[1],
                         sizeof(SharedFailedCall) * (kMaxFailedCalls - 1));
            --shared->failed_call_count;
        }
        SharedFailedCall& slot = shared->failed_calls[shared->failed_call_count++];
        slot.number = ++shared->failed_calls_ever;
        slot.database = MyDatabaseId;
        slot.role = call.role;
        slot.at = call.at;
        slot.action.assign(call.action);
        slot.source.assign(call.source);
        slot.arguments.assign(call.arguments.size() < sizeof(slot.arguments.bytes) ? call.arguments : "{}");
        slot.sqlstate.assign(call.sqlstate);
        slot.message.assign(call.message);
    }
    request_probe(MyDatabaseId);
}

std::vector<FailedCall> failed_calls() {
    std::vector<SharedFailedCall> found(kMaxFailedCalls);
    std::size_t count = 0;
    {
        Locked lock(shared->lock, LW_SHARED);
        for (int i = 0; i < shared->failed_call_count; ++i) {
            if (shared->failed_calls[i].database == MyDatabaseId) {
                found[count++] = shared->failed_calls[i];
            }
        }
    }
    std::vector<FailedCall> calls;
    for (std::size_t i = 0; i < count; ++i) {
        const SharedFailedCall& call = found[i];
        calls.push_back({call.number, call.at, call.role, call.action.bytes, call.source.bytes, call.arguments.bytes,
                         call.sqlstate.bytes, call.message.bytes});
    }
    return calls;
}

void forget_failed_calls(std::uint64_t number) noexcept {
    Locked lock(shared->lock, LW_EXCLUSIVE);
    int kept = 0;
    for (int i = 0; i < shared->failed_call_count; ++i) {
        const SharedFailedCall& call = shared->failed_calls[i];
        if (call.database != MyDatabaseId || call.number > number) {
            shared->failed_calls[kept++] = call;
        }
    }
    shared->failed_call_count = kept;
}

void set_launcher(int pid) noexcept {
    Locked lock(shared->lock, LW_EXCLUSIVE);
    shared->launcher_pid = pid;
}

ProbeRequests take_probe_requests() {
    ProbeRequests taken;
    std::vector<Oid> requests(kMaxRequests);
    std::size_t count = 0;
    {
        Locked lock(shared->lock, LW_EXCLUSIVE);
        count = static_cast<std::size_t>(shared->request_count);
        std::copy_n(shared->requests, count, requests.begin());
        taken.all = shared->all_requested;
        shared->request_count = 0;
        shared->all_requested = false;
    }
    requests.resize(count);
    taken.databases = std::move(requests);
    return taken;
}

void probe_starts(int slot, Oid database) noexcept {
    Assert(slot >= 0 && slot < kMostProbes);
    Locked lock(shared->lock, LW_EXCLUSIVE);
    shared->probes[slot] = {database, false, {}};
}

void probe_done(int slot, Oid database, const ProbeResult& result) noexcept {
    Assert(slot >= 0 && slot < kMostProbes);
    int pid = 0;
    {
        Locked lock(shared->lock, LW_EXCLUSIVE);
        // Another launcher may have given the slot away since.
        if (shared->probes[slot].database == database) {
            shared->probes[slot] = {database, true, result};
        }
        pid = shared->launcher_pid;
    }
    wake_process(pid);
}

std::optional<ProbeResult> probe_result(int slot, Oid database) noexcept {
    Assert(slot >= 0 && slot < kMostProbes);
    Locked lock(shared->lock, LW_SHARED);
    const ProbeSlot& probe = shared->probes[slot];
    return probe.database == database && probe.done ? std::optional(probe.result) : std::nullopt;
}

void set_short_of_slots(bool is_short) noexcept {
    Locked lock(shared->lock, LW_EXCLUSIVE);
    if (is_short != (shared->short_of_slots_since != 0)) {
        shared->short_of_slots_since = is_short ? GetCurrentTimestamp() : 0;
    }
}

TimestampTz short_of_slots_since() noexcept {
    if (!is_preloaded()) {
        return 0;
    }
    Locked lock(shared->lock, LW_SHARED);
    return shared->short_of_slots_since;
}

void set_slots_wanted(bool wanted) noexcept {
    Locked lock(shared->lock, LW_EXCLUSIVE);
    shared->slots_wanted = wanted;
}

bool are_slots_wanted() noexcept {
    Locked lock(shared->lock, LW_SHARED);
    return shared->slots_wanted;
}

bool set_stopped(Oid database, bool stopped) noexcept {
    if (!is_preloaded()) {
        return true;
    }
    Locked lock(shared->lock, LW_EXCLUSIVE);
    int const at = index_of(shared->stopped, shared->stopped_count, database);
    bool const is_there = at < shared->stopped_count;
    if (stopped && !is_there) {
        if (shared->stopped_count == kMaxStopped) {
            return false;
        }
        shared->stopped[shared->stopped_count++] = database;
    } else if (!stopped && is_there) {
        shared->stopped[at] = shared->stopped[--shared->stopped_count];
    }
    return true;
}

bool is_stopped(Oid database) noexcept {
    Locked lock(shared->lock, LW_SHARED);
    return index_of(shared->stopped, shared->stopped_count, database) < shared->stopped_count;
}

std::vector<Oid> stopped_databases() {
    std::vector<Oid> stopped(kMaxStopped);
    int count = 0;
    {
        Locked lock(shared->lock, LW_SHARED);
        count = shared->stopped_count;
        std::copy_n(shared->stopped, count, stopped.begin());
    }
    stopped.resize(static_cast<std::size_t>(count));
    return stopped;
}

}  // namespace pgrepl::pg
