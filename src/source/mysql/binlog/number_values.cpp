#include "source/mysql/binlog/number_values.hpp"

#include <array>

namespace pgrepl::mysql {
namespace {

constexpr std::uint32_t kDigitsPerGroup = 9;
/// Bytes that so many digits take.
constexpr std::array<std::uint8_t, kDigitsPerGroup + 1> kGroupBytes = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
constexpr std::array<std::uint32_t, kDigitsPerGroup + 1> kPowersOfTen = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

/// Walks over a decimal's groups. Negative numbers have all bits inverted; the first bit of all is inverted again,
/// so that bytes sort as numbers.
struct DecimalBytes {
    const std::uint8_t* next;
    std::uint8_t mask;        ///< 0xff for a negative number
    std::uint8_t first_mask;  ///< of the first byte; then 0

    std::uint32_t group(std::uint32_t digits, const ByteReader& reader) {
        std::uint32_t value = 0;
        for (std::uint8_t i = 0; i < kGroupBytes.at(digits); ++i) {
            value = value << 8 | static_cast<std::uint8_t>(*next++ ^ mask ^ first_mask);
            first_mask = 0;
        }
        if (value >= kPowersOfTen.at(digits)) {
            reader.fail("a DECIMAL has digits beyond 9");
        }
        return value;
    }
};

char* write_digits(std::uint32_t value, std::uint32_t digits, char* out) {
    for (std::uint32_t i = digits; i > 0; --i) {
        out[i - 1] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
    return out + digits;
}

}  // namespace

core::Value read_decimal(ByteReader& reader, std::uint32_t precision, std::uint32_t scale, core::Arena& arena) {
    std::uint32_t const integral = precision - scale;
    std::uint32_t const first_digits = integral % kDigitsPerGroup;
    std::uint32_t const last_digits = scale % kDigitsPerGroup;
    std::size_t const bytes = kGroupBytes.at(first_digits) + integral / kDigitsPerGroup * 4 +
                              scale / kDigitsPerGroup * 4 + kGroupBytes.at(last_digits);
    ByteSpan const raw = reader.bytes(bytes);
    bool const negative = (raw.front() & 0x80) == 0;
    DecimalBytes source{raw.data(), static_cast<std::uint8_t>(negative ? 0xff : 0), 0x80};

    char* const text = arena.allocate(precision + 3);
    char* out = text;
    if (negative) {
        *out++ = '-';
    }
    char* const digits = out;
    if (first_digits != 0) {
        out = write_digits(source.group(first_digits, reader), first_digits, out);
    }
    for (std::uint32_t i = 0; i < integral / kDigitsPerGroup; ++i) {
        out = write_digits(source.group(kDigitsPerGroup, reader), kDigitsPerGroup, out);
    }
    const char* significant = digits;
    while (significant != out && *significant == '0') {
        ++significant;
    }
    if (significant == out) {
        *digits = '0';
        out = digits + 1;
    } else {
        std::memmove(digits, significant, static_cast<std::size_t>(out - significant));
        out -= significant - digits;
    }
    if (scale != 0) {
        *out++ = '.';
        for (std::uint32_t i = 0; i < scale / kDigitsPerGroup; ++i) {
            out = write_digits(source.group(kDigitsPerGroup, reader), kDigitsPerGroup, out);
        }
        out = write_digits(source.group(last_digits, reader), last_digits, out);
    }
    return core::Value::decimal(text, static_cast<std::uint32_t>(out - text));
}

}  // namespace pgrepl::mysql
