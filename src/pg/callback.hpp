#pragma once
// What PostgreSQL calls while a transaction or a process ends must not raise an error: the abort would begin again
// within itself, the process end by FATAL in the middle of it, and its locks stay. A callback of ours that calls
// anything that could raise one goes through here.

#include "pg/error.hpp"

namespace pgrepl::pg {

/// Runs `body`, as CallPg does. An error is written to the log and forgotten.
template <typename Body>
void run_in_callback(const char* what, Body&& body) noexcept {
    // An ERROR zeroes them, and whoever calls us counts them down.
    auto const interrupts_held = InterruptHoldoffCount;
    auto const cancels_held = QueryCancelHoldoffCount;
    try {
        CallPg(body);
    } catch (...) {
        std::string const text = detail::current_exception_as_sql_error().what();
        InterruptHoldoffCount = interrupts_held;
        QueryCancelHoldoffCount = cancels_held;
        ereport(LOG, (errmsg("pg_replicator failed at %s: %s", what, text.c_str())));
    }
}

}  // namespace pgrepl::pg
