#pragma once
// What a server changes without writing it into its log; foreign_keys.hpp has what its foreign keys do. What a session
// leaves out of it (sql_log_bin = 0) cannot be told.

#include <optional>
#include <string>
#include <vector>

#include "core/source.hpp"
#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

/// What of `databases` (none: of any) is not in the log, a check for each way in which a server leaves something out:
/// as a replica that does not log what it replicates, and by filters. Not all accounts may see the filters.
std::vector<core::Check> check_log_gaps(Connection& connection, const std::vector<std::string>& databases);

/// Whether the log holds every change of the tables but what their foreign keys do.
bool logs_all_changes(Connection& connection, const std::vector<std::string>& databases);

/// Throws kUnsupported if it provably does not.
void require_log_without_gaps(Connection& connection, const std::vector<std::string>& databases);

}  // namespace pgrepl::mysql
