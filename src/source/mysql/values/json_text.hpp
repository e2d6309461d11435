#pragma once
// JSON text, as MySQL prints it and MariaDB stores it, as a value: strictly RFC 8259, and what jsonb could read.

#include <string>
#include <string_view>

#include "core/arena.hpp"
#include "core/document.hpp"
#include "core/value.hpp"
#include "source/mysql/values/charset.hpp"

namespace pgrepl::mysql {

/// The value that `utf8` is the text of: a scalar, or a kDocument in the arena. Numbers keep their digits. False if it
/// is not JSON, nested deeper than core::kMaxDocumentDepth, or holds what jsonb has no place for (a lone surrogate, a
/// key with U+0000): then the text itself is the value. `writer` is scratch.
bool parse_json(std::string_view utf8, core::Arena& arena, core::DocumentWriter& writer, core::Value& value);

/// What is kept while JSON is read, and again for the next value.
struct JsonScratch {
    core::DocumentWriter writer;
    std::string utf8;
};

/// The value of a JSON column from its bytes in `charset`: what parse_json() gives, or else the text.
core::Value json_value(std::string_view raw, const Charset& charset, core::Arena& arena, JsonScratch& scratch);

}  // namespace pgrepl::mysql
