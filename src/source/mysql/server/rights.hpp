#pragma once
// What the account may read, as the server's own summary of its rights says.

#include <string>

#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

/// Text that is another whenever the account may read other tables or columns, by rights of its own, of its roles and
/// of all accounts (MariaDB: PUBLIC). Rights of the session's roles are among them, as long as they are the account's;
/// so are the roles that the next session will have.
std::string read_rights(Connection& connection);

}  // namespace pgrepl::mysql
