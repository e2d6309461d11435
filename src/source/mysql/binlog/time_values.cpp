#include "source/mysql/binlog/time_values.hpp"

#include <array>

#include "source/mysql/binlog/time_text.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::array<std::uint32_t, 7> kPowersOfTen = {1, 10, 100, 1000, 10000, 100000, 1000000};

core::Value text_value(const char* text, const char* end) {
    return core::Value::text(text, static_cast<std::uint32_t>(end - text));
}

core::Value time_value(const TimeParts& parts, unsigned digits, core::Arena& arena) {
    char* const text = arena.allocate(kTimeTextBytes);
    return text_value(text, write_time(parts, digits, text));
}

core::Value datetime_value(const TimeParts& parts, unsigned digits, core::Arena& arena) {
    char* const text = arena.allocate(kTimeTextBytes);
    return text_value(text, write_datetime(parts, digits, 'T', text));
}

core::Value timestamp_value(std::uint32_t seconds, std::uint32_t microsecond, unsigned digits, core::Arena& arena) {
    TimeParts parts = utc_parts(seconds);
    if (seconds == 0 && microsecond != 0) {
        parts.year = 1970;
        parts.month = 1;
        parts.day = 1;
    }
    parts.microsecond = microsecond;
    char* const text = arena.allocate(kTimeTextBytes);
    char* end = write_datetime(parts, digits, 'T', text);
    *end++ = 'Z';
    return text_value(text, end);
}

/// Bytes of a fraction in the formats of MySQL 5.6: two digits a byte.
constexpr unsigned fraction_bytes(unsigned digits) { return (digits + 1) / 2; }

std::uint32_t fraction_to_microseconds(std::uint64_t fraction, unsigned digits) {
    return static_cast<std::uint32_t>(fraction) * kPowersOfTen.at(6 - 2 * fraction_bytes(digits));
}

/// Takes a base's digits off the low end.
std::uint32_t take(std::uint64_t& value, std::uint32_t base) {
    auto const digit = static_cast<std::uint32_t>(value % base);
    value /= base;
    return digit;
}

/// Takes hours, minutes, seconds and a fraction of `digits` off the low end; all hours if `is_time`.
TimeParts take_clock(std::uint64_t& value, unsigned digits, bool is_time) {
    TimeParts parts;
    parts.microsecond = take(value, kPowersOfTen.at(digits)) * kPowersOfTen.at(6 - digits);
    parts.second = take(value, 60);
    parts.minute = take(value, 60);
    parts.hour = take(value, is_time ? 1024 : 24);
    return parts;
}

/// Bytes of MariaDB's older formats with a fraction, by its digits.
constexpr std::array<std::uint8_t, 7> kOldTimeBytes = {3, 4, 4, 5, 5, 5, 6};
constexpr std::array<std::uint8_t, 7> kOldDatetimeBytes = {5, 6, 6, 7, 7, 7, 8};
constexpr std::array<std::uint8_t, 7> kOldFractionBytes = {0, 1, 1, 2, 2, 3, 3};

}  // namespace

/// Three bytes: 15 bits of year, 4 of month, 5 of day.
core::Value read_date(ByteReader& reader, core::Arena& arena) {
    std::uint32_t const value = reader.u24();
    TimeParts parts;
    parts.day = value & 31;
    parts.month = value >> 5 & 15;
    parts.year = value >> 9;
    char* const text = arena.allocate(kTimeTextBytes);
    return text_value(text, write_date(parts, text));
}

/// Integral part (sign, 10 bits of hours, 6, 6) and fraction are one big-endian number above a bias; a negative
/// time is the negated number, fraction included.
core::Value read_time2(ByteReader& reader, unsigned digits, core::Arena& arena) {
    unsigned const fraction_bits = fraction_bytes(digits) * 8;
    std::int64_t const value =
        static_cast<std::int64_t>(reader.big(3 + fraction_bytes(digits))) - (std::int64_t{0x800000} << fraction_bits);
    auto const size = static_cast<std::uint64_t>(value < 0 ? -value : value);
    std::uint64_t const fraction = size & ((std::uint64_t{1} << fraction_bits) - 1);
    TimeParts parts = unpack_time(static_cast<std::int64_t>(size >> fraction_bits << 24));
    parts.negative = value < 0;
    parts.microsecond = fraction_to_microseconds(fraction, digits);
    return time_value(parts, digits, arena);
}

/// 40 bits above a bias: 17 of year * 13 + month, 5 of day, 5 of hour, 6, 6; then the fraction.
core::Value read_datetime2(ByteReader& reader, unsigned digits, core::Arena& arena) {
    std::int64_t const value = static_cast<std::int64_t>(reader.big(5)) - 0x8000000000;
    TimeParts parts = unpack_datetime(value * (1 << 24));
    parts.microsecond = fraction_to_microseconds(reader.big(fraction_bytes(digits)), digits);
    return datetime_value(parts, digits, arena);
}

core::Value read_timestamp2(ByteReader& reader, unsigned digits, core::Arena& arena) {
    auto const seconds = static_cast<std::uint32_t>(reader.big(4));
    std::uint32_t const microsecond = fraction_to_microseconds(reader.big(fraction_bytes(digits)), digits);
    return timestamp_value(seconds, microsecond, digits, arena);
}

/// Without a fraction: the decimal number hhmmss in three bytes. With one: a big-endian count of its units above a
/// bias.
core::Value read_old_time(ByteReader& reader, unsigned digits, core::Arena& arena) {
    constexpr std::int64_t kLimitSeconds = 839 * 60 * 60;
    TimeParts parts;
    if (digits == 0) {
        std::int64_t const value = static_cast<std::int32_t>(reader.u24() << 8) >> 8;
        auto size = static_cast<std::uint64_t>(value < 0 ? -value : value);
        parts.second = take(size, 100);
        parts.minute = take(size, 100);
        parts.hour = static_cast<std::uint32_t>(size);
        parts.negative = value < 0;
        return time_value(parts, 0, arena);
    }
    std::int64_t const units = kPowersOfTen.at(digits);
    std::int64_t const bias = kLimitSeconds * units;
    std::int64_t const value = static_cast<std::int64_t>(reader.big(kOldTimeBytes.at(digits))) - bias;
    auto size = static_cast<std::uint64_t>(value < 0 ? -value : value);
    parts = take_clock(size, digits, true);
    parts.negative = value < 0;
    return time_value(parts, digits, arena);
}

/// Without a fraction: the decimal number YYYYMMDDhhmmss in eight bytes. With one: a big-endian number with the
/// bases 13, 32, 24, 60, 60 and that of the fraction.
core::Value read_old_datetime(ByteReader& reader, unsigned digits, core::Arena& arena) {
    TimeParts parts;
    if (digits == 0) {
        std::uint64_t value = reader.u64();
        parts.second = take(value, 100);
        parts.minute = take(value, 100);
        parts.hour = take(value, 100);
        parts.day = take(value, 100);
        parts.month = take(value, 100);
        parts.year = static_cast<std::uint32_t>(value % 10000);
        return datetime_value(parts, 0, arena);
    }
    std::uint64_t value = reader.big(kOldDatetimeBytes.at(digits));
    parts = take_clock(value, digits, false);
    parts.day = take(value, 32);
    parts.month = take(value, 13);
    parts.year = static_cast<std::uint32_t>(value % 10000);
    return datetime_value(parts, digits, arena);
}

core::Value read_old_timestamp(ByteReader& reader, unsigned digits, core::Arena& arena) {
    if (digits == 0) {
        return timestamp_value(reader.u32(), 0, 0, arena);
    }
    auto const seconds = static_cast<std::uint32_t>(reader.big(4));
    auto const fraction = static_cast<std::uint32_t>(reader.big(kOldFractionBytes.at(digits)));
    return timestamp_value(seconds, fraction % kPowersOfTen.at(digits) * kPowersOfTen.at(6 - digits), digits, arena);
}

}  // namespace pgrepl::mysql
