#pragma once
// What a server should have, and the statement that gives it.

#include <vector>

#include "core/source.hpp"
#include "source/mysql/connection.hpp"

namespace pgrepl::mysql {

/// What copies in the modes once and periodic profit from. None of it is needed: without a binary log one reader alone
/// copies in one transaction.
std::vector<core::Check> check_server(Connection& connection);

}  // namespace pgrepl::mysql
