#pragma once
// Which errors concern one table alone, which pass by themselves, and which need a person.

#include <cstdint>
#include <optional>

#include "pg/error.hpp"

namespace pgrepl::replication {

/// A refresh has ended without tables that wait aside; the others are up to date.
class TablesLeftAside : public pg::SqlError {
  public:
    using SqlError::SqlError;
};

/// What a source worker does about an error.
struct Verdict {
    pg::SqlError error;
    bool retryable = true;       ///< else the source is failed until a person acts
    bool state_lost = false;     ///< the copy starts over
    bool position_lost = false;  ///< the source's log no longer reaches back to the stream's position
    bool log_unusable = false;   ///< the log cannot be followed, this time or from now on; a copy needs none of it
    bool thrown_out = false;     ///< by another reader with our id
    bool others_are_up_to_date = false;  ///< than those that wait aside: they are refreshed when it is time, no later
};

/// The exception being handled, judged. Call it within a catch block.
Verdict judge_current_exception();

/// The exception being handled, if it concerns one table and must not stop the others; that its target is locked is
/// among them. Call within a catch block.
std::optional<pg::SqlError> error_of_table_alone();
/// The same of an error that has been caught already. What a statement on a target raises concerns its table, unless it
/// is known to concern more (targets/statement_error.hpp).
bool concerns_table_alone(const pg::SqlError& error);

/// Whether nothing is wrong with the table but that somebody else holds a lock on its target, on a row of it, or on the
/// table at the source; or that there is no room for it.
bool waits_aside(const pg::SqlError& error);

/// What comes of an error that concerns the table alone, in the transaction that is open: it waits aside until the lock
/// is gone or there is room, or it has failed.
void set_table_apart(std::int32_t table_id, const pg::SqlError& error);

/// Delay before attempt `retry_count` + 1: doubling from `initial_ms` up to `max_ms`, with up to half of it taken
/// off at random, so that many sources of one server do not come back at once.
std::int64_t retry_delay_ms(std::int32_t retry_count, std::int64_t initial_ms, std::int64_t max_ms);

}  // namespace pgrepl::replication
