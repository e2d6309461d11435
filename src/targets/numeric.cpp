// Packing of numerics. The format (src/backend/utils/adt/numeric.c, "NumericShort" and "NumericLong"): digits to the
// base 10000, most significant first, without leading and trailing zero digits; `weight` is the power of 10000 of the
// first; `scale` the decimal digits after the point to show. A group is one such digit: four decimal digits.

#include "targets/numeric.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "targets/row_error.hpp"

namespace pgrepl::target {

namespace {

constexpr std::uint16_t kShort = 0x8000;
constexpr std::uint16_t kShortNegative = 0x2000;
constexpr int kShortScaleShift = 7;
constexpr std::int64_t kShortMaxScale = 0x3F;
constexpr std::uint16_t kShortWeightSign = 0x40;
constexpr std::uint16_t kShortWeightMask = 0x3F;
constexpr std::int64_t kShortMinWeight = -64;
constexpr std::int64_t kShortMaxWeight = 63;
constexpr std::uint16_t kLongNegative = 0x4000;
constexpr std::int64_t kMaxScale = 0x3FFF;

constexpr std::uint32_t kGroupBase = 10'000;
constexpr std::uint32_t kPowersOfTen[] = {1, 10, 100, 1'000, 10'000};
/// Digits that fit into 64 bits whatever they are.
constexpr int kMostFastDigits = 19;

using Group = std::uint16_t;

/// Header of a short numeric; the groups follow.
char* put_short_header(char* at, std::size_t groups, int weight, int scale, bool negative) {
    auto const word = static_cast<std::uint16_t>(kShort | (negative ? kShortNegative : 0) |
                                                 (scale << kShortScaleShift) | (weight < 0 ? kShortWeightSign : 0) |
                                                 (static_cast<unsigned>(weight) & kShortWeightMask));
    SET_VARSIZE(at, 6 + groups * sizeof(Group));
    std::memcpy(at + 4, &word, sizeof(word));
    return at + 6;
}

/// `magnitude` / 10^`fraction`, shown with `scale` digits after the point: at least `fraction`, at most 63.
void append_scaled(ByteBuffer& out, std::uint64_t magnitude, int fraction, int scale, bool negative) {
    constexpr int most = 6;
    Group groups[most];  // filled from the back
    int count = 0;
    int const partial = fraction & 3;
    if (partial != 0) {
        // The last group is cut by the fraction's end: its missing digits are zeros.
        std::uint32_t const split = kPowersOfTen[partial];
        groups[most - ++count] = static_cast<Group>(magnitude % split * kPowersOfTen[4 - partial]);
        magnitude /= split;
    }
    while (magnitude >= kGroupBase) {
        groups[most - ++count] = static_cast<Group>(magnitude % kGroupBase);
        magnitude /= kGroupBase;
    }
    if (magnitude != 0) {
        groups[most - ++count] = static_cast<Group>(magnitude);
    }
    int weight = count - (fraction + 3) / 4 - 1;
    const Group* first = groups + most - count;
    while (count > 0 && *first == 0) {
        ++first;
        --count;
        --weight;
    }
    while (count > 0 && first[count - 1] == 0) {
        --count;
    }
    out.pad_to(4);
    auto const used = static_cast<std::size_t>(count);
    char* const at = out.append_uninitialised(6 + used * sizeof(Group));
    char* const digits = put_short_header(at, used, count == 0 ? 0 : weight, scale, negative && count != 0);
    std::memcpy(digits, first, used * sizeof(Group));
}

/// Decimal text taken apart: the digits are those of `integer` and then of `fraction`.
struct DecimalText {
    std::string_view integer;
    std::string_view fraction;
    std::int64_t exponent = 0;
    bool negative = false;

    [[nodiscard]] std::size_t digits() const noexcept { return integer.size() + fraction.size(); }
    [[nodiscard]] unsigned digit(std::size_t i) const noexcept {
        return static_cast<unsigned>((i < integer.size() ? integer[i] : fraction[i - integer.size()]) - '0');
    }
};

[[noreturn]] void refuse(std::string_view decimal, int sqlstate, const char* why) {
    std::string const shown(decimal.substr(0, 40));
    throw RowError(sqlstate, std::string(why) + ": " + shown + (decimal.size() > 40 ? "…" : ""));
}

std::string_view take_digits(std::string_view& text) noexcept {
    std::size_t count = 0;
    while (count < text.size() && text[count] >= '0' && text[count] <= '9') {
        ++count;
    }
    std::string_view const digits = text.substr(0, count);
    text.remove_prefix(count);
    return digits;
}

DecimalText take_apart(std::string_view decimal) {
    DecimalText parts;
    std::string_view rest = decimal;
    auto const take_sign = [&]() {
        bool const minus = !rest.empty() && rest[0] == '-';
        rest.remove_prefix(minus || (!rest.empty() && rest[0] == '+') ? 1 : 0);
        return minus;
    };
    parts.negative = take_sign();
    parts.integer = take_digits(rest);
    if (!rest.empty() && rest[0] == '.') {
        rest.remove_prefix(1);
        parts.fraction = take_digits(rest);
    }
    bool complete = parts.digits() != 0;
    if (!rest.empty() && (rest[0] == 'e' || rest[0] == 'E')) {
        rest.remove_prefix(1);
        bool const minus = take_sign();
        std::string_view const exponent = take_digits(rest);
        complete = complete && !exponent.empty();
        for (char const c : exponent) {
            parts.exponent = std::min<std::int64_t>(parts.exponent * 10 + (c - '0'), PG_INT32_MAX);
        }
        parts.exponent = minus ? -parts.exponent : parts.exponent;
    }
    // numeric_in's own limit, which holds for a zero with such an exponent too.
    complete = complete && std::abs(parts.exponent) < PG_INT32_MAX / 2;
    if (!complete || !rest.empty()) {
        refuse(decimal, ERRCODE_INVALID_TEXT_REPRESENTATION, "not a decimal number");
    }
    return parts;
}

/// Floor of a / 4.
constexpr std::int64_t floor_of_quarter(std::int64_t a) noexcept { return a >= 0 ? a / 4 : -((-a + 3) / 4); }

/// Appends groups[first, …) of the digits from `from` on; `position` is the decimal weight of that digit. Returns how
/// many groups are left when the trailing zeros are gone.
std::size_t append_groups(ByteBuffer& out, const DecimalText& parts, std::size_t from, std::int64_t position) {
    std::size_t const start = out.size();
    std::size_t used = 0;
    unsigned group = 0;
    auto missing = static_cast<int>(position - 4 * floor_of_quarter(position)) + 1;
    for (std::size_t i = from; i < parts.digits() || missing != 4;) {
        group = group * 10 + (i < parts.digits() ? parts.digit(i) : 0);
        ++i;
        if (--missing == 0) {
            auto const value = static_cast<Group>(group);
            out.append(&value, sizeof(value));
            used = value != 0 ? (out.size() - start) / sizeof(Group) : used;
            group = 0;
            missing = 4;
        }
    }
    out.truncate(start + used * sizeof(Group));
    return used;
}

/// Any length, scale and exponent.
void append_any(ByteBuffer& out, const DecimalText& parts, std::string_view decimal, int least_scale) {
    auto const fraction = static_cast<std::int64_t>(parts.fraction.size());
    std::int64_t const scale = std::max<std::int64_t>(fraction - parts.exponent, least_scale);
    std::size_t first = 0;
    while (first < parts.digits() && parts.digit(first) == 0) {
        ++first;
    }
    bool const zero = first == parts.digits();
    // The power of ten of the first digit that is not zero.
    std::int64_t const position =
        static_cast<std::int64_t>(parts.integer.size()) - static_cast<std::int64_t>(first) - 1 + parts.exponent;
    std::int64_t const weight = zero ? 0 : floor_of_quarter(position);
    if (scale > kMaxScale || weight > PG_INT16_MAX || weight < PG_INT16_MIN) {
        refuse(decimal, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "a number is too large for numeric, or too small");
    }
    bool const negative = parts.negative && !zero;
    bool const is_short = scale <= kShortMaxScale && weight >= kShortMinWeight && weight <= kShortMaxWeight;
    out.pad_to(4);
    std::size_t const start = out.size();
    out.append_uninitialised(is_short ? 6 : 8);
    std::size_t const groups = zero ? 0 : append_groups(out, parts, first, position);
    char* const at = out.data() + start;
    if (is_short) {
        put_short_header(at, groups, static_cast<int>(weight), static_cast<int>(scale), negative);
        return;
    }
    auto const word = static_cast<std::uint16_t>((negative ? kLongNegative : 0) | scale);
    auto const weight_word = static_cast<std::int16_t>(weight);
    SET_VARSIZE(at, out.size() - start);
    std::memcpy(at + 4, &word, sizeof(word));
    std::memcpy(at + 6, &weight_word, sizeof(weight_word));
}

void append_decimal(ByteBuffer& out, std::string_view decimal, int least_scale) {
    // Most numbers have few digits and no exponent.
    std::uint64_t magnitude = 0;
    int digits = 0;
    int point = -1;
    bool const negative = !decimal.empty() && decimal[0] == '-';
    bool simple = decimal.size() > (negative ? 1 : 0) && decimal.size() <= kMostFastDigits + 2;
    for (std::size_t i = negative ? 1 : 0; i < decimal.size() && simple; ++i) {
        unsigned const digit = static_cast<unsigned char>(decimal[i]) - unsigned{'0'};
        if (digit <= 9) {
            magnitude = magnitude * 10 + digit;
            ++digits;
        } else {
            simple = decimal[i] == '.' && point < 0;
            point = digits;
        }
    }
    if (simple && digits != 0 && digits <= kMostFastDigits) {
        int const fraction = point < 0 ? 0 : digits - point;
        append_scaled(out, magnitude, fraction, std::max(fraction, least_scale), negative);
        return;
    }
    append_any(out, take_apart(decimal), decimal, least_scale);
}

void append_signed(ByteBuffer& out, std::uint64_t magnitude, bool negative) {
    append_scaled(out, magnitude, 0, 0, negative);
}

}  // namespace

void append_numeric(ByteBuffer& out, std::int64_t value) {
    auto const bits = static_cast<std::uint64_t>(value);
    append_signed(out, value < 0 ? 0 - bits : bits, value < 0);
}

void append_numeric_unsigned(ByteBuffer& out, std::uint64_t value) { append_signed(out, value, false); }

void append_numeric(ByteBuffer& out, std::string_view decimal) { append_decimal(out, decimal, 0); }

void append_numeric(ByteBuffer& out, double value) {
    // Money and measurements have at most four digits after the point. A decimal of at most 15 digits that rounds
    // to `value` is its shortest one: no other of 15 digits does. The division below is that rounding.
    double const scaled = std::fabs(value) * 1e4;
    if (scaled < 1e15) {
        double const above_half = scaled + 0.5;
        auto magnitude = static_cast<std::uint64_t>(above_half);
        if (static_cast<double>(magnitude) / 1e4 == std::fabs(value)) {
            int fraction = 4;
            while (fraction > 1 && magnitude % 10 == 0) {
                magnitude /= 10;
                --fraction;
            }
            append_scaled(out, magnitude, fraction, fraction, value < 0);
            return;
        }
    }
    char text[DOUBLE_SHORTEST_DECIMAL_LEN];
    auto const length = static_cast<std::size_t>(double_to_shortest_decimal_bufn(value, text));
    append_decimal(out, {text, length}, 1);
}

void append_numeric(ByteBuffer& out, float value) {
    char text[FLOAT_SHORTEST_DECIMAL_LEN];
    auto const length = static_cast<std::size_t>(float_to_shortest_decimal_bufn(value, text));
    append_decimal(out, {text, length}, 1);
}

}  // namespace pgrepl::target
