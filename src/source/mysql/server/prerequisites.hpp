#pragma once
// What a server should have, and the statement that gives it.

#include <string>
#include <vector>

#include "core/source.hpp"
#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

/// `continuous`: what following its changes needs. Else what copies profit from, none of which is needed: without a
/// binary log one reader alone copies in one transaction.
/// `databases`: those that the URL names.
std::vector<core::Check> check_server(Connection& connection, bool continuous,
                                      const std::vector<std::string>& databases);

/// What following a server's log needs. For check_server().
std::vector<core::Check> check_log_settings(Connection& connection);

}  // namespace pgrepl::mysql
