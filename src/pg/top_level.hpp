#pragma once
// Statements that refuse to run inside a transaction block or a function.

#include <string>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// Runs one utility statement (CREATE INDEX CONCURRENTLY, VACUUM, …) as a client's top-level statement, in a
/// transaction of its own. Only in a background worker, and not inside a Transaction.
void run_top_level(const std::string& sql);

/// The same with the rights of `role`, as after SET ROLE.
void run_top_level_as(Oid role, const std::string& sql);

}  // namespace pgrepl::pg
