#pragma once
// What a stream must know of a table beyond what the log says of it (core::TableInfo::structure), by the names of its
// columns: types that the log shows as others, columns that are left out, and the key.
//
// As text, a line each, names last so that they may hold anything but a line end, which is written \n (and \ is \\):
//   column <type> <digits of a second's fraction> <text|hex> <name>
//   key <name>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/row_batch.hpp"
#include "source/mysql/binlog/event_table.hpp"

namespace pgrepl::mysql {

struct StructureColumn {
    std::string name;
    LogicalType logical = LogicalType::kAsStored;
    bool left_out = false;  ///< virtual generated
    std::uint8_t fraction = 0;
    core::IdStyle id_style = core::IdStyle::kStringsOnly;
};

struct TableStructure {
    std::vector<StructureColumn> columns;
    std::vector<std::string> key;

    [[nodiscard]] const StructureColumn* find(std::string_view name) const;
    [[nodiscard]] std::string to_text() const;
    /// Throws kInternal for text that is no structure.
    static TableStructure parse(const std::string& text);
};

/// Completes `table` by what the structure says of its columns, and leaves columns out. Returns the layout of its rows:
/// that of the snapshot if the structure is the table's own; else what the map and the names in common tell.
core::RowLayout complete_table(EventTable& table, const TableMap& map, const TableStructure& structure);

}  // namespace pgrepl::mysql
