#pragma once
// Numbers of a row image -> core::Value (MySQL source, Field_*::pack; strings/decimal.cc: bin2decimal).

#include "core/arena.hpp"
#include "core/value.hpp"
#include "source/mysql/wire/byte_reader.hpp"

namespace pgrepl::mysql {

/// An integer of 1, 2, 3, 4 or 8 bytes.
inline core::Value read_integer(ByteReader& reader, unsigned bytes, bool is_unsigned) {
    std::uint64_t const value = reader.little(bytes);
    if (is_unsigned) {
        return core::Value::from_uint64(value);
    }
    unsigned const shift = 64 - bytes * 8;
    return core::Value::from_int64(static_cast<std::int64_t>(value << shift) >> shift);
}

inline core::Value read_float(ByteReader& reader) {
    return core::Value::from_float(std::bit_cast<float>(reader.u32()));
}
inline core::Value read_double(ByteReader& reader) {
    return core::Value::from_double(std::bit_cast<double>(reader.u64()));
}

/// YEAR: 0, or 1901 to 2155.
inline core::Value read_year(ByteReader& reader) {
    std::uint8_t const value = reader.u8();
    return core::Value::from_int64(value == 0 ? 0 : 1900 + value);
}

/// BIT(bits), at most 64.
inline core::Value read_bit(ByteReader& reader, std::uint32_t bits) {
    return core::Value::from_uint64(reader.big((bits + 7) / 8));
}

/// DECIMAL(precision, scale) as its text, with all digits of the scale.
core::Value read_decimal(ByteReader& reader, std::uint32_t precision, std::uint32_t scale, core::Arena& arena);

}  // namespace pgrepl::mysql
