#pragma once
// What a column's declared type means for what is read of it.

#include <optional>
#include <string>
#include <vector>

#include "source/mysql/server/information_schema.hpp"
#include "source/mysql/tables/table_shape.hpp"
#include "source/mysql/tables/table_structure.hpp"

namespace pgrepl::mysql {

/// The labels of enum('a','b''c') or set(…).
std::vector<std::string> parse_labels(const std::string& column_type);

/// What the column holds, or nothing for a type that we do not know.
std::optional<ColumnKind> kind_of(const ColumnRow& column, bool is_json);

/// What the log shows as another type: MariaDB's own are strings there.
LogicalType logical_type(const ColumnRow& column, bool is_json);

/// How its values are written down as bounds of chunks.
BoundForm bound_form(const ColumnRow& column, ColumnKind kind);

inline bool is_integer(ColumnKind kind) { return kind <= ColumnKind::kInt64; }

}  // namespace pgrepl::mysql
