// Slots of fixed size, one for each process that streams. A slot is written by its owner alone; readers take what they
// find, each field as one load.

#include "pg/stream_report.hpp"

#include <cstring>

namespace pgrepl::pg {

namespace {

constexpr int kMaxStreams = 256;
constexpr const char* kName = "pg_replicator streams";

struct Slot {
    pg_atomic_uint32 pid;  ///< 0: free
    Oid database;
    std::int32_t source_id;
    volatile TimestampTz caught_up_at;
    volatile std::int64_t bytes_read;
    volatile std::int64_t transactions;
};

Slot* slots = nullptr;
Slot* own_slot = nullptr;
shmem_request_hook_type previous_request_hook = nullptr;
shmem_startup_hook_type previous_startup_hook = nullptr;

void on_shmem_request() {
    if (previous_request_hook != nullptr) {
        previous_request_hook();
    }
    RequestAddinShmemSpace(MAXALIGN(sizeof(Slot) * kMaxStreams));
}

void on_shmem_startup() {
    if (previous_startup_hook != nullptr) {
        previous_startup_hook();
    }
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    bool found = false;
    slots = static_cast<Slot*>(ShmemInitStruct(kName, sizeof(Slot) * kMaxStreams, &found));
    if (!found) {
        std::memset(static_cast<void*>(slots), 0, sizeof(Slot) * kMaxStreams);
    }
    LWLockRelease(AddinShmemInitLock);
}

void leave_slot(int /*code*/, Datum /*unused*/) {
    if (own_slot != nullptr) {
        pg_atomic_write_u32(&own_slot->pid, 0);
        own_slot = nullptr;
    }
}

Slot* take_slot() noexcept {
    for (int i = 0; i < kMaxStreams; ++i) {
        std::uint32_t free = 0;
        if (pg_atomic_compare_exchange_u32(&slots[i].pid, &free, static_cast<std::uint32_t>(MyProcPid))) {
            return &slots[i];
        }
    }
    return nullptr;
}

}  // namespace

void request_stream_reports() {
    previous_request_hook = shmem_request_hook;
    shmem_request_hook = on_shmem_request;
    previous_startup_hook = shmem_startup_hook;
    shmem_startup_hook = on_shmem_startup;
}

void report_stream(const StreamReport& report) noexcept {
    if (slots == nullptr) {
        return;
    }
    if (own_slot == nullptr) {
        Slot* const slot = take_slot();
        if (slot == nullptr) {
            return;  // the views then show what was committed
        }
        slot->database = InvalidOid;
        slot->source_id = report.source_id;
        slot->caught_up_at = 0;
        own_slot = slot;
        before_shmem_exit(leave_slot, 0);
    }
    own_slot->source_id = report.source_id;
    own_slot->caught_up_at = report.caught_up_at;
    own_slot->bytes_read = report.bytes_read;
    own_slot->transactions = report.transactions;
    own_slot->database = MyDatabaseId;
}

std::vector<StreamReport> stream_reports() {
    std::vector<StreamReport> result;
    for (int i = 0; slots != nullptr && i < kMaxStreams; ++i) {
        auto const pid = static_cast<int>(pg_atomic_read_u32(&slots[i].pid));
        if (pid != 0 && slots[i].database == MyDatabaseId) {
            result.push_back(
                {slots[i].source_id, pid, slots[i].caught_up_at, slots[i].bytes_read, slots[i].transactions});
        }
    }
    return result;
}

}  // namespace pgrepl::pg
