#include "source/mysql/binlog/json_binary.hpp"

#include <charconv>
#include <cmath>

#include "source/mysql/binlog/json_print.hpp"
#include "source/mysql/binlog/number_values.hpp"
#include "source/mysql/binlog/table_map.hpp"
#include "source/mysql/binlog/time_text.hpp"
#include "source/mysql/values/row_values.hpp"

namespace pgrepl::mysql {
namespace {

/// Within JSON the server counts a decimal's digits in whole groups of nine: 65 of them may be said to be 72.
constexpr std::uint32_t kMostDecimalDigits = 81;

enum JsonType : std::uint8_t {
    kSmallObject = 0x00,
    kLargeObject = 0x01,
    kSmallArray = 0x02,
    kLargeArray = 0x03,
    kLiteral = 0x04,
    kInt16 = 0x05,
    kUint16 = 0x06,
    kInt32 = 0x07,
    kUint32 = 0x08,
    kInt64 = 0x09,
    kUint64 = 0x0a,
    kDouble = 0x0b,
    kString = 0x0c,
    kOpaque = 0x0f,
};

/// Whether a value stands in its container's entry itself, not at an offset.
bool is_inlined(std::uint8_t type, bool large) {
    return type == kLiteral || type == kInt16 || type == kUint16 || (large && (type == kInt32 || type == kUint32));
}

std::uint64_t read_offset(ByteReader& reader, bool large) { return large ? reader.u32() : reader.u16(); }

/// Seven bits a byte, least significant first; the highest bit says that more follow.
std::uint64_t read_data_length(ByteReader& reader) {
    std::uint64_t length = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        std::uint8_t const byte = reader.u8();
        length |= std::uint64_t{byte & 0x7fU} << shift;
        if ((byte & 0x80) == 0) {
            return length;
        }
    }
    reader.fail("the length of a JSON string is not valid");
}

}  // namespace

core::Value JsonBinaryReader::read(ByteSpan stored, const EventPlace& place, core::Arena& arena) {
    arena_ = &arena;
    place_ = &place;
    if (stored.empty()) {
        // MySQL keeps an empty value where a NOT NULL column got none; it reads as JSON's null.
        return core::Value::null();
    }
    budget_bytes_ = stored.size();
    if (unfinished_) {
        writer_ = {};  // what an error left behind
    }
    unfinished_ = true;
    has_zero_key_ = false;
    auto const* const copy = reinterpret_cast<const std::uint8_t*>(arena.copy(stored.data(), stored.size()));
    value(copy[0], ByteSpan(copy + 1, stored.size() - 1));
    unfinished_ = false;
    core::Value const result = writer_.finish(arena);
    if (has_zero_key_) {
        std::string const text = print_json(result);
        return core::Value::text(arena.copy(text.data(), text.size()), static_cast<std::uint32_t>(text.size()));
    }
    return copy[0] > kLargeArray ? *result.payload.tokens : result;
}

void JsonBinaryReader::spend(std::size_t bytes) {
    if (bytes > budget_bytes_) {
        fail("the parts of a JSON value overlap");
    }
    budget_bytes_ -= bytes;
}

/// One value that begins at the front of `bytes`.
void JsonBinaryReader::value(std::uint8_t type, ByteSpan bytes) {
    ByteReader reader(bytes, *place_);
    spend(1);
    switch (type) {
        case kSmallObject:
        case kLargeObject:
        case kSmallArray:
        case kLargeArray:
            return container(bytes, (type & 1) != 0, type <= kLargeObject);
        case kLiteral:
            return literal(reader.u8());
        case kInt16:
            return writer_.scalar(read_integer(reader, 2, false));
        case kUint16:
            return writer_.scalar(read_integer(reader, 2, true));
        case kInt32:
            return writer_.scalar(read_integer(reader, 4, false));
        case kUint32:
            return writer_.scalar(read_integer(reader, 4, true));
        case kInt64:
            return writer_.scalar(read_integer(reader, 8, false));
        case kUint64:
            return writer_.scalar(read_integer(reader, 8, true));
        case kDouble:
            return number(std::bit_cast<double>(reader.u64()));
        case kString:
            return text(bytes);
        case kOpaque:
            return opaque(bytes);
        default:
            fail("a JSON value has the unknown type " + std::to_string(type));
    }
}

void JsonBinaryReader::literal(std::uint8_t which) {
    if (which > 2) {
        fail("a JSON literal is not valid");
    }
    writer_.scalar(which == 0 ? core::Value::null() : core::Value::from_bool(which == 1));
}

void JsonBinaryReader::number(double value) {
    constexpr std::size_t kMostBytes = 40;
    if (!std::isfinite(value)) {
        fail("a JSON number is not finite");
    }
    char* const begin = arena_->allocate(kMostBytes);
    writer_.scalar(core::Value::decimal(begin, static_cast<std::uint32_t>(write_json_double(value, begin) - begin)));
}

/// Count and size; entries of keys and of values; the keys and values that do not fit into their entries. Offsets
/// count from the front.
void JsonBinaryReader::container(ByteSpan bytes, bool large, bool object) {
    ByteReader reader(bytes, *place_);
    auto const count = static_cast<std::uint32_t>(read_offset(reader, large));
    std::uint64_t const size = read_offset(reader, large);
    if (size > bytes.size()) {
        fail("a JSON container ends beyond its value");
    }
    Container const whole{bytes.first(size), count, large, object};
    if (object) {
        writer_.begin_object();
    } else {
        writer_.begin_array();
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        if (object) {
            member_key(whole, i);
        }
        element(whole, i);
    }
    writer_.end();
}

void JsonBinaryReader::member_key(const Container& container, std::uint32_t index) {
    std::size_t const offset_bytes = container.large ? 4 : 2;
    ByteReader entry(container.bytes, *place_);
    entry.skip(2 * offset_bytes + index * (offset_bytes + 2));
    std::uint64_t const offset = read_offset(entry, container.large);
    std::uint16_t const length = entry.u16();
    ByteReader key(container.bytes, *place_);
    key.skip(offset);
    std::string_view const name = key.text(length);
    spend(length);
    has_zero_key_ = has_zero_key_ || name.find('\0') != std::string_view::npos;
    writer_.key(name.data(), length);
}

void JsonBinaryReader::element(const Container& container, std::uint32_t index) {
    std::size_t const offset_bytes = container.large ? 4 : 2;
    std::uint64_t const keys = container.object ? std::uint64_t{container.count} * (offset_bytes + 2) : 0;
    ByteReader entry(container.bytes, *place_);
    entry.skip(2 * offset_bytes + keys + std::uint64_t{index} * (offset_bytes + 1));
    std::uint8_t const type = entry.u8();
    if (is_inlined(type, container.large)) {
        return value(type, entry.bytes(offset_bytes));
    }
    ByteReader target(container.bytes, *place_);
    std::uint64_t const offset = read_offset(entry, container.large);
    if (offset < 2 * offset_bytes) {
        fail("a JSON value lies within its container's head");
    }
    target.skip(offset);
    value(type, target.rest());
}

ByteSpan JsonBinaryReader::data_of(ByteReader& reader) {
    ByteSpan const data = reader.bytes(read_data_length(reader));
    spend(data.size());
    return data;
}

void JsonBinaryReader::text(ByteSpan bytes) {
    ByteReader reader(bytes, *place_);
    ByteSpan const data = data_of(reader);
    writer_.scalar(core::Value::text(as_text(data).data(), static_cast<std::uint32_t>(data.size())));
}

/// A value of any of MySQL's types: its type, length and bytes.
void JsonBinaryReader::opaque(ByteSpan bytes) {
    ByteReader reader(bytes, *place_);
    std::uint8_t const type = reader.u8();
    ByteSpan const data = data_of(reader);
    ByteReader value(data, *place_);
    switch (static_cast<ColumnType>(type)) {
        case ColumnType::kNewDecimal: {
            std::uint32_t const precision = value.u8();
            std::uint32_t const scale = value.u8();
            if (precision < 1 || precision > kMostDecimalDigits || scale > precision) {
                fail("a JSON decimal of " + std::to_string(precision) + " digits with scale " + std::to_string(scale));
            }
            return writer_.scalar(read_decimal(value, precision, scale, *arena_));
        }
        case ColumnType::kDate:
        case ColumnType::kTime:
        case ColumnType::kDatetime:
        case ColumnType::kTimestamp:
            return time_text(type, static_cast<std::int64_t>(value.u64()));
        default:
            return other_opaque(type, data);
    }
}

void JsonBinaryReader::time_text(std::uint8_t type, std::int64_t packed) {
    constexpr unsigned kFractionDigits = 6;
    char* const begin = arena_->allocate(kTimeTextBytes);
    char* end = begin;
    switch (static_cast<ColumnType>(type)) {
        case ColumnType::kDate:
            end = write_date(unpack_datetime(packed), begin);
            break;
        case ColumnType::kTime:
            end = write_time(unpack_time(packed), kFractionDigits, begin);
            break;
        default:
            end = write_datetime(unpack_datetime(packed), kFractionDigits, ' ', begin);
    }
    writer_.scalar(core::Value::text(begin, static_cast<std::uint32_t>(end - begin)));
}

/// "base64:type15:…", with a line end after every 76 digits, as the server's base64 has it.
void JsonBinaryReader::other_opaque(std::uint8_t type, ByteSpan data) {
    constexpr std::string_view kPrefix = "base64:type";
    constexpr std::size_t kBytesPerLine = 57;
    std::size_t const lines = data.size() / kBytesPerLine;
    char* const begin = arena_->allocate(kPrefix.size() + 4 + base64_size(data.size()) + lines);
    char* out = begin + kPrefix.copy(begin, kPrefix.size());
    out = std::to_chars(out, out + 3, type).ptr;
    *out++ = ':';
    for (; data.size() > kBytesPerLine; data = data.subspan(kBytesPerLine)) {
        out = put_base64(as_text(data.first(kBytesPerLine)), out);
        *out++ = '\n';
    }
    out = put_base64(as_text(data), out);
    writer_.scalar(core::Value::text(begin, static_cast<std::uint32_t>(out - begin)));
}

}  // namespace pgrepl::mysql
