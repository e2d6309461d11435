// Keys as text. A single key value is written bare where that cannot be mistaken for another value, else as compact
// JSON; several are a compact JSON array.

#include "target/id_text.hpp"

#include <charconv>
#include <cmath>

#include "pg/error.hpp"
#include "pg/memory.hpp"
#include "target/jsonb_writer.hpp"
#include "target/number_text.hpp"
#include "target/sha256.hpp"

namespace pgrepl::target {

namespace {

using core::IdStyle;
using core::Value;
using core::ValueKind;

constexpr char kHex[] = "0123456789abcdef";

template <typename Number>
void append_integer(Number value, std::string& out) {
    char text[24];
    auto const result = std::to_chars(text, text + sizeof(text), value);
    out.append(text, result.ptr);
}

/// As jsonb_out escapes it (escape_json).
void append_quoted(std::string_view text, std::string& out) {
    out += '"';
    for (char const c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\b':
                out += "\\b";
                break;
            case '\f':
                out += "\\f";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    out += "\\u00";
                    out += kHex[static_cast<unsigned char>(c) >> 4];
                    out += kHex[c & 15];
                } else {
                    out += c;
                }
        }
    }
    out += '"';
}

/// jsonb's text without the blanks that it puts behind colons and commas.
void append_compact(std::string_view json, std::string& out) {
    bool in_string = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        if (in_string && json[i] == '\\') {
            out += json[i++];
        } else if (json[i] == '"') {
            in_string = !in_string;
        } else if (json[i] == ' ' && !in_string) {
            continue;
        }
        out += json[i];
    }
}

/// Any value as compact JSON, exactly as it stands in `data`.
void append_through_jsonb(const Value& value, std::string& out) {
    ByteBuffer bytes;
    bytes.append_uninitialised(VARHDRSZ);
    // A one-element array around it: jsonb has no scalar at top level but in an array.
    std::uint32_t const header = JB_FARRAY | 1;
    bytes.append(&header, 4);
    std::uint32_t const no_entry = 0;
    bytes.append(&no_entry, 4);
    std::size_t const start = bytes.size();
    std::uint32_t const type = JsonbWriter(bytes).append(value);
    bytes.put_uint32(VARHDRSZ + 4, make_jentry(type, 0, bytes.size() - start, bytes.size() - start));
    pg::MemoryScope memory("pg_replicator id");
    pg::MemorySwitch const in_memory(memory.context());
    auto* const container = reinterpret_cast<JsonbContainer*>(bytes.data() + VARHDRSZ);
    auto const length = static_cast<int>(bytes.size());
    const char* const text = pg::CallPg([&] { return JsonbToCString(nullptr, container, length); });
    std::string_view const array(text);
    append_compact(array.substr(1, array.size() - 2), out);
}

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
    if (text.starts_with("sha256:") || (style == IdStyle::kHexBytes && text.starts_with("\\x"))) {
        return true;
    }
    return style == IdStyle::kAnyType && (text == "true" || text == "false" || text == "null" ||
                                          is_json_number(text) || is_object_id(text));
}

/// One key value of several, as JSON.
void append_json(const Value& value, std::string& out) {
    if (value.kind == ValueKind::kInt64) {
        append_integer(value.payload.int64, out);
    } else if (value.kind == ValueKind::kText && is_storable_text(value.view())) {
        append_quoted(value.view(), out);
    } else {
        append_through_jsonb(value, out);
    }
}

/// The only key value.
void append_single(const Value& value, IdStyle style, std::string& out) {
    if (value.kind == ValueKind::kText && is_storable_text(value.view())) {
        if (needs_quotes(value.view(), style)) {
            append_quoted(value.view(), out);
        } else {
            out += value.view();
        }
    } else if (value.kind == ValueKind::kBytes && style == IdStyle::kHexBytes) {
        out += "\\x";
        for (char const c : value.view()) {
            out += kHex[static_cast<unsigned char>(c) >> 4];
            out += kHex[c & 15];
        }
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
        append_integer(row[layout.null_key_column].payload.int64, out);
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
        out = "sha256:" + sha256_hex(out);
    }
}

}  // namespace pgrepl::target
