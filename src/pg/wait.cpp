// Waits through the process latch.

#include "pg/wait.hpp"

#include <iterator>

#include "pg/compat.hpp"
#include "pg/transaction.hpp"
#include "pg/work_in_hand.hpp"

namespace pgrepl::pg {

namespace {

/// Whoever waits as long as this has nothing to add soon.
constexpr long kLongWaitMs = 1'000;

std::uint32_t wait_event(WaitFor reason) {
    static constexpr const char* kNames[] = {"PgReplicatorWork",  "PgReplicatorProbe",  "PgReplicatorCopyWorkers",
                                             "PgReplicatorChunk", "PgReplicatorTarget", "PgReplicatorWorkersToEnd",
                                             "PgReplicatorSource"};
    static std::uint32_t events[std::size(kNames)] = {};
    auto const index = static_cast<std::size_t>(reason);
    if (events[index] == 0) {
        events[index] = PGREPL_WAIT_EVENT(kNames[index]);
    }
    return events[index];
}

}  // namespace

void check_interrupts() {
    CallPg([] {
        CHECK_FOR_INTERRUPTS();
        // ConfigReloadPending is set by workers only; a backend reloads between its statements.
        if (ConfigReloadPending != 0 && MyBackendType == B_BG_WORKER) {
            ConfigReloadPending = 0;
            ProcessConfigFile(PGC_SIGHUP);
        }
    });
}

bool wait_for_latch(long timeout_ms, WaitFor reason) {
    check_interrupts();
    bool const is_long = timeout_ms < 0 || timeout_ms >= kLongWaitMs;
    if (is_long && MyBackendType == B_BG_WORKER && !IsTransactionOrTransactionBlock()) {
        report_statistics(true);
    }
    NothingInHand const waiting;
    int const events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout_ms >= 0 ? WL_TIMEOUT : 0);
    int const happened = CallPg([&] { return WaitLatch(MyLatch, events, timeout_ms, wait_event(reason)); });
    if ((happened & WL_LATCH_SET) != 0) {
        ResetLatch(MyLatch);
    }
    check_interrupts();
    return (happened & WL_LATCH_SET) != 0;
}

bool BackendInterrupts::pending() noexcept {
    return InterruptPending != 0 && (ProcDiePending != 0 || QueryCancelPending != 0);
}

bool BackendInterrupts::wait(int fd, WaitFor what, int timeout_ms) noexcept {
    if (pending()) {
        return false;
    }
    int events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;
    pgsocket socket = PGINVALID_SOCKET;
    if (what != WaitFor::kTime) {
        socket = fd;
        events |= what == WaitFor::kReadable ? WL_SOCKET_READABLE : WL_SOCKET_WRITEABLE;
    }
    NothingInHand const waiting;
    try {
        int const happened = CallPg(
            [&] { return WaitLatchOrSocket(MyLatch, events, socket, timeout_ms, wait_event(pg::WaitFor::kSource)); });
        if ((happened & WL_LATCH_SET) != 0) {
            // Whoever set it is served when the adapter returns: all our loops look at the catalog first.
            ResetLatch(MyLatch);
        }
        return (happened & (WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE)) != 0;
    } catch (const SqlError&) {
        return false;
    }
}

}  // namespace pgrepl::pg
