// The phases of our workers: a table of slots in shared memory under a lock of its own. It is also the register by
// which workers are found when they are to be interrupted or ended.

#include "pg/progress.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>

#include "pg/locked.hpp"

namespace pgrepl::pg {

/// What is ordered: that the launcher ends the process, if it is there at that time.
struct EndOrder {
    std::uint64_t number;  ///< of the last one that asks for it; 0: none
    TimestampTz at;        ///< as the first one has it
    bool ends_with_phase;  ///< another phase is wanted again
};

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
    PieceOfWork work;            ///< of a job or an index worker: what it is at
    EndOrder for_pause;          ///< of the source; a resume withdraws it
    EndOrder for_work;           ///< what it is at; the next piece of work is wanted
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
    for (EndOrder* const end : {&slot.for_pause, &slot.for_work}) {
        if (end->ends_with_phase) {
            *end = {};
        }
    }
}

/// Under the lock. An earlier order keeps its time: whoever gives one after the other would put the end off for ever.
/// But it has a new number: whoever has looked only before the last one does not withdraw it.
void set_end(EndOrder& end, bool ends_with_phase) noexcept {
    if (end.number == 0) {
        end.at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kEndPatienceMs);
        end.ends_with_phase = ends_with_phase;
    }
    end.number = ++table->orders;
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
            if (slot.work.id != 0) {
                interrupt(slot);
            }
            set_end(slot.for_pause, slot.work.id != 0);
        }
    }
}

void expect_no_end_of_source(std::int32_t source_id, std::uint64_t order) noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        if (is_busy_with(slot, source_id) && is_later(slot, order)) {
            slot.for_pause = {};
        }
    }
}

long end_overdue_workers() noexcept {
    long next_ms = -1;
    TimestampTz const now = GetCurrentTimestamp();
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        for (EndOrder* const end : {&slot.for_pause, &slot.for_work}) {
            if (slot.pid == 0 || end->number == 0) {
                continue;
            }
            long const left_ms = std::min(TimestampDifferenceMilliseconds(now, end->at), long{kEndPatienceMs});
            if (end->at <= now) {
                kill(slot.pid, SIGTERM);
                *end = {};
            } else if (next_ms < 0 || left_ms < next_ms) {
                next_ms = left_ms;
            }
        }
    }
    return next_ms;
}

void begin_work(PieceOfWork work) noexcept {
    if (has_own_phase()) {
        Locked lock(table->lock, LW_EXCLUSIVE);
        own_phase->work = work;
        own_phase->for_work = {};
    }
}

void interrupt_work(std::int32_t source_id, std::optional<PieceOfWork> work) noexcept {
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        if (is_busy_with(slot, source_id) && slot.work.id != 0 && slot.work == work.value_or(slot.work)) {
            interrupt(slot);
            set_end(slot.for_work, true);
        }
    }
}

LookAtOrders::LookAtOrders() noexcept {
    if (own_phase != nullptr) {
        Locked lock(table->lock, LW_SHARED);
        last_order_ = table->orders;
    }
}

void LookAtOrders::is_wanted() const noexcept {
    if (own_phase == nullptr) {
        return;
    }
    Locked lock(table->lock, LW_EXCLUSIVE);
    for (PhaseSlot& slot : table->slots) {
        for (EndOrder* const end : {&slot.for_pause, &slot.for_work}) {
            if (slot.pid == MyProcPid && end->number <= last_order_) {
                *end = {};
            }
        }
    }
}

bool end_worker(int pid, std::int32_t source_id) noexcept {
    Locked lock(table->lock, LW_SHARED);
    for (const PhaseSlot& slot : table->slots) {
        if (pid != 0 && slot.pid == pid && is_busy_with(slot, source_id)) {
            kill(pid, SIGTERM);
            return true;
        }
    }
    return false;
}

}  // namespace pgrepl::pg
