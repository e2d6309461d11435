#pragma once
// Rows that we bring from a source are not ours to pass on: a subscriber that asks for local changes only
// (`origin = none`) is not sent them, and neither will our own push to a source be. PostgreSQL marks each record of its
// log with the origin of the session; DoNotReplicateId is one that needs neither an entry in a catalog nor a slot.

#include <cstdint>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// What this session writes in the scope is marked. However the scope is left, the session's own origin is back after
/// it, with its position and its time: else decoders would take those of another commit for those of the next.
class NotPassedOn {
  public:
    NotPassedOn() noexcept;
    ~NotPassedOn();
    NotPassedOn(const NotPassedOn&) = delete;
    NotPassedOn& operator=(const NotPassedOn&) = delete;

    /// Before a commit within the scope. The record of a commit with an origin carries the origin's time, and decoders,
    /// standbys and recovery take it for the time of the commit.
    static void stamp_commit() noexcept;

  private:
    std::uint16_t origin_;
    XLogRecPtr position_;
    TimestampTz time_;
};

}  // namespace pgrepl::pg
