#pragma once
// The SQL that reads a table's rows, or its keys, in key order between two bounds.

#include <cstdint>
#include <string>
#include <vector>

#include "source/mysql/tables/table_shape.hpp"

namespace pgrepl::mysql {

/// Bounds are parsed ones (key_bound.hpp); empty: open.
struct KeyRange {
    std::vector<std::string> lower;
    std::vector<std::string> upper;
};

/// The rows of a range in key order. `limit` 0: all.
std::string select_rows(const TableShape& shape, const KeyRange& range, std::uint64_t limit);

/// The key of the row that has `offset` rows of the range before it: one column for each part.
std::string select_key_at(const TableShape& shape, const KeyRange& range, std::uint64_t offset);

/// The first part of the range's first or last key.
enum class Edge : std::uint8_t { kFirst, kLast };
std::string select_edge(const TableShape& shape, const KeyRange& range, Edge edge);

}  // namespace pgrepl::mysql
