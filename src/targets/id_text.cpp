// Keys as text. A single key value is written bare where that cannot be mistaken for another value, else as compact
// JSON; several are a compact JSON array.

#include "targets/id_text.hpp"

#include "targets/key_json.hpp"
#include "targets/sha256.hpp"
#include "targets/storable_text.hpp"

namespace pgrepl::target {

namespace {

using core::IdStyle;
using core::Value;
using core::ValueKind;

bool is_json_number(std::string_view text) noexcept {
    std::size_t i = 0;
    auto const digits = [&] {
        std::size_t const from = i;
        while (i < text.size() && text[i] >= '0' && text[i] <= '9') {
            ++i;
        }
        return i - from;
    };
    if (i < text.size() && text[i] == '-') {
        ++i;
    }
    std::size_t const integer = i;
    std::size_t const count = digits();
    if (count == 0 || (count > 1 && text[integer] == '0')) {
        return false;
    }
    if (i < text.size() && text[i] == '.') {
        ++i;
        if (digits() == 0) {
            return false;
        }
    }
    if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
        ++i;
        if (i < text.size() && (text[i] == '+' || text[i] == '-')) {
            ++i;
        }
        if (digits() == 0) {
            return false;
        }
    }
    return i == text.size();
}

bool is_object_id(std::string_view text) noexcept {
    return text.size() == 24 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

bool needs_quotes(std::string_view text, IdStyle style) noexcept {
    if (!text.empty() && (text[0] == '{' || text[0] == '[' || text[0] == '"')) {
        return true;
    }
    if (text.starts_with(kHashPrefix) || (style == IdStyle::kHexBytes && text.starts_with("\\x"))) {
        return true;
    }
    return style == IdStyle::kAnyType &&
           (text == "true" || text == "false" || text == "null" || is_json_number(text) || is_object_id(text));
}

/// The only key value.
void append_single(const Value& value, IdStyle style, std::string& out) {
    if (value.kind == ValueKind::kText && is_storable_text(value.view())) {
        if (needs_quotes(value.view(), style)) {
            append_quoted(value.view(), out);
        } else {
            out += value.view();
        }
    } else if (value.kind == ValueKind::kBytes && value.subtype == 0 && style == IdStyle::kHexBytes) {
        out += "\\x";
        append_hex(value.view(), out);
    } else {
        append_json(value, out);
    }
}

}  // namespace

void build_id(const core::RowLayout& layout, std::span<const Value> row, std::string& out) {
    bool any_null = false;
    for (std::uint32_t const column : layout.key_columns) {
        any_null = any_null || row[column].kind == ValueKind::kNull;
    }
    if (any_null && layout.null_key_column != core::RowLayout::kNoColumn) {
        out += "{\"rowid\":";
        append_json(row[layout.null_key_column], out);
        out += '}';
    } else if (layout.key_columns.size() == 1) {
        std::uint32_t const column = layout.key_columns[0];
        append_single(row[column], layout.columns[column].id_style, out);
    } else {
        char separator = '[';
        for (std::uint32_t const column : layout.key_columns) {
            out += separator;
            append_json(row[column], out);
            separator = ',';
        }
        out += ']';
    }
    if (out.size() > kMostIdBytes) {
        out = std::string(kHashPrefix) + sha256_hex(out);
    }
}

}  // namespace pgrepl::target
