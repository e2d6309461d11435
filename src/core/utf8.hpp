#pragma once
// UTF-8 (RFC 3629): whether bytes are well-formed, for names and paths, which become PostgreSQL text; and writing it.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// How many bytes from the first on are well-formed.
inline std::size_t utf8_prefix(std::string_view text) noexcept {
    auto const byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    for (std::size_t i = 0; i < text.size();) {
        unsigned char const lead = byte(i);
        std::size_t length = 1;
        // The second byte's range excludes overlong forms, surrogates, and what is above U+10FFFF.
        unsigned char low = 0x80;
        unsigned char high = 0xbf;
        if (lead >= 0xc2 && lead <= 0xdf) {
            length = 2;
        } else if (lead >= 0xe0 && lead <= 0xef) {
            length = 3;
            low = lead == 0xe0 ? 0xa0 : low;
            high = lead == 0xed ? 0x9f : high;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            length = 4;
            low = lead == 0xf0 ? 0x90 : low;
            high = lead == 0xf4 ? 0x8f : high;
        } else if (lead >= 0x80) {
            return i;
        }
        if (i + length > text.size()) {
            return i;
        }
        for (std::size_t next = 1; next < length; ++next) {
            if (byte(i + next) < low || byte(i + next) > high) {
                return i;
            }
            low = 0x80;
            high = 0xbf;
        }
        i += length;
    }
    return text.size();
}

inline bool is_utf8(std::string_view text) noexcept { return utf8_prefix(text) == text.size(); }

/// What is none becomes question marks, byte by byte: for what others say (errors, versions), of which no more is
/// known.
inline void make_utf8(char* text, std::size_t size) noexcept {
    for (std::size_t good = utf8_prefix({text, size}); good < size; good += utf8_prefix({text + good, size - good})) {
        text[good] = '?';
    }
}

/// Writes a character (no surrogate, at most U+10FFFF) in one to four bytes; returns the end.
inline char* put_utf8(std::uint32_t character, char* out) noexcept {
    auto const put = [&](std::uint32_t byte) { *out++ = static_cast<char>(byte); };
    if (character < 0x80) {
        put(character);
    } else if (character < 0x800) {
        put(0xC0 | character >> 6);
        put(0x80 | (character & 0x3F));
    } else if (character < 0x10000) {
        put(0xE0 | character >> 12);
        put(0x80 | (character >> 6 & 0x3F));
        put(0x80 | (character & 0x3F));
    } else {
        put(0xF0 | character >> 18);
        put(0x80 | (character >> 12 & 0x3F));
        put(0x80 | (character >> 6 & 0x3F));
        put(0x80 | (character & 0x3F));
    }
    return out;
}

}  // namespace pgrepl::core
