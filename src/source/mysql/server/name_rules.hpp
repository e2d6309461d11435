#pragma once
// How a MySQL or MariaDB server compares names: letter by letter, or without regard to case (lower_case_table_names 1,
// which keeps names in lower case, and 2, which keeps them as they were written).

#include "core/name_rules.hpp"
#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

using core::NameRules;

/// Asks the server: which letters are the same but for their case depends on its version.
NameRules read_name_rules(Connection& connection);

}  // namespace pgrepl::mysql
