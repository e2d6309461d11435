#pragma once
// Base64 with padding, as $binary has it.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgrepl::target {

constexpr std::size_t base64_size(std::size_t bytes) noexcept { return (bytes + 2) / 3 * 4; }

/// Writes base64_size(bytes.size()) characters to `out`.
inline void encode_base64(std::string_view bytes, char* out) noexcept {
    constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto* const in = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t i = 0;
    for (; i + 3 <= bytes.size(); i += 3, out += 4) {
        auto const word = static_cast<std::uint32_t>((in[i] << 16) | (in[i + 1] << 8) | in[i + 2]);
        out[0] = alphabet[word >> 18];
        out[1] = alphabet[(word >> 12) & 63];
        out[2] = alphabet[(word >> 6) & 63];
        out[3] = alphabet[word & 63];
    }
    std::size_t const rest = bytes.size() - i;
    if (rest != 0) {
        auto const word = static_cast<std::uint32_t>((in[i] << 16) | (rest == 2 ? in[i + 1] << 8 : 0));
        out[0] = alphabet[word >> 18];
        out[1] = alphabet[(word >> 12) & 63];
        out[2] = rest == 2 ? alphabet[(word >> 6) & 63] : '=';
        out[3] = '=';
    }
}

}  // namespace pgrepl::target
