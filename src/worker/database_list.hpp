#pragma once
// The databases of the server, as the launcher sees them: from the shared catalog, without a connection to any.

#include <string>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::worker {

struct Database {
    Oid oid = InvalidOid;
    std::string name;
    bool served = false;  ///< it can be connected to and is no template
};

/// All databases, in a transaction of its own.
std::vector<Database> list_databases();

/// Whether pg_replicator.databases allows the database.
bool is_allowed(const std::string& name);

}  // namespace pgrepl::worker
