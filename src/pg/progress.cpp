// The phases of our workers: a table of slots in shared memory under a lock of its own. It is also the register by
// which workers are found when they are to be interrupted or ended.

#include "pg/progress.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>

#include "pg/locked.hpp"

namespace pgrepl::pg {

/// One phase of a worker. Written by it alone, `done` without the lock: a reader may see a value a moment old.
struct PhaseSlot {
    int pid;
    Oid database;
    std::int32_t source_id;
    std::int32_t table_id;
    WorkerPhase phase;
    volatile std::int64_t done;
    std::int64_t total;
    TimestampTz since;
    TimestampTz end_by;    ///< when the launcher ends the process, if it is there; 0: never
    bool ends_with_phase;  ///< another phase is wanted again
};

namespace {

/// For a worker that is no longer wanted to end by itself.
constexpr int kEndPatienceMs = 1000;
constexpr int kMaxPhases = 256;

struct PhaseTable {
    LWLock* lock;
    PhaseSlot slots[kMaxPhases];
};

PhaseTable* table = nullptr;
PhaseSlot* own_phase = nullptr;
std::string own_activity;

void leave_phases(int /*code*/, Datum /*unused*/) {
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        if (slot.pid == MyProcPid) {
            slot.pid = 0;
        }
    }
}

/// A slot for this process; null if all are taken.
PhaseSlot* take_phase_slot() {
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        if (slot.pid == 0) {
            slot.pid = MyProcPid;
            slot.database = MyDatabaseId;
            slot.end_by = 0;
            return &slot;
        }
    }
    return nullptr;
}

/// Whether this process has a slot, which it takes if there is one.
bool has_own_phase() {
    if (own_phase == nullptr && table != nullptr) {
        own_phase = take_phase_slot();
        if (own_phase != nullptr) {
            CallPg([] { before_shmem_exit(leave_phases, 0); });
        }
    }
    return own_phase != nullptr;
}

/// Makes it what the slot, one of this process, says.
void enter(PhaseSlot& slot, const PhaseReport& phase) noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    slot.source_id = phase.source_id;
    slot.table_id = phase.table_id;
    slot.phase = phase.phase;
    slot.done = phase.done;
    slot.total = phase.total;
    slot.since = phase.since;
    if (slot.ends_with_phase) {
        slot.end_by = 0;
    }
}

void set_end(PhaseSlot& slot, bool ends_with_phase) noexcept {
    slot.end_by = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kEndPatienceMs);
    slot.ends_with_phase = ends_with_phase;
}

PhaseReport report_of(const PhaseSlot& slot) {
    return {slot.pid, slot.source_id, slot.table_id, slot.phase, slot.done, slot.total, slot.since};
}

}  // namespace

std::size_t phase_memory_bytes() noexcept { return sizeof(PhaseTable); }

void attach_phase_memory(void* memory, bool is_new, LWLock* lock) noexcept {
    table = static_cast<PhaseTable*>(memory);
    if (is_new) {
        std::memset(memory, 0, sizeof(PhaseTable));
        table->lock = lock;
    }
}

void begin_phase(WorkerPhase phase, std::int32_t source_id, std::int32_t table_id, std::int64_t total,
                 const std::string& activity) {
    own_activity = activity;
    CallPg([] { pgstat_report_activity(STATE_RUNNING, own_activity.c_str()); });
    if (has_own_phase()) {
        enter(*own_phase, {MyProcPid, source_id, table_id, phase, 0, total, GetCurrentTimestamp()});
    }
}

NestedPhase::NestedPhase(WorkerPhase phase, std::int32_t source_id, std::int32_t table_id, std::int64_t total,
                         const std::string& activity)
    : outer_activity_(own_activity) {
    if (has_own_phase()) {
        outer_ = report_of(*own_phase);
    }
    begin_phase(phase, source_id, table_id, total, activity);
}

NestedPhase::~NestedPhase() {
    own_activity.swap(outer_activity_);
    pgstat_report_activity(STATE_RUNNING, own_activity.c_str());  // raises no error
    if (own_phase != nullptr) {
        enter(*own_phase, outer_);
    }
}

SidePhase::SidePhase(WorkerPhase phase, std::int32_t source_id, std::int32_t table_id, std::int64_t total)
    : slot_(has_own_phase() ? take_phase_slot() : nullptr) {
    if (slot_ != nullptr) {
        enter(*slot_, {MyProcPid, source_id, table_id, phase, 0, total, GetCurrentTimestamp()});
    }
}

SidePhase::~SidePhase() {
    if (slot_ != nullptr) {
        Locked lock(table->lock, LW_EXCLUSIVE);
        slot_->pid = 0;
    }
}

void SidePhase::add_progress(std::int64_t rows) noexcept {
    if (slot_ != nullptr) {
        slot_->done = slot_->done + rows;
    }
}

void add_progress(std::int64_t rows) noexcept {
    if (own_phase != nullptr) {
        own_phase->done = own_phase->done + rows;
    }
}

std::vector<PhaseReport> phase_reports() {
    std::vector<PhaseSlot> slots(kMaxPhases);
    std::size_t count = 0;
    if (table != nullptr) {
        Locked lock(table->lock, LW_SHARED);
        for (const PhaseSlot& slot : table->slots) {
            if (slot.pid != 0 && slot.database == MyDatabaseId) {
                std::memcpy(static_cast<void*>(&slots[count++]), &slot, sizeof(PhaseSlot));
            }
        }
    }
    std::vector<PhaseReport> reports;
    for (std::size_t i = 0; i < count; ++i) {
        reports.push_back(report_of(slots[i]));
    }
    return reports;
}

void end_workers_of(std::int32_t source_id) noexcept {
    Locked lock(table->lock, LW_SHARED);
    for (const PhaseSlot& slot : table->slots) {
        if (slot.pid != 0 && slot.database == MyDatabaseId && slot.source_id == source_id) {
            kill(slot.pid, SIGTERM);
        }
    }
}

void expect_end_of_source(std::int32_t source_id) noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        bool const is_interrupted = slot.end_by != 0 && slot.ends_with_phase;  // it may clear up, in another phase
        if (slot.pid != 0 && slot.database == MyDatabaseId && slot.source_id == source_id && !is_interrupted) {
            set_end(slot, false);
        }
    }
}

void expect_no_end_of_source(std::int32_t source_id) noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        if (slot.pid != 0 && slot.database == MyDatabaseId && slot.source_id == source_id && !slot.ends_with_phase) {
            slot.end_by = 0;
        }
    }
}

long end_overdue_workers() noexcept {
    long next_ms = -1;
    TimestampTz const now = GetCurrentTimestamp();
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        if (slot.pid == 0 || slot.end_by == 0) {
            continue;
        }
        long const left_ms = std::min(TimestampDifferenceMilliseconds(now, slot.end_by), long{kEndPatienceMs});
        if (slot.end_by <= now) {
            kill(slot.pid, SIGTERM);
            slot.end_by = 0;
        } else if (next_ms < 0 || left_ms < next_ms) {
            next_ms = left_ms;
        }
    }
    return next_ms;
}

namespace {

/// The slot of the worker, in the table that is locked; null if it has ended. The number may have been given to another
/// process meanwhile: only workers of ours have a phase. It may be that of a worker of another database, of which this
/// one is a copy.
PhaseSlot* slot_of(int pid) noexcept {
    for (PhaseSlot& slot : table->slots) {
        if (pid != 0 && slot.pid == pid && slot.database == MyDatabaseId) {
            return &slot;
        }
    }
    return nullptr;
}

}  // namespace

void interrupt_worker(int pid) noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    if (PhaseSlot* const slot = slot_of(pid)) {
        kill(pid, SIGINT);
        set_end(*slot, true);
    }
}

void end_worker(int pid) noexcept {
    Locked lock(table->lock, LW_SHARED);
    if (slot_of(pid) != nullptr) {
        kill(pid, SIGTERM);
    }
}

}  // namespace pgrepl::pg
