#pragma once
// MERGE tables, whose rows are those of others.

#include <string_view>
#include <vector>

#include "core/table_name.hpp"
#include "source/mysql/sql/sql_words.hpp"

namespace pgrepl::mysql {

/// Those that UNION = (a, database.b) in a CREATE or ALTER TABLE names; none if there is no such option.
std::vector<core::TableName> merged_tables(std::string_view sql, const SqlReading& reading, std::string_view database);

}  // namespace pgrepl::mysql
