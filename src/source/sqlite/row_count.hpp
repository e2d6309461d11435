#pragma once
// Cheap guesses at how many rows a table has: never a scan.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "source/sqlite/table_shape.hpp"

namespace pgrepl::sqlite {

/// The least and greatest rowid within [low, high]; nothing if there is none. Two index seeks.
std::optional<std::pair<std::int64_t, std::int64_t>> rowid_extent(const Connection& connection, const TableShape& shape,
                                                                  std::int64_t low, std::int64_t high);

/// Sets estimated_rows where a guess is possible.
void estimate_sizes(const Connection& connection, std::vector<TableShape>& shapes);

}  // namespace pgrepl::sqlite
