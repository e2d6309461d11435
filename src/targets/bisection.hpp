#pragma once
// Writing a batch of which some rows may be refused: by a constraint, a trigger or a unique index of the user's. The
// batch is written at once; if that fails it is halved until the refused rows stand alone, so that n bad rows among
// N cost about n * log2(N) statements.

#include <cstddef>
#include <optional>

#include "pg/transaction.hpp"
#include "targets/statement_error.hpp"

namespace pgrepl::target {

/// Whether an error of a statement on a target may come from the values of one row (statement_error.hpp).
inline bool may_concern_row(const pg::SqlError& error) { return reach_of(error) == Reach::kRow; }

/// Calls `write(first, count)` in a subtransaction, on ever smaller ranges where it fails; calls `refuse(index, error)`
/// for each row that fails alone. Errors that concern no row are thrown, with the subtransaction rolled back.
template <typename Write, typename Refuse>
void write_by_halves(std::size_t first, std::size_t count, Write&& write, Refuse&& refuse) {
    if (count == 0) {
        return;
    }
    std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] { write(first, count); });
    if (!error) {
        return;
    }
    if (!may_concern_row(*error)) {
        throw pg::SqlError(*error);
    }
    if (count == 1) {
        refuse(first, *error);
        return;
    }
    write_by_halves(first, count / 2, write, refuse);
    write_by_halves(first + count / 2, count - count / 2, write, refuse);
}

}  // namespace pgrepl::target
