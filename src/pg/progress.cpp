// The phases of our workers: a table of slots in shared memory under a lock of its own. It is also the register by
// which workers are found when they are to be interrupted or ended.

#include "pg/progress.hpp"

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
};

namespace {

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

namespace {

/// The number may have been given to another process meanwhile: only workers of ours have a phase. It may be that of a
/// worker of another database, of which this one is a copy.
void signal_worker(int pid, int signal_number) noexcept {
    Locked lock(table->lock, LW_SHARED);
    for (const PhaseSlot& slot : table->slots) {
        if (pid != 0 && slot.pid == pid && slot.database == MyDatabaseId) {
            kill(pid, signal_number);
            return;
        }
    }
}

}  // namespace

void interrupt_worker(int pid) noexcept { signal_worker(pid, SIGINT); }

void end_worker(int pid) noexcept { signal_worker(pid, SIGTERM); }

}  // namespace pgrepl::pg
