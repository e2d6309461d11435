#pragma once
// Numbers in numeric's packed form, the bytes that numeric_in gives for the same number. Each is appended with the
// padding that jsonb puts before it: 4-byte aligned relative to the buffer's start.

#include <cstdint>
#include <string_view>

#include "targets/byte_buffer.hpp"

namespace pgrepl::target {

void append_numeric(ByteBuffer& out, std::int64_t value);
void append_numeric_unsigned(ByteBuffer& out, std::uint64_t value);

/// Decimal text: sign, digits, fraction, exponent. Throws RowError for other text and for what numeric cannot hold.
void append_numeric(ByteBuffer& out, std::string_view decimal);

/// The shortest digits that round-trip, always with a fraction: 5 becomes 5.0. `value` is finite and not -0.0.
void append_numeric(ByteBuffer& out, double value);
void append_numeric(ByteBuffer& out, float value);

}  // namespace pgrepl::target
