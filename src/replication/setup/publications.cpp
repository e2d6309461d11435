// Looks for them in pg_catalog.

#include "replication/setup/publications.hpp"

#include <string>

#include "pg/spi.hpp"

namespace pgrepl::replication {

namespace {

constexpr const char* kPublications = R"(
    WITH wanted AS (SELECT n, r FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS w(n, r))
    SELECT pg_catalog.string_agg(pg_catalog.quote_ident(p.pubname), ', ' ORDER BY p.pubname),
           coalesce(pg_catalog.bool_or(p.puballtables), false)
    FROM pg_catalog.pg_publication p
    WHERE p.puballtables AND EXISTS (SELECT FROM wanted)
       OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace i
                  JOIN pg_catalog.pg_namespace s ON s.oid = i.pnnspid JOIN wanted ON s.nspname = wanted.n
                  WHERE i.pnpubid = p.oid)
       OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel i JOIN pg_catalog.pg_class c ON c.oid = i.prrelid
                  JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace
                  JOIN wanted ON s.nspname = wanted.n AND c.relname = wanted.r WHERE i.prpubid = p.oid))";

}  // namespace

core::Check check_publications(const std::vector<PlannedTable>& planned) {
    std::vector<std::string> schemas;
    std::vector<std::string> names;
    for (const PlannedTable& table : planned) {
        if (table.state == catalog::TableState::kPending) {
            schemas.push_back(table.target_schema);
            names.push_back(table.target_name);
        }
    }
    pg::QueryResult const found = pg::execute(kPublications, {schemas, names});
    core::Check check;
    check.name = "publications";
    check.severity = core::Check::Severity::kWarning;
    check.ok = found.is_null(0, 0);
    check.detail = check.ok
                       ? "No publication of this database holds a target table."
                       : "Publications of this database hold target tables: " + found.text(0, 0) +
                             ". A subscription to them with origin = none copies the rows, and then gets no change.";
    check.hint = "Subscribe with origin = any, which is what a subscription has unless it says otherwise.";
    if (found.boolean(0, 1)) {
        check.hint +=
            " Subscribers to ALL TABLES stop at the first row of a table that they do not have: create the "
            "extension and the target tables there first.";
    }
    return check;
}

}  // namespace pgrepl::replication
