#pragma once
// Waiting in a backend or worker: always on the latch, always interruptible.

#include "pg/error.hpp"

#include "core/source.hpp"

namespace pgrepl::pg {

/// Raises a pending cancel or termination as an error; reloads nothing.
void check_interrupts();

/// What a wait of ours is for: pg_stat_activity.wait_event from PostgreSQL 17 on; older servers show "Extension".
enum class WaitFor { kWork, kProbe, kCopyWorkers, kChunk, kTarget, kWorkersToEnd, kSource };

/// Waits until the process's latch is set or `timeout_ms` have passed (-1: no limit), then handles interrupts
/// and, in workers, a reload of the configuration. Returns whether the latch was set.
bool wait_for_latch(long timeout_ms, WaitFor reason);

/// The adapter's view of this process's interrupts.
class BackendInterrupts final : public core::Interrupts {
  public:
    [[nodiscard]] bool pending() noexcept override;
    bool wait(int fd, WaitFor what, int timeout_ms) noexcept override;
};

}  // namespace pgrepl::pg
