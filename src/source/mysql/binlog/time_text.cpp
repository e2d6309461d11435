#include "source/mysql/binlog/time_text.hpp"

#include <array>

namespace pgrepl::mysql {
namespace {

constexpr std::array<std::uint32_t, 7> kPowersOfTen = {1, 10, 100, 1000, 10000, 100000, 1000000};

char* write_two(std::uint32_t value, char* out) {
    *out++ = static_cast<char>('0' + value / 10 % 10);
    *out++ = static_cast<char>('0' + value % 10);
    return out;
}

char* write_digits(std::uint32_t value, unsigned digits, char* out) {
    for (unsigned i = digits; i > 0; --i) {
        out[i - 1] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
    return out + digits;
}

TimeParts clock_parts(std::uint64_t hms, std::uint32_t microsecond) {
    TimeParts parts;
    parts.hour = static_cast<std::uint32_t>(hms >> 12);
    parts.minute = static_cast<std::uint32_t>(hms >> 6 & 0x3f);
    parts.second = static_cast<std::uint32_t>(hms & 0x3f);
    parts.microsecond = microsecond;
    return parts;
}

}  // namespace

char* write_date(const TimeParts& parts, char* out) {
    out = write_digits(parts.year, 4, out);
    *out++ = '-';
    out = write_two(parts.month, out);
    *out++ = '-';
    return write_two(parts.day, out);
}

char* write_clock(const TimeParts& parts, unsigned digits, char* out) {
    out = parts.hour >= 100 ? write_digits(parts.hour, parts.hour >= 1000 ? 4 : 3, out) : write_two(parts.hour, out);
    *out++ = ':';
    out = write_two(parts.minute, out);
    *out++ = ':';
    out = write_two(parts.second, out);
    if (digits != 0) {
        *out++ = '.';
        out = write_digits(parts.microsecond / kPowersOfTen.at(6 - digits), digits, out);
    }
    return out;
}

char* write_time(const TimeParts& parts, unsigned digits, char* out) {
    if (parts.negative) {
        *out++ = '-';
    }
    return write_clock(parts, digits, out);
}

char* write_datetime(const TimeParts& parts, unsigned digits, char separator, char* out) {
    out = write_date(parts, out);
    *out++ = separator;
    return write_clock(parts, digits, out);
}

/// Days to a civil date by 400-year eras that begin on 1 March.
TimeParts utc_parts(std::uint32_t seconds_since_1970) {
    constexpr std::uint32_t kDaysFromEra = 719468;  // from 0000-03-01 to 1970-01-01
    constexpr std::uint32_t kDaysPerEra = 146097;
    if (seconds_since_1970 == 0) {
        return {};
    }
    std::uint32_t const day_seconds = seconds_since_1970 % 86400;
    std::uint32_t const days = seconds_since_1970 / 86400 + kDaysFromEra;
    std::uint32_t const day_of_era = days % kDaysPerEra;
    std::uint32_t const year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    std::uint32_t const day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    std::uint32_t const month_from_march = (5 * day_of_year + 2) / 153;
    TimeParts parts;
    parts.day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    parts.month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    parts.year = year_of_era + days / kDaysPerEra * 400 + (parts.month <= 2 ? 1 : 0);
    parts.hour = day_seconds / 3600;
    parts.minute = day_seconds / 60 % 60;
    parts.second = day_seconds % 60;
    return parts;
}

TimeParts unpack_datetime(std::int64_t packed) {
    std::uint64_t const value =
        packed < 0 ? 0 - static_cast<std::uint64_t>(packed) : static_cast<std::uint64_t>(packed);
    std::uint64_t const seconds = value >> 24;
    TimeParts parts = clock_parts(seconds & 0x1ffff, static_cast<std::uint32_t>(value & 0xffffff));
    std::uint64_t const ymd = seconds >> 17;
    parts.day = static_cast<std::uint32_t>(ymd & 0x1f);
    parts.month = static_cast<std::uint32_t>((ymd >> 5) % 13);
    parts.year = static_cast<std::uint32_t>((ymd >> 5) / 13);
    return parts;
}

TimeParts unpack_time(std::int64_t packed) {
    std::uint64_t const value =
        packed < 0 ? 0 - static_cast<std::uint64_t>(packed) : static_cast<std::uint64_t>(packed);
    TimeParts parts = clock_parts(value >> 24 & 0x3fffff, static_cast<std::uint32_t>(value & 0xffffff));
    parts.negative = packed < 0;
    return parts;
}

}  // namespace pgrepl::mysql
