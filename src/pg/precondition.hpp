#pragma once
// What functions demand of their callers and no type can say: checked where failure points are on, as in all servers of
// the tests; elsewhere it costs the look at one setting. An unmet one ends the process with a line that the tests know
// for a defect.

#include "pg/postgres.hpp"

namespace pgrepl::pg {

void expect_transaction(const char* function = __builtin_FUNCTION()) noexcept;
void expect_no_transaction(const char* function = __builtin_FUNCTION()) noexcept;

/// What follows may run code of `owner`: it runs as that role, restricted (RoleScope).
void expect_restricted_to(Oid owner, const char* function = __builtin_FUNCTION()) noexcept;

}  // namespace pgrepl::pg
