#pragma once
// Numbers as decimal text, and decimal text as PostgreSQL's numeric in its packed form.

#include <cstdint>
#include <string_view>

#include "target/byte_buffer.hpp"

namespace pgrepl::target {

/// Longest text of a finite double in plain notation: sign, 1 + 323 zeros, 17 digits, point, and some.
constexpr std::size_t kMostDoubleText = 400;

/// The shortest digits that round-trip, in plain notation and always with a fraction: 5.0, 0.1, 1e20 as
/// 100000000000000000000.0. `value` is finite and not -0.0. Returns the length.
std::size_t print_double(double value, char* out);
std::size_t print_float(float value, char* out);

/// Appends `value` as numeric, 4-byte aligned relative to the buffer's start.
void append_numeric(ByteBuffer& out, std::int64_t value);
void append_numeric_unsigned(ByteBuffer& out, std::uint64_t value);

/// Appends decimal text (JSON's number grammar) as numeric: the bytes that numeric_in would give. Throws SqlError for
/// what numeric cannot hold.
void append_numeric(ByteBuffer& out, std::string_view decimal);

}  // namespace pgrepl::target
