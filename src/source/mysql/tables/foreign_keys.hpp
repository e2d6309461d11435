#pragma once
// Foreign keys that change rows of their own table within the storage engine, where no log shows it.

#include <vector>

#include "core/source.hpp"
#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

/// Fills `unlogged_actions` of the tables. Leaves them empty at a server that logs such changes, and where a table's
/// definition cannot be read.
void find_unlogged_actions(Connection& connection, std::vector<core::TableInfo>& tables);

/// The same for one table.
core::TableInfo with_unlogged_actions(Connection& connection, core::TableInfo table);

}  // namespace pgrepl::mysql
