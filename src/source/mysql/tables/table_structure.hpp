#pragma once
// What a stream must know of a table beyond what the log says of it (core::TableInfo::structure), by the names of its
// columns: types that the log shows as others, columns that are left out, and the key.
//
// As text, a line each, names last so that they may hold anything but a line end, which is written \n (and \ is \\):
//   column <type> <digits of a second's fraction> <text|hex> <name>
//   key <name>
//   primary <name>            of what the server takes for the primary key, and its log names as such, where the key is
//                             another: of a table without one, that is the first of its unique keys without NULL
//   end <name>                of a table with system versioning (MariaDB): the column that says until when a row was
//                             the current one

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/row_batch.hpp"
#include "source/mysql/binlog/event_table.hpp"

namespace pgrepl::mysql {

struct StructureColumn {
    std::string name;
    LogicalType logical = LogicalType::kAsStored;
    bool left_out = false;  ///< generated
    std::uint8_t fraction = 0;
    core::IdStyle id_style = core::IdStyle::kStringsOnly;
};

struct TableStructure {
    std::vector<StructureColumn> columns;
    std::vector<std::string> key;
    std::vector<std::string> primary;  ///< empty: the key
    std::string end_column;            ///< empty: no system versioning

    [[nodiscard]] const StructureColumn* find(std::string_view name) const;
    [[nodiscard]] std::string to_text() const;
    /// Throws kInternal for text that is no structure.
    static TableStructure parse(const std::string& text);
};

/// How rows of a table come from the log.
struct StreamedLayout {
    core::RowLayout layout;
    /// Index of the structure's `end_column` in a row. If the snapshot does not select it, it is the last, not in data.
    std::optional<std::uint32_t> end_column;
    /// One that the structure has and the event has not; empty: none.
    std::string lacking_column;
    std::vector<std::string> unknown_columns;  ///< those that the event has and the structure has not
};

/// Completes `table`, an event's, by what the structure says of its columns, and leaves out those that it does not
/// know: what the copy does not show (hidden, or not granted to the account) must not come with the stream either. Of a
/// column that is new the structure is told when the statement that made it is met.
/// The structure may be of a later time than the event: then the columns that both have are given, as far as the event
/// holds what the structure says of them. kTableChanged if a column of the key is not among them.
StreamedLayout complete_table(EventTable& table, const TableStructure& structure, const EventPlace& place);

}  // namespace pgrepl::mysql
