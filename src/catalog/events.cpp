// Statements on replicator.event.

#include "catalog/events.hpp"

#include "pg/spi.hpp"

namespace pgrepl::catalog {

void record_call(const std::string& source, Oid role, const std::string& action, const std::string& arguments_json) {
    pg::execute(
        "INSERT INTO replicator.event (source, role, action, arguments, outcome) "
        "VALUES (nullif($1, ''), pg_catalog.pg_get_userbyid($2), $3, $4::jsonb, 'ok')",
        {source, pg::Param::oid(role), action, arguments_json});
}

void record_failed_call(const pg::FailedCall& call) {
    pg::execute(
        "INSERT INTO replicator.event (at, source, role, action, arguments, outcome, sqlstate, message) "
        "VALUES ($1, nullif($2, ''), pg_catalog.pg_get_userbyid($3), $4, $5::jsonb, 'error', $6, $7)",
        {pg::Param::timestamp(call.at), call.source, pg::Param::oid(call.role), call.action, call.arguments,
         call.sqlstate, call.message});
}

void prune_events(int retention_s) {
    pg::execute("DELETE FROM replicator.event WHERE at < clock_timestamp() - $1 * interval '1 second'", {retention_s});
}

}  // namespace pgrepl::catalog
