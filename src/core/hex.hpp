#pragma once
// Bytes as hexadecimal digits, and back.

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace pgrepl::core {

inline constexpr std::string_view kHexDigits = "0123456789abcdef";
inline constexpr std::string_view kUpperHexDigits = "0123456789ABCDEF";

inline void append_hex(std::string& out, unsigned char byte, std::string_view digits = kHexDigits) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
}

inline std::string to_hex(std::string_view bytes, std::string_view digits = kHexDigits) {
    std::string hex;
    hex.reserve(bytes.size() * 2);
    for (char const byte : bytes) {
        append_hex(hex, static_cast<unsigned char>(byte), digits);
    }
    return hex;
}

/// Digits of either case. Nothing if they are not pairs of digits.
inline std::optional<std::string> from_hex(std::string_view hex) {
    if (hex.size() % 2 != 0) {
        return std::nullopt;
    }
    std::string bytes;
    bytes.reserve(hex.size() / 2);
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        unsigned byte = 0;
        auto const [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
        if (error != std::errc() || end != hex.data() + i + 2) {
            return std::nullopt;
        }
        bytes += static_cast<char>(byte);
    }
    return bytes;
}

}  // namespace pgrepl::core
