#pragma once
// Dividing a table into ranges of rowids that can be read side by side.

#include <optional>
#include <string>
#include <vector>

#include "core/source.hpp"
#include "source/sqlite/table_shape.hpp"

namespace pgrepl::sqlite {

/// Disjoint ranges that cover the table. To be called within a state.
std::vector<core::ChunkRange> plan_ranges(const Connection& connection, const TableShape& shape, int wanted);

/// A rowid that leaves rows on both sides of it; nothing if there are fewer than two rows.
std::optional<std::string> split_range(const Connection& connection, const TableShape& shape,
                                       const core::ChunkRange& range);

}  // namespace pgrepl::sqlite
