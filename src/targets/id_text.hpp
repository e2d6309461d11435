#pragma once
// The text of a row's key: docs/user/types.md, "The id column". Different keys give different texts.

#include <span>
#include <string>
#include <string_view>

#include "core/row_batch.hpp"

namespace pgrepl::target {

/// Ids longer than this are replaced by `sha256:` and their hash.
constexpr std::size_t kMostIdBytes = 1024;

/// What ids begin with that are a hash.
constexpr std::string_view kHashPrefix = "sha256:";

/// Appends the id of `row` to `out`, which is empty.
void build_id(const core::RowLayout& layout, std::span<const core::Value> row, std::string& out);

}  // namespace pgrepl::target
