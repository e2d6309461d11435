#pragma once
// Dates and times as text, by their parts. Parts are written as they are: zero and partial dates stay.

#include <cstdint>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

/// What a date or time of any type consists of.
struct TimeParts {
    bool negative = false;
    std::uint32_t year = 0;
    std::uint32_t month = 0;
    std::uint32_t day = 0;
    std::uint32_t hour = 0;  ///< of TIME: may pass 24
    std::uint32_t minute = 0;
    std::uint32_t second = 0;
    std::uint32_t microsecond = 0;
};

/// Room for any text of these functions, in bytes.
constexpr std::size_t kTimeTextBytes = 48;

/// Each writes at `out` and returns the end. `digits` is the number of digits of the fraction, 0 to 6.
char* write_date(const TimeParts& parts, char* out);
char* write_clock(const TimeParts& parts, unsigned digits, char* out);                     ///< 10:20:30.5, no sign
char* write_time(const TimeParts& parts, unsigned digits, char* out);                      ///< -838:59:59.000000
char* write_datetime(const TimeParts& parts, unsigned digits, char separator, char* out);  ///< ' ' or 'T'

/// The parts of a moment in UTC. 0 is what both servers take for the zero date.
TimeParts utc_parts(std::uint32_t seconds_since_1970);

/// The value as MySQL packs it in memory and in JSON (MySQL source, TIME_from_longlong_datetime_packed).
TimeParts unpack_datetime(std::int64_t packed);
TimeParts unpack_time(std::int64_t packed);

}  // namespace pgrepl::mysql
