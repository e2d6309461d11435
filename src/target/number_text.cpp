// Packing of numerics. numeric's format (src/backend/utils/adt/numeric.c, "NumericShort" and "NumericLong"): base
// 10000 digits, most significant first, without leading and trailing zero digits; `weight` is the power of
// 10000 of the first; `dscale` the decimal digits behind the point to show.

#include "target/number_text.hpp"

#include <charconv>
#include <cstring>

#include "pg/error.hpp"
#include "pg/memory.hpp"

namespace pgrepl::target {

namespace {

constexpr std::uint16_t kShort = 0x8000;
constexpr std::uint16_t kShortNegative = 0x2000;
constexpr int kShortScaleShift = 7;
constexpr int kShortMaxScale = 0x3F;
constexpr std::uint16_t kShortWeightSign = 0x40;
constexpr std::uint16_t kShortWeightMask = 0x3F;
constexpr std::uint16_t kLongNegative = 0x4000;
/// Longer texts go through numeric_in.
constexpr std::size_t kMostPackedText = 800;

void append_packed(ByteBuffer& out, const std::int16_t* digits, int count, int weight, int scale, bool negative) {
    bool const is_short = scale <= kShortMaxScale && weight >= -64 && weight <= 63;
    out.pad_to(4);
    std::size_t const header = is_short ? 6 : 8;
    std::size_t const bytes = header + sizeof(std::int16_t) * static_cast<std::size_t>(count);
    char* const at = out.append_uninitialised(bytes);
    SET_VARSIZE(at, bytes);
    if (is_short) {
        auto const word = static_cast<std::uint16_t>(
            kShort | (negative ? kShortNegative : 0) | (scale << kShortScaleShift) |
            (weight < 0 ? kShortWeightSign : 0) | (static_cast<unsigned>(weight) & kShortWeightMask));
        std::memcpy(at + 4, &word, 2);
    } else {
        auto const word = static_cast<std::uint16_t>((negative ? kLongNegative : 0) | scale);
        auto const weight_word = static_cast<std::int16_t>(weight);
        std::memcpy(at + 4, &word, 2);
        std::memcpy(at + 6, &weight_word, 2);
    }
    std::memcpy(at + header, digits, sizeof(std::int16_t) * static_cast<std::size_t>(count));
}

void append_integer(ByteBuffer& out, std::uint64_t magnitude, bool negative) {
    std::int16_t reversed[6];
    int count = 0;
    for (std::uint64_t rest = magnitude; rest != 0; rest /= 10'000) {
        reversed[count++] = static_cast<std::int16_t>(rest % 10'000);
    }
    int const weight = count == 0 ? 0 : count - 1;
    int trailing = 0;
    while (trailing < count && reversed[trailing] == 0) {
        ++trailing;
    }
    std::int16_t digits[6];
    int used = 0;
    for (int i = count - 1; i >= trailing; --i) {
        digits[used++] = reversed[i];
    }
    append_packed(out, digits, used, weight, 0, negative);
}

void append_through_numeric_in(ByteBuffer& out, std::string_view decimal) {
    std::string const text(decimal);
    pg::MemoryScope memory("pg_replicator numeric");
    pg::MemorySwitch const in_memory(memory.context());
    const char* const input = text.c_str();
    auto* const value = pg::CallPg([&] {
        return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(input), ObjectIdGetDatum(InvalidOid),
                                                   Int32GetDatum(-1)));
    });
    out.pad_to(4);
    out.append(value, VARSIZE_ANY(value));
}

/// Shortest digits in any notation -> plain notation with a fraction.
std::size_t expand(const char* text, std::size_t length, char* out) {
    char digits[40];
    int count = 0;
    int point = -1;  // digits before the point
    int exponent = 0;
    std::size_t i = 0;
    char* at = out;
    if (text[0] == '-') {
        *at++ = '-';
        ++i;
    }
    for (; i < length && text[i] != 'e'; ++i) {
        if (text[i] == '.') {
            point = count;
        } else {
            digits[count++] = text[i];
        }
    }
    if (point < 0) {
        point = count;
    }
    if (i < length) {
        const char* first = text + i + 1;
        first += *first == '+' ? 1 : 0;
        std::from_chars(first, text + length, exponent);
    }
    point += exponent;
    for (int k = 0; k < point; ++k) {
        *at++ = k < count ? digits[k] : '0';
    }
    if (point <= 0) {
        *at++ = '0';
    }
    *at++ = '.';
    if (point >= count) {
        *at++ = '0';
    }
    for (int k = point; k < count; ++k) {
        *at++ = k < 0 ? '0' : digits[k];
    }
    return static_cast<std::size_t>(at - out);
}

}  // namespace

std::size_t print_double(double value, char* out) {
    char text[DOUBLE_SHORTEST_DECIMAL_LEN];
    auto const length = static_cast<std::size_t>(double_to_shortest_decimal_buf(value, text));
    return expand(text, length, out);
}

std::size_t print_float(float value, char* out) {
    char text[FLOAT_SHORTEST_DECIMAL_LEN];
    auto const length = static_cast<std::size_t>(float_to_shortest_decimal_buf(value, text));
    return expand(text, length, out);
}

void append_numeric(ByteBuffer& out, std::int64_t value) {
    auto const bits = static_cast<std::uint64_t>(value);
    append_integer(out, value < 0 ? 0 - bits : bits, value < 0);
}

void append_numeric_unsigned(ByteBuffer& out, std::uint64_t value) { append_integer(out, value, false); }

void append_numeric(ByteBuffer& out, std::string_view decimal) {
    if (decimal.empty() || decimal.size() > kMostPackedText) {
        append_through_numeric_in(out, decimal);
        return;
    }
    // Decimal digits without leading zeros before the point, with four zeros of room on either side to align
    // the groups of four to the point.
    char digits[kMostPackedText + 8];
    int count = 0;
    int point = -1;
    bool const negative = decimal[0] == '-';
    for (char const c : decimal.substr(negative || decimal[0] == '+' ? 1 : 0)) {
        if (c >= '0' && c <= '9') {
            if (count != 0 || point >= 0 || c != '0') {
                digits[4 + count++] = static_cast<char>(c - '0');
            }
        } else if (c == '.' && point < 0) {
            point = count;
        } else {
            append_through_numeric_in(out, decimal);
            return;
        }
    }
    if (point < 0) {
        point = count;
    }
    int const scale = count - point;
    int const lead = (4 - (point & 3)) & 3;
    std::memset(digits, 0, 4);
    std::memset(digits + 4 + count, 0, 4);
    int const groups = (lead + count + 3) / 4;
    int weight = (point + lead) / 4 - 1;
    std::int16_t packed[kMostPackedText / 4 + 4];
    int used = 0;
    const char* group = digits + 4 - lead;
    for (int i = 0; i < groups; ++i, group += 4) {
        auto const value =
            static_cast<std::int16_t>(group[0] * 1000 + group[1] * 100 + group[2] * 10 + group[3]);
        if (used == 0 && value == 0) {
            --weight;
        } else {
            packed[used++] = value;
        }
    }
    while (used > 0 && packed[used - 1] == 0) {
        --used;
    }
    append_packed(out, packed, used, used == 0 ? 0 : weight, scale, negative && used != 0);
}

}  // namespace pgrepl::target
