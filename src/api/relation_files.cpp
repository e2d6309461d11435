// replicator.file_bytes(): the size of a relation, for views that must never wait. pg_relation_size waits for whoever
// holds ACCESS EXCLUSIVE on it; the files can be looked at without a lock.

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "api/entry.hpp"
#include "pg/relation_path.hpp"

namespace pgrepl::api {

namespace {

/// Of one fork, in all its segments; the first one that is missing is the end.
std::int64_t fork_bytes(const std::string& first_segment) {
    std::int64_t bytes = 0;
    std::string segment = first_segment;
    struct stat found = {};
    for (int number = 1; stat(segment.c_str(), &found) == 0; ++number) {
        bytes += found.st_size;
        segment = first_segment + "." + std::to_string(number);
    }
    return bytes;
}

Datum file_bytes(FunctionCallInfo fcinfo) {
    std::optional<std::string> const path = pg::relation_path(PG_GETARG_OID(0));
    if (!path) {
        PG_RETURN_NULL();
    }
    std::int64_t bytes = 0;
    for (const char* const fork : std::array{"", "_fsm", "_vm", "_init"}) {
        bytes += fork_bytes(*path + fork);
    }
    PG_RETURN_INT64(bytes);
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_file_bytes, pgrepl::api::file_bytes)
