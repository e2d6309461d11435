#pragma once
// What docs/user/types.md says, read a second time: values as JSON text, and keys as id text. Shares no code with
// src/targets, so that the encoder can be compared with jsonb_in of this text.

#include <cstdint>
#include <span>
#include <string>

#include "core/row_batch.hpp"

namespace pgrepl::test {

/// A value, or a row's `data`, as JSON text. `tagged_values` is raised by what the encoder is to count.
std::string json_of(const core::Value& value, std::uint64_t& tagged_values);
std::string json_of_row(const core::RowLayout& layout, std::span<const core::Value> row, std::uint64_t& tagged_values);

/// A key value as compact JSON, numbers in plain notation: equal texts are equal keys.
std::string key_json(const core::Value& value);

/// The id of a row whose key columns hold no documents.
std::string id_of_row(const core::RowLayout& layout, std::span<const core::Value> row);

}  // namespace pgrepl::test
