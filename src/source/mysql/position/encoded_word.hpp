#pragma once
// Any bytes as a part of a word of a position, in percent-encoding.

#include <string>
#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

/// Printable ASCII without a space, '%', ':', ';' and '/'.
std::string encoded(std::string_view plain);
/// Reads what encoded() writes.
std::string decoded(std::string_view text);

}  // namespace pgrepl::mysql
