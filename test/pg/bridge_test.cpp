// The two error bridges, from SQL: what crosses them, and what is left behind.

#include <stdexcept>

#include "api/entry.hpp"
#include "pg/spi.hpp"
#include "pg/top_level.hpp"
#include "pg/transaction.hpp"

namespace pgrepl::test {

namespace {

int live_objects = 0;

/// Counts itself, and is large enough for a leak to show.
struct Tracer {
    Tracer() { ++live_objects; }
    ~Tracer() { --live_objects; }
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;
    std::string payload = std::string(1000, 'x');
};

struct CountedError : std::runtime_error {
    CountedError() : std::runtime_error("counted") { ++live_objects; }
    CountedError(const CountedError& other) : std::runtime_error(other) { ++live_objects; }
    CountedError& operator=(const CountedError&) = delete;
    ~CountedError() override { --live_objects; }
};

Datum test_live_objects(FunctionCallInfo) { PG_RETURN_INT32(live_objects); }

/// An ERROR of PostgreSQL's through both bridges.
Datum test_raise(FunctionCallInfo) {
    Tracer const tracer;
    pg::CallPg([] {
        ereport(ERROR, (errcode(ERRCODE_DIVISION_BY_ZERO), errmsg("inner"), errdetail("the detail"),
                        errhint("the hint"), err_generic_string(PG_DIAG_CONSTRAINT_NAME, "the constraint")));
    });
    PG_RETURN_VOID();
}

/// Exceptions of every kind; the number chooses.
Datum test_throw(FunctionCallInfo fcinfo) {
    Tracer const tracer;
    switch (PG_GETARG_INT32(0)) {
        case 0:
            throw CountedError();
        case 1:
            throw 42;
        case 2:
            throw std::bad_alloc();
        case 3:
            throw core::SourceError(core::SourceErrorKind::kBusy, 5, "locked", true, "by whom", "wait");
        case 4:
            throw pg::SqlError(ERRCODE_RESERVED_NAME, "ours", "our detail", "our hint");
        case 5:
            pg::CallPg([] { throw CountedError(); });
            break;
        case 6:
            pg::execute("SELECT 1 / 0");
            break;
        case 7:
            pg::execute("SELECT $1::int", {"no number"});
            break;
        default:
            break;
    }
    PG_RETURN_VOID();
}

/// An error in a subtransaction is returned, and what went before it in the transaction stays.
Datum test_subtransaction(FunctionCallInfo) {
    Tracer const tracer;
    std::optional<pg::SqlError> const error = pg::run_in_subtransaction([] {
        Tracer const inner;
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

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_live_objects, pgrepl::test::test_live_objects)
PGREPL_SQL_FUNCTION(test_raise, pgrepl::test::test_raise)
PGREPL_SQL_FUNCTION(test_throw, pgrepl::test::test_throw)
PGREPL_SQL_FUNCTION(test_subtransaction, pgrepl::test::test_subtransaction)
PGREPL_SQL_FUNCTION(test_statement, pgrepl::test::test_statement)
PGREPL_SQL_FUNCTION(test_quoted, pgrepl::test::test_quoted)
PGREPL_SQL_FUNCTION(test_role_scope, pgrepl::test::test_role_scope)
