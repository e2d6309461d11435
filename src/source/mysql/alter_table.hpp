#pragma once
// ALTER TABLE: whether it can have changed the table's columns, its keys or its rows.

#include <string_view>
#include <vector>

#include "core/stream.hpp"
#include "source/mysql/word_reader.hpp"

namespace pgrepl::mysql {

/// `words` stand behind the table's name. Nothing for what changes neither rows nor structure: other indexes, comments,
/// partitions that are added, options of storage.
std::vector<core::SchemaChange> read_alterations(WordReader& words, const core::TableName& table,
                                                 std::string_view database);

}  // namespace pgrepl::mysql
