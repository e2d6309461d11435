// Looks at the state of the transaction and at the role.

#include "pg/precondition.hpp"

#include <cstdlib>

#include "pg/settings.hpp"

namespace pgrepl::pg {

namespace {

void expect(bool is_met, const char* what, const char* function) noexcept {
    if (is_met || !settings().failure_points) {
        return;
    }
    write_stderr("TRAP: pg_replicator: %s was called %s\n", function, what);
    std::abort();
}

}  // namespace

void expect_transaction(const char* function) noexcept {
    expect(IsTransactionState(), "without a transaction", function);
}

void expect_no_transaction(const char* function) noexcept {
    expect(!IsTransactionOrTransactionBlock(), "within a transaction", function);
}

void expect_restricted_to(Oid owner, const char* function) noexcept {
    Oid role = InvalidOid;
    int context = 0;
    GetUserIdAndSecContext(&role, &context);
    expect(role == owner && (context & SECURITY_RESTRICTED_OPERATION) != 0, "with other rights than the owner's",
           function);
}

}  // namespace pgrepl::pg
