#include "source/mysql/binlog/table_map.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::uint64_t kMaxColumns = 4096;  ///< of a table, on both servers

/// The real type and length of a column that travels as STRING: the length's two upper bits are hidden, inverted,
/// in the type's byte (MySQL source, Field_string::do_save_field_metadata).
void read_string_metadata(ByteReader& metadata, MappedColumn& column) {
    std::uint8_t const first = metadata.u8();
    std::uint8_t const second = metadata.u8();
    column.type = static_cast<ColumnType>(first | 0x30);
    column.length = second | static_cast<std::uint32_t>((first & 0x30) ^ 0x30) << 4;
    bool const known = column.type == ColumnType::kString || column.type == ColumnType::kEnum ||
                       column.type == ColumnType::kSet || column.type == ColumnType::kVarString;
    if (!known) {
        metadata.fail("a column of type STRING has the real type " + std::to_string(first));
    }
    if (column.type == ColumnType::kVarString) {
        column.type = ColumnType::kString;
    }
}

/// BIT: how many bits beyond whole bytes, how many whole bytes.
void read_bit_metadata(ByteReader& metadata, MappedColumn& column) {
    std::uint32_t const bits = metadata.u8();
    std::uint32_t const whole_bytes = metadata.u8();
    column.length = whole_bytes * 8 + bits;
    if (bits > 7 || column.length < 1 || column.length > 64) {
        metadata.fail("the length of a BIT column is not valid");
    }
}

void read_decimal_metadata(ByteReader& metadata, MappedColumn& column) {
    constexpr std::uint32_t kMaxDigits = 65;
    column.length = metadata.u8();
    column.decimals = metadata.u8();
    if (column.length < 1 || column.length > kMaxDigits || column.decimals > column.length) {
        metadata.fail("the precision of a DECIMAL column is not valid");
    }
}

void read_length_bytes(ByteReader& metadata, MappedColumn& column) {
    column.length_bytes = metadata.u8();
    if (column.length_bytes < 1 || column.length_bytes > 4) {
        metadata.fail("the size of a BLOB column's length is not valid");
    }
}

void read_fraction_digits(ByteReader& metadata, MappedColumn& column) {
    constexpr std::uint8_t kMaxDigits = 6;
    column.decimals = metadata.u8();
    if (column.decimals > kMaxDigits) {
        metadata.fail("the number of a second's digits is not valid");
    }
}

void read_column_metadata(ByteReader& metadata, MappedColumn& column) {
    switch (column.type) {
        case ColumnType::kTiny:
        case ColumnType::kShort:
        case ColumnType::kInt24:
        case ColumnType::kLong:
        case ColumnType::kLongLong:
        case ColumnType::kNull:
        case ColumnType::kYear:
        case ColumnType::kDate:
        case ColumnType::kNewDate:
        case ColumnType::kTime:
        case ColumnType::kDatetime:
        case ColumnType::kTimestamp:
            return;
        case ColumnType::kFloat:
        case ColumnType::kDouble:
            metadata.skip(1);  // the number's size, which the type tells
            return;
        case ColumnType::kTime2:
        case ColumnType::kDatetime2:
        case ColumnType::kTimestamp2:
            return read_fraction_digits(metadata, column);
        case ColumnType::kBlob:
        case ColumnType::kTinyBlob:
        case ColumnType::kMediumBlob:
        case ColumnType::kLongBlob:
        case ColumnType::kBlobCompressed:
        case ColumnType::kJson:
        case ColumnType::kGeometry:
        case ColumnType::kVector:
            return read_length_bytes(metadata, column);
        case ColumnType::kVarchar:
        case ColumnType::kVarcharCompressed:
        case ColumnType::kVarString:
            column.length = metadata.u16();
            return;
        case ColumnType::kString:
        case ColumnType::kEnum:
        case ColumnType::kSet:
            return read_string_metadata(metadata, column);
        case ColumnType::kBit:
            return read_bit_metadata(metadata, column);
        case ColumnType::kNewDecimal:
            return read_decimal_metadata(metadata, column);
        case ColumnType::kOldDecimal:
            break;
    }
    throw_unsupported(metadata.place(),
                      "column type " + std::to_string(static_cast<unsigned>(column.type)) + " is not known");
}

}  // namespace

TableMap parse_table_map(const Event& event, bool from_mariadb) {
    ByteReader reader = event.reader();
    TableMap map;
    map.table_id = reader.u48();
    reader.skip(2);  // flags
    map.database = reader.lenenc_text();
    reader.skip(1);  // NUL
    map.table = reader.lenenc_text();
    reader.skip(1);
    std::uint64_t const column_count = reader.lenenc();
    if (column_count > kMaxColumns) {
        reader.fail("it has " + std::to_string(column_count) + " columns");
    }
    ByteSpan const types = reader.bytes(column_count);
    ByteReader metadata(reader.bytes(reader.lenenc()), event.place);
    map.columns.resize(column_count);
    for (std::size_t i = 0; i < column_count; ++i) {
        map.columns[i].type = static_cast<ColumnType>(types[i]);
        read_column_metadata(metadata, map.columns[i]);
    }
    ByteSpan const nullable = reader.bytes((column_count + 7) / 8);
    for (std::size_t i = 0; i < column_count; ++i) {
        map.columns[i].nullable = bit_is_set(nullable, i);
    }
    map.from_mariadb = from_mariadb;
    parse_table_map_metadata(reader, map);
    return map;
}

}  // namespace pgrepl::mysql
