#pragma once
// What the bytes 0x80 to 0xFF mean in MySQL's charsets of one byte a character. Below 0x80 all of them are ASCII. They
// differ from what iconv knows under the same names (latin1 is not even ISO 8859-1), so they are the servers' own.

#include <array>
#include <cstdint>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

constexpr std::uint16_t kNoCharacter = 0xFFFF;

struct SingleByteCharset {
    const char* name;
    std::array<std::uint16_t, 128> upper;  ///< code points
};

extern const std::array<SingleByteCharset, 23> kSingleByteCharsets;

}  // namespace pgrepl::mysql
