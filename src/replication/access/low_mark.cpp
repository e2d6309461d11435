// Waiting for the low mark.

#include "replication/access/low_mark.hpp"

#include "pg/wait.hpp"

namespace pgrepl::replication {

bool wait_until_shown(core::Source& source, core::Interrupts& interrupts, const core::Position& position,
                      int timeout_ms) {
    constexpr int kPollMs = 2;
    for (int waited_ms = 0; waited_ms <= timeout_ms; waited_ms += kPollMs) {
        if (source.shows(position)) {
            return true;
        }
        interrupts.wait(-1, core::Interrupts::WaitFor::kTime, kPollMs);
        pg::check_interrupts();
    }
    return false;
}

}  // namespace pgrepl::replication
