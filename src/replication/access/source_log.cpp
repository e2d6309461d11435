// Waiting until a source shows what its log has told.

#include "replication/access/source_log.hpp"

#include "pg/wait.hpp"

namespace pgrepl::replication {

core::Log& log_of(core::Source& source) {
    if (core::Log* const log = source.log()) {
        return *log;
    }
    throw core::SourceError(core::SourceErrorKind::kUnsupported, 0, "this kind of source has no log of changes", false,
                            {}, "Use mode => 'periodic' or 'once'.");
}

bool wait_until_visible(core::Log& log, core::Interrupts& interrupts, const core::Position& position, int timeout_ms) {
    constexpr int kPollMs = 2;
    for (int waited_ms = 0; waited_ms <= timeout_ms; waited_ms += kPollMs) {
        if (log.is_visible(position)) {
            return true;
        }
        interrupts.wait(-1, core::Interrupts::WaitFor::kTime, kPollMs);
        pg::check_interrupts();
    }
    return false;
}

}  // namespace pgrepl::replication
