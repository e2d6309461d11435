// Statements, subtransactions and role scopes of src/pg.

#include <stdexcept>

#include "api/entry.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::test {

namespace {

/// An error in a subtransaction is returned, and what went before it in the transaction stays.
Datum test_subtransaction(FunctionCallInfo) {
    std::optional<pg::SqlError> const error = pg::run_in_subtransaction([] {
        pg::execute("INSERT INTO kept VALUES (2)");
        pg::execute("SELECT 1 / 0");
    });
    std::optional<pg::SqlError> const none =
        pg::run_in_subtransaction([] { pg::execute("INSERT INTO kept VALUES (3)"); });
    std::string const state = error && !none ? pg::sqlstate_text(error->sqlstate()) : "no error";
    return pg::CallPg([&] { return CStringGetTextDatum(state.c_str()); });
}

/// Typed parameters and results.
Datum test_statement(FunctionCallInfo) {
    std::vector<std::string> const words{"a", "b\"c", "", "{d}"};
    pg::QueryResult const row = pg::execute("SELECT $1, $2, $3, $4, $5, $6::jsonb->>'k', NULL::text",
                                            {std::int64_t{9'000'000'000}, 7, true, "text", words, R"({"k": "v"})"});
    bool const right = row.rows() == 1 && row.int64(0, 0) == 9'000'000'000 && row.int64(0, 1) == 7 &&
                       row.boolean(0, 2) && row.text(0, 3) == "text" && pg::array_elements(row.text(0, 4)) == words &&
                       row.text(0, 5) == "v" && row.is_null(0, 6) && !row.optional_int64(0, 6);
    PG_RETURN_BOOL(right);
}

Datum test_quoted(FunctionCallInfo) {
    std::string const name = pg::quoted("Sche ma", "ta\"ble");
    return pg::CallPg([&] { return CStringGetTextDatum(name.c_str()); });
}

/// The role within a scope, and the role after an error left it.
Datum test_role_scope(FunctionCallInfo) {
    Oid const before = GetUserId();
    Oid const monitor = pg::execute("SELECT 'pg_monitor'::regrole::oid").oid(0, 0);
    bool right = true;
    try {
        pg::RoleScope const scope(monitor, pg::RoleScope::Restriction::kRestrictedOperation);
        right = GetUserId() == monitor && InSecurityRestrictedOperation();
        throw std::runtime_error("leave");
    } catch (const std::runtime_error&) {
        right = right && GetUserId() == before && !InSecurityRestrictedOperation();
    }
    PG_RETURN_BOOL(right);
}

Datum test_side_table(FunctionCallInfo) {
    (void)target::create_side_table({"replicator", "seen_1"}, GetUserId(), "id text");
    PG_RETURN_VOID();
}

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_subtransaction, pgrepl::test::test_subtransaction)
PGREPL_SQL_FUNCTION(test_statement, pgrepl::test::test_statement)
PGREPL_SQL_FUNCTION(test_quoted, pgrepl::test::test_quoted)
PGREPL_SQL_FUNCTION(test_role_scope, pgrepl::test::test_role_scope)
PGREPL_SQL_FUNCTION(test_side_table, pgrepl::test::test_side_table)
