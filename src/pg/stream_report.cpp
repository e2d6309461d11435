// Slots of fixed size, one for each source. A slot is written by the process that has it alone; readers take what they
// find, each field as one load. Who ends leaves the slot to its source's next worker; if there is no other, a slot that
// was left is given to another source.

#include "pg/stream_report.hpp"

#include <cstring>

namespace pgrepl::pg {

namespace {

constexpr int kMaxStreams = 256;
constexpr const char* kName = "pg_replicator streams";
constexpr int kSecondsCounted = 60;

/// What was committed within one second.
struct Second {
    volatile std::int64_t number;  ///< of PostgreSQL's epoch; 0: none
    volatile std::int64_t changes;
};

struct Slot {
    pg_atomic_uint32 pid;  ///< 0: nobody's
    volatile Oid database;
    std::int32_t source_id;
    std::int64_t reader_id;
    volatile TimestampTz caught_up_at;
    volatile std::int64_t bytes_read;
    volatile std::int64_t transactions;
    Second seconds[kSecondsCounted];
};

Slot* slots = nullptr;
Slot* own_slot = nullptr;
std::int64_t uncommitted_changes = 0;
bool callback_registered = false;
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

bool is_of(const Slot& slot, std::int32_t source_id, std::int64_t reader_id) noexcept {
    return slot.database == MyDatabaseId && slot.source_id == source_id && slot.reader_id == reader_id;
}

/// The first slot that `wanted` takes and nobody has.
template <typename Wanted>
Slot* take_slot(Wanted wanted) noexcept {
    for (int i = 0; i < kMaxStreams; ++i) {
        std::uint32_t nobody = 0;
        if (wanted(slots[i]) &&
            pg_atomic_compare_exchange_u32(&slots[i].pid, &nobody, static_cast<std::uint32_t>(MyProcPid))) {
            return &slots[i];
        }
    }
    return nullptr;
}

/// Readers see the slot when it is whole.
void give_to(Slot& slot, std::int32_t source_id, std::int64_t reader_id) noexcept {
    slot.database = InvalidOid;
    pg_write_barrier();
    slot.source_id = source_id;
    slot.reader_id = reader_id;
    slot.caught_up_at = 0;
    slot.bytes_read = 0;
    slot.transactions = 0;
    for (Second& second : slot.seconds) {
        second.number = 0;
    }
    pg_write_barrier();
    slot.database = MyDatabaseId;
}

void count_changes(Slot& slot, std::int64_t changes) noexcept {
    std::int64_t const now = GetCurrentTimestamp() / USECS_PER_SEC;
    Second& second = slot.seconds[now % kSecondsCounted];
    if (second.number == now) {
        second.changes = second.changes + changes;
        return;
    }
    second.number = 0;
    pg_write_barrier();
    second.changes = changes;
    pg_write_barrier();
    second.number = now;
}

std::int64_t changes_last_minute(const Slot& slot) noexcept {
    std::int64_t const now = GetCurrentTimestamp() / USECS_PER_SEC;
    std::int64_t changes = 0;
    for (const Second& second : slot.seconds) {
        std::int64_t const number = second.number;
        changes += number <= now && number > now - kSecondsCounted ? second.changes : 0;
    }
    return changes;
}

/// Writes to our own slot, and so raises no error.
void on_transaction_end(XactEvent event, void* /*unused*/) {
    if (event == XACT_EVENT_COMMIT && own_slot != nullptr && uncommitted_changes != 0) {
        count_changes(*own_slot, uncommitted_changes);
    }
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT) {
        uncommitted_changes = 0;
    }
}

}  // namespace

void request_stream_reports() {
    previous_request_hook = shmem_request_hook;
    shmem_request_hook = on_shmem_request;
    previous_startup_hook = shmem_startup_hook;
    shmem_startup_hook = on_shmem_startup;
}

void begin_reports(std::int32_t source_id, std::int64_t reader_id) {
    if (slots == nullptr || own_slot != nullptr) {
        return;
    }
    own_slot = take_slot([&](const Slot& slot) { return is_of(slot, source_id, reader_id); });
    if (own_slot == nullptr) {
        own_slot = take_slot([](const Slot& slot) { return slot.database == InvalidOid; });
        own_slot = own_slot != nullptr ? own_slot : take_slot([](const Slot& /*any*/) { return true; });
        if (own_slot == nullptr) {
            return;
        }
        give_to(*own_slot, source_id, reader_id);
    }
    CallPg([] { before_shmem_exit(leave_slot, 0); });
}

void report_stream(TimestampTz caught_up_at, std::int64_t bytes_read, std::int64_t transactions) noexcept {
    if (own_slot == nullptr) {
        return;
    }
    if (caught_up_at != 0) {
        own_slot->caught_up_at = caught_up_at;
    }
    own_slot->bytes_read = bytes_read;
    own_slot->transactions = transactions;
}

void count_changes_at_commit(std::int64_t changes) {
    if (!callback_registered) {
        CallPg([] { RegisterXactCallback(on_transaction_end, nullptr); });
        callback_registered = true;
    }
    uncommitted_changes += changes;
}

std::vector<StreamReport> stream_reports() {
    std::vector<StreamReport> result;
    for (int i = 0; slots != nullptr && i < kMaxStreams; ++i) {
        const Slot& slot = slots[i];
        if (slot.database == MyDatabaseId) {
            result.push_back({slot.source_id, slot.reader_id, static_cast<int>(pg_atomic_read_u32(&slots[i].pid)),
                              slot.caught_up_at, slot.bytes_read, slot.transactions, changes_last_minute(slot)});
        }
    }
    return result;
}

}  // namespace pgrepl::pg
