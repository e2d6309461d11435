#pragma once
// MariaDB's types of a fixed size, from the bytes as stored to the text that the server prints.

#include <cstdint>
#include <span>

#include "core/arena.hpp"
#include "core/value.hpp"

namespace pgrepl::mysql {

/// From the 16 bytes as MariaDB stores them: UUIDs of the versions 1 to 5 with their parts reversed, so that they
/// sort by time.
core::Value uuid_value(std::span<const std::uint8_t, 16> stored, core::Arena& arena);

/// As inet_ntop writes them, and as MariaDB does.
core::Value inet4_value(std::span<const std::uint8_t, 4> stored, core::Arena& arena);
core::Value inet6_value(std::span<const std::uint8_t, 16> stored, core::Arena& arena);

}  // namespace pgrepl::mysql
