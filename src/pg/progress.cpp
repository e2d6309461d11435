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
    std::int64_t work;           ///< of a job or an index worker: what it is at; 0: nothing
    TimestampTz end_by;          ///< when the launcher ends the process, if it is there; 0: never
    bool ends_with_phase;        ///< another phase is wanted again
    bool is_for_pause;           ///< and so a resume withdraws it
    std::uint64_t source_order;  ///< the last order on the source as a whole
};

namespace {

/// For a worker that is no longer wanted to end by itself.
constexpr int kEndPatienceMs = 1000;
constexpr int kMaxPhases = 256;

struct PhaseTable {
    LWLock* lock;
    std::uint64_t orders;
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
            slot = {};
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
    if (slot.ends_with_phase) {
        slot.end_by = 0;
    }
}

enum class OrderedFor { kPause, kWork };

/// An earlier order stays: whoever gives one after the other would put the end off for ever.
void set_end(PhaseSlot& slot, bool ends_with_phase, OrderedFor reason) noexcept {
    bool const is_ordered = slot.end_by != 0;
    if (!is_ordered) {
        slot.end_by = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kEndPatienceMs);
        slot.ends_with_phase = ends_with_phase;
    }
    slot.is_for_pause = reason == OrderedFor::kPause && (!is_ordered || slot.is_for_pause);
}

/// Of a slot with a piece of work. It may clear up, in another phase.
void interrupt(const PhaseSlot& slot) noexcept { kill(slot.pid, SIGINT); }

bool is_busy_with(const PhaseSlot& slot, std::int32_t source_id) noexcept {
    return slot.pid != 0 && slot.database == MyDatabaseId && slot.source_id == source_id;
}

/// Whether the order comes after those that the slot knows; notes it.
bool is_later(PhaseSlot& slot, std::uint64_t order) noexcept {
    if (order < slot.source_order) {
        return false;
    }
    slot.source_order = order;
    return true;
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
        if (is_busy_with(slot, source_id)) {
            kill(slot.pid, SIGTERM);
        }
    }
}

std::uint64_t next_order() noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    return ++table->orders;
}

void expect_end_of_source(std::int32_t source_id, std::uint64_t order) noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        if (is_busy_with(slot, source_id) && is_later(slot, order)) {
            if (slot.work != 0) {
                interrupt(slot);
            }
            set_end(slot, slot.work != 0, OrderedFor::kPause);
        }
    }
}

void expect_no_end_of_source(std::int32_t source_id, std::uint64_t order) noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        if (is_busy_with(slot, source_id) && is_later(slot, order) && slot.is_for_pause) {
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

void begin_work(std::int64_t work) noexcept {
    if (has_own_phase()) {
        Locked lock(table->lock, LW_EXCLUSIVE);
        own_phase->work = work;
        own_phase->end_by = 0;
    }
}

void interrupt_work(std::int32_t source_id, std::optional<std::int64_t> work) noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        if (is_busy_with(slot, source_id) && slot.work != 0 && slot.work == work.value_or(slot.work)) {
            interrupt(slot);
            set_end(slot, true, OrderedFor::kWork);
        }
    }
}

LookAtOrders::LookAtOrders() noexcept : ordered_end_(own_phase != nullptr ? own_phase->end_by : 0) {}

void LookAtOrders::is_wanted() const noexcept {
    if (ordered_end_ != 0) {
        Locked lock(table->lock, LW_EXCLUSIVE);
        if (own_phase->end_by == ordered_end_) {
            own_phase->end_by = 0;
        }
    }
}

void end_worker(int pid, std::int32_t source_id) noexcept {
    Locked lock(table->lock, LW_SHARED);
    for (const PhaseSlot& slot : table->slots) {
        if (pid != 0 && slot.pid == pid && is_busy_with(slot, source_id)) {
            kill(pid, SIGTERM);
            return;
        }
    }
}

}  // namespace pgrepl::pg
