#pragma once
// SHA-256 by PostgreSQL's own implementation.

#include <span>
#include <string>
#include <string_view>

namespace pgrepl::target {

/// The hash of `bytes` as 64 hex digits.
std::string sha256_hex(std::string_view bytes);

/// Of what the parts are together.
std::string sha256_hex(std::span<const std::string_view> parts);

}  // namespace pgrepl::target
