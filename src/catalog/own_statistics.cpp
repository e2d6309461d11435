// Which of our tables have none.

#include "catalog/own_statistics.hpp"

#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

/// Not side tables, which are unlogged.
constexpr const char* kNeverAnalysed = R"(
    SELECT c.oid::regclass::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'replicator' AND c.relkind = 'r' AND c.relpersistence = 'p' AND c.reltuples < 0)";

}  // namespace

void analyse_own_tables() {
    pg::QueryResult const tables = pg::execute(kNeverAnalysed);
    for (std::size_t i = 0; i < tables.rows(); ++i) {
        pg::execute("ANALYZE " + tables.text(i, 0));
    }
}

}  // namespace pgrepl::catalog
