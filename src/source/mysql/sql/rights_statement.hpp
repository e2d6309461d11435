#pragma once
// Statements by which what accounts may read can change.

#include <optional>
#include <string_view>
#include <vector>

#include "core/stream.hpp"
#include "source/mysql/sql/word_reader.hpp"

namespace pgrepl::mysql {

/// Nothing, and nothing is taken, if the statement is none of those about accounts, roles and their rights (or a
/// FLUSH). Else the changes that it may have made: kRights, of the table that it names, or of any.
std::optional<std::vector<core::SchemaChange>> read_rights(WordReader& words, std::string_view database);

/// The rights of any account to any table may be others.
core::SchemaChange any_rights();

}  // namespace pgrepl::mysql
