#pragma once
// What a server changes without writing it into its log; foreign_keys.hpp has what its foreign keys do.

#include "source/mysql/connection.hpp"

namespace pgrepl::mysql {

/// Whether the log holds every change of the tables but what their foreign keys do. What a session leaves out of it
/// (sql_log_bin = 0), and filters that the account may not see (binlog_do_db), cannot be told.
bool logs_all_changes(Connection& connection);

}  // namespace pgrepl::mysql
