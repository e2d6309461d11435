#pragma once
// Which bytes jsonb can hold as a string.

#include <cstdint>
#include <cstring>
#include <string_view>

#include "pg/postgres.hpp"

namespace pgrepl::target {

/// Whether all bytes are ASCII and none is zero. Eight at a time: a byte above 0x7F has its own high bit, a zero byte
/// gets one when 1 is subtracted.
inline bool is_plain_ascii(const char* bytes, std::size_t size) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101;
    auto const suspicious = [](const char* at) noexcept {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof(word));
        return word | (word - ones);
    };
    std::uint64_t seen = 0;
    if (size < 8) {
        for (std::size_t i = 0; i < size; ++i) {
            auto const byte = static_cast<unsigned char>(bytes[i]);
            seen |= byte | (byte - ones);
        }
        return (seen & 0x80) == 0;
    }
    for (std::size_t i = 0; i + 8 <= size; i += 8) {
        seen |= suspicious(bytes + i);
    }
    seen |= suspicious(bytes + size - 8);
    return (seen & (ones << 7)) == 0;
}

/// Whether jsonb can hold the bytes as a string: valid UTF-8 without U+0000.
inline bool is_storable_text(std::string_view bytes) noexcept {
    if (is_plain_ascii(bytes.data(), bytes.size())) [[likely]] {
        return true;
    }
    // Verification stops at a NUL as well as at an invalid byte.
    return bytes.size() <= MaxAllocSize &&
           pg_encoding_verifymbstr(PG_UTF8, bytes.data(), static_cast<int>(bytes.size())) ==
               static_cast<int>(bytes.size());
}

}  // namespace pgrepl::target
