#pragma once
// Targets that others have locked, or that have no room: how long a statement waits for one, and when it is looked at
// again.
//
// All tables of a batch together wait for one patience (option target_lock_patience), not each for its own. A table
// that was left aside is tried again when its target can be opened at once, looked at a few times a second; and then it
// gets a moment only, for what holds it up may be locks on rows, which are not seen beforehand. Each time it is left
// aside again the next look is later. Of room nothing is seen beforehand: the look after the pause is the next attempt.

#include <chrono>
#include <cstdint>
#include <map>

#include "pg/error.hpp"

namespace pgrepl::replication {

class LockedTargets {
  public:
    explicit LockedTargets(int patience_ms) : patience_ms_(patience_ms) {}

    /// Another batch, which may wait once.
    void begin_batch() noexcept { exhausted_ = false; }
    /// A statement of the batch has waited in vain.
    void waited_in_vain() noexcept { exhausted_ = true; }
    /// How long a statement on the target of the table may wait; 0: of no table in particular.
    [[nodiscard]] int patience_ms(std::int32_t table_id = 0) const;

    void left_aside(std::int32_t table_id);
    void is_up_to_date(std::int32_t table_id) { tables_.erase(table_id); }

    enum class Which : std::uint8_t {
        kAll,
        kInCopy,  ///< not those that the copy has left out: it has to be made again for them
    };
    /// Lets tables go on whose targets can be opened now. No transaction is open. True if there was one.
    bool look_again(std::int32_t source_id, Oid owner, Which which);

  private:
    using Clock = std::chrono::steady_clock;
    struct Table {
        std::chrono::milliseconds delay{};
        Clock::time_point next_look;
        bool pauses = false;  ///< for room, until next_look
    };

    int patience_ms_;
    bool exhausted_ = false;
    std::map<std::int32_t, Table> tables_;  ///< that were left aside, and have not been up to date since
};

}  // namespace pgrepl::replication
