#pragma once
// A value as compact JSON, the very JSON that jsonb would print for it: for ids.

#include <string>
#include <string_view>

#include "core/value.hpp"

namespace pgrepl::target {

void append_json(const core::Value& value, std::string& out);

/// As jsonb prints a string.
void append_quoted(std::string_view text, std::string& out);

/// Lower-case hex digits of the bytes.
void append_hex(std::string_view bytes, std::string& out);

}  // namespace pgrepl::target
