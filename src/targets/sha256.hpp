#pragma once
// SHA-256 by PostgreSQL's own implementation.

#include <string>
#include <string_view>

namespace pgrepl::target {

/// The hash of `bytes` as 64 hex digits.
std::string sha256_hex(std::string_view bytes);

}  // namespace pgrepl::target
