#pragma once
// Integers as MySQL's serialization library writes them (MySQL source, libs/mysql/serialization/readme.md): the
// ones at the low end of the first byte count the bytes that follow, the rest is the value, little-endian.

#include <bit>
#include <limits>

#include "source/mysql/wire/byte_reader.hpp"

namespace pgrepl::mysql {

inline std::uint64_t read_varlen(ByteReader& reader) {
    std::uint8_t const first = reader.u8();
    auto const following = static_cast<unsigned>(std::countr_one(first));
    std::uint64_t const high = reader.little(following);
    if (following >= 7) {
        return high;  // the first byte is all marker
    }
    return high << (7 - following) | first >> (following + 1);
}

/// Signed: zigzag, so that small negative numbers are short.
inline std::int64_t read_varlen_signed(ByteReader& reader) {
    std::uint64_t const value = read_varlen(reader);
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

}  // namespace pgrepl::mysql
