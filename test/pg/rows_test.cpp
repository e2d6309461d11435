// Halving of refused batches, fingerprints of ids, and routes to targets, inside a backend.

#include <set>

#include "api/entry.hpp"
#include "pg/spi.hpp"
#include "targets/bisection.hpp"
#include "targets/open_target.hpp"
#include "targets/seen_ids.hpp"

namespace pgrepl::test {

namespace {

/// Writes 1 … n into `numbers`, whose constraint refuses some; returns the refused ones and the number of statements.
Datum test_halves(FunctionCallInfo fcinfo) {
    auto const count = static_cast<std::size_t>(PG_GETARG_INT32(0));
    std::string refused;
    int statements = 0;
    target::write_by_halves(
        0, count,
        [&](std::size_t first, std::size_t rows) {
            ++statements;
            pg::execute("INSERT INTO numbers SELECT generate_series($1, $2)",
                        {static_cast<std::int64_t>(first + 1), static_cast<std::int64_t>(first + rows)});
        },
        [&](std::size_t index, const pg::SqlError& error) {
            refused += std::to_string(index + 1) + ":" + pg::sqlstate_text(error.sqlstate()) + " ";
        });
    std::string const text = refused + "in " + std::to_string(statements);
    return pg::CallPg([&] { return CStringGetTextDatum(text.c_str()); });
}

/// The fingerprint of the ids that C++ was given, against that of the table `public.ids`.
Datum test_fingerprint(FunctionCallInfo) {
    target::IdFingerprint ours;
    pg::QueryResult const rows = pg::execute("SELECT id FROM public.ids");
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        ours.add(rows.text(i, 0));
    }
    target::OpenTarget table;
    table.name = {"public", "ids"};
    PG_RETURN_BOOL(ours == target::fingerprint_of(table));
}

/// Ids of public.ids that were not among those of public.seen_ones.
Datum test_not_seen(FunctionCallInfo) {
    target::TargetName const side{"public", "side"};
    pg::execute("CREATE TABLE public.side (first bigint[], second bigint[])");
    target::SeenIds seen(side);
    pg::QueryResult const rows = pg::execute("SELECT id FROM public.seen_ones");
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        seen.add(rows.text(i, 0));
    }
    seen.write();
    std::string const sql = "SELECT coalesce(string_agg(t.id, ',' ORDER BY t.id), '') FROM public.ids t WHERE " +
                            target::SeenIds::not_seen(side);
    std::string const text = pg::execute(sql).text(0, 0);
    pg::execute("DROP TABLE public.side");
    return pg::CallPg([&] { return CStringGetTextDatum(text.c_str()); });
}

/// Which routes the table `public.routed` may be taken by.
Datum test_routes(FunctionCallInfo) {
    target::TargetName const name{"public", "routed"};
    target::OpenTarget const opened = target::open_target(
        {name, target::find_table(name).value_or(InvalidOid), false, GetUserId()}, target::TargetUse::kFill);
    std::string const text = std::string(opened.takes_heap_route ? "heap " : "") +
                             (opened.id_index != InvalidOid ? "index " : "") +
                             (opened.leaves_out_children ? "only" : "");
    return pg::CallPg([&] { return CStringGetTextDatum(text.c_str()); });
}

}  // namespace

}  // namespace pgrepl::test

PGREPL_SQL_FUNCTION(test_halves, pgrepl::test::test_halves)
PGREPL_SQL_FUNCTION(test_fingerprint, pgrepl::test::test_fingerprint)
PGREPL_SQL_FUNCTION(test_routes, pgrepl::test::test_routes)
PGREPL_SQL_FUNCTION(test_not_seen, pgrepl::test::test_not_seen)
