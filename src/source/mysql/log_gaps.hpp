#pragma once
// What a server changes without writing it into its log.

#include <vector>

#include "core/table_name.hpp"
#include "source/mysql/connection.hpp"

namespace pgrepl::mysql {

/// Whether the log holds every change of these tables. What a session leaves out of it (sql_log_bin = 0), and filters
/// that the account may not see (binlog_do_db), cannot be told.
bool logs_all_changes(Connection& connection, const std::vector<core::TableName>& tables);

}  // namespace pgrepl::mysql
