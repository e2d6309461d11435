#pragma once
// TABLE_MAP: which table, and with which columns, the row events that follow speak of (MySQL source code
// documentation, "Table_map_event"). How much of the optional part is there depends on binlog_row_metadata.

#include <optional>
#include <string>
#include <vector>

#include "source/mysql/binlog/event.hpp"

namespace pgrepl::mysql {

/// Types of columns, as in the binlog (MySQL source, field_types.h; MariaDB: mysql_com.h).
enum class ColumnType : std::uint8_t {
    kOldDecimal = 0,
    kTiny = 1,
    kShort = 2,
    kLong = 3,
    kFloat = 4,
    kDouble = 5,
    kNull = 6,
    kTimestamp = 7,
    kLongLong = 8,
    kInt24 = 9,
    kDate = 10,
    kTime = 11,
    kDatetime = 12,
    kYear = 13,
    kNewDate = 14,
    kVarchar = 15,
    kBit = 16,
    kTimestamp2 = 17,
    kDatetime2 = 18,
    kTime2 = 19,
    kBlobCompressed = 140,     ///< MariaDB
    kVarcharCompressed = 141,  ///< MariaDB
    kVector = 242,             ///< MySQL 9
    kJson = 245,
    kNewDecimal = 246,
    kEnum = 247,
    kSet = 248,
    kTinyBlob = 249,
    kMediumBlob = 250,
    kLongBlob = 251,
    kBlob = 252,
    kVarString = 253,
    kString = 254,
    kGeometry = 255,
};

/// A column as TABLE_MAP describes it. What the server left out is unset or empty.
struct MappedColumn {
    ColumnType type = ColumnType::kNull;  ///< the real type: an ENUM is kEnum, though it travels as kString
    bool nullable = false;
    /// As the type needs it: bytes of CHAR, VARCHAR, ENUM and SET, digits of a DECIMAL, bits of a BIT.
    std::uint32_t length = 0;
    std::uint8_t decimals = 0;      ///< scale of a DECIMAL, digits of a second's fraction
    std::uint8_t length_bytes = 0;  ///< of a value's length: BLOB, JSON, GEOMETRY, VECTOR

    std::optional<bool> is_unsigned;         ///< numeric types only
    std::optional<std::uint32_t> collation;  ///< of text, ENUM and SET; 63 is binary
    std::string_view name;                   ///< UTF-8; binlog_row_metadata = FULL
    std::vector<std::string_view> labels;    ///< of ENUM and SET in the column's charset; FULL
    std::optional<std::uint32_t> geometry_type;
    std::optional<std::uint32_t> vector_dimensions;
    bool visible = true;
};

struct MappedKeyPart {
    std::uint32_t column = 0;
    std::uint32_t prefix_characters = 0;  ///< 0: the whole column
    bool operator==(const MappedKeyPart&) const = default;
};

/// Views into the event.
struct TableMap {
    std::uint64_t table_id = 0;  ///< by which row events name the map; it changes with the table's definition
    std::string_view database;
    std::string_view table;
    std::vector<MappedColumn> columns;
    std::vector<MappedKeyPart> primary_key;  ///< binlog_row_metadata = FULL
    bool has_names = false;
    bool from_mariadb = false;
};

/// The servers do not agree on what has a charset: `from_mariadb` is FormatDescription::maria_db.
TableMap parse_table_map(const Event& event, bool from_mariadb);

/// The optional part: fills what it tells. For parse_table_map.
void parse_table_map_metadata(ByteReader& reader, TableMap& map);

}  // namespace pgrepl::mysql
