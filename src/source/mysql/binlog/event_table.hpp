#pragma once
// What a table's row images look like, and what their values mean: a TABLE_MAP, completed by what only
// information_schema knows. Owns its bytes; it stays until the server sends another map for the table.

#include <limits>
#include <string>
#include <vector>

#include "source/mysql/binlog/table_map.hpp"
#include "source/mysql/values/charset.hpp"

namespace pgrepl::mysql {

/// What a column is where the binlog's type does not say it.
enum class LogicalType : std::uint8_t {
    kAsStored,
    kJson,   ///< MariaDB: JSON is LONGTEXT
    kUuid,   ///< MariaDB: 16 bytes, in the order of storage
    kInet4,  ///< MariaDB: 4 bytes
    kInet6,  ///< MariaDB: 16 bytes
};

enum class Signedness : std::uint8_t { kUnknown, kSigned, kUnsigned };

struct EventColumn {
    static constexpr std::uint32_t kNotRead = std::numeric_limits<std::uint32_t>::max();

    std::string name;  ///< UTF-8; empty if neither map nor caller told it
    ColumnType type = ColumnType::kNull;
    LogicalType logical = LogicalType::kAsStored;
    Signedness signedness = Signedness::kUnknown;
    const Charset* charset = nullptr;  ///< is_binary() for BINARY, VARBINARY and BLOB; null if not told
    std::uint32_t length = 0;          ///< as MappedColumn
    /// As MappedColumn. The caller sets a fraction's digits for MariaDB's old TIME, DATETIME and TIMESTAMP
    /// (mysql56_temporal_format = OFF), which the map does not tell.
    std::uint8_t decimals = 0;
    std::uint8_t length_bytes = 0;
    std::vector<Label> labels;  ///< of ENUM and SET, in definition order
    /// Index of the value in a batch's row; kNotRead for a column that is not copied (generated).
    std::uint32_t output = kNotRead;
};

struct EventTable {
    std::string database;
    std::string table;
    std::vector<EventColumn> columns;  ///< in the order of row images
    std::uint32_t row_width = 0;       ///< values in a row of a batch

    /// Leaves a column out of the rows; the outputs of those after it move up.
    void leave_out(std::size_t column);
};

/// Every column is read, in the map's order. What the map does not tell is left unknown; a value that needs it is
/// an error that names binlog_row_metadata. kUnsupported for a charset that is not known. `charsets` must outlive the
/// result.
EventTable event_table_of(const TableMap& map, const EventPlace& place, Charsets& charsets);

}  // namespace pgrepl::mysql
