#pragma once
// ALTER TABLE: whether it can have changed the table's columns, its keys or its rows.

#include <string_view>
#include <vector>

#include "core/stream.hpp"
#include "source/mysql/sql/word_reader.hpp"

namespace pgrepl::mysql {

/// `words` stand after the table's name. kAltered unless each part is known to leave rows, columns and keys as they
/// are; kRedefined if other things that are known of a table may be others. Nothing for comments, statistics,
/// partitions that are added, options of storage. `drops_rows`: IGNORE; rows that stand in the way of the new
/// definition are left out.
std::vector<core::SchemaChange> read_alterations(WordReader& words, const core::TableName& table,
                                                 std::string_view database, bool drops_rows);

}  // namespace pgrepl::mysql
