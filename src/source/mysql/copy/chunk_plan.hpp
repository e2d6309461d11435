#pragma once
// Dividing a table into ranges of its key that can be read side by side.

#include <optional>
#include <string>
#include <vector>

#include "core/source.hpp"
#include "source/mysql/server/connection.hpp"
#include "source/mysql/tables/table_shape.hpp"

namespace pgrepl::mysql {

/// Disjoint ranges that cover the table, at most about `wanted`.
std::vector<core::ChunkRange> plan_ranges(Connection& connection, const TableShape& shape, int wanted);

/// A key that leaves rows on both sides of it; nothing where too few are left to share.
std::optional<std::string> split_range(Connection& connection, const TableShape& shape, const core::ChunkRange& range);

}  // namespace pgrepl::mysql
