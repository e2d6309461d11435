#pragma once
// Collations have numbers in the binlog, where information_schema has the charset's name.

#include <cstdint>
#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

/// The number of the bytes' collation: of BINARY, VARBINARY and BLOB.
constexpr std::uint32_t kBinaryCollation = 63;

/// MySQL's name of the charset that the collation belongs to; "binary" for kBinaryCollation. Empty for a number that
/// neither server has.
std::string_view charset_of_collation(std::uint32_t collation) noexcept;

}  // namespace pgrepl::mysql
