#pragma once
// Rows that we bring from a source are not ours to pass on: a subscriber that asks for local changes only
// (`origin = none`) is not sent them, and neither will our own push to a source be. PostgreSQL marks each record of a
// row in its log with the origin of the session; DoNotReplicateId is one that needs neither an entry in a catalog nor a
// slot.

#include <cstdint>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// What this session writes in the scope is marked, row by row: decoders leave rows out by the mark of each. However
/// the scope is left, the session's own origin is back after it. No commit may lie within: its record would carry the
/// mark too, with a time of its own that everybody takes for the time of the commit, and rows that functions of users
/// have written in the same transaction, which are not ours, would be left out with it.
class NotPassedOn {
  public:
    NotPassedOn() noexcept;
    ~NotPassedOn();
    NotPassedOn(const NotPassedOn&) = delete;
    NotPassedOn& operator=(const NotPassedOn&) = delete;

    /// For the time of a call of a function of a user's within a scope: what it writes is as the session writes it.
    static void suspend() noexcept;
    static void go_on() noexcept;

  private:
    std::uint16_t saved_;
};

}  // namespace pgrepl::pg
