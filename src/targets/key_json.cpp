// Scalars are written here, since ids are on the way of every row; documents are rare as keys and are printed by jsonb.

#include "targets/key_json.hpp"

#include <charconv>
#include <cmath>

#include "pg/memory.hpp"
#include "targets/base64.hpp"
#include "targets/jsonb_writer.hpp"
#include "targets/number_text.hpp"
#include "targets/storable_text.hpp"

namespace pgrepl::target {

namespace {

using core::Value;
using core::ValueKind;

constexpr char kHex[] = "0123456789abcdef";

template <typename Integer>
void append_integer(Integer value, std::string& out) {
    char text[24];
    auto const result = std::to_chars(text, text + sizeof(text), value);
    out.append(text, result.ptr);
}

void append_double(const Value& value, std::string& out) {
    bool const single = value.kind == ValueKind::kFloat;
    double const number = single ? static_cast<double>(value.payload.float32) : value.payload.float64;
    if (std::isfinite(number) && (number != 0 || !std::signbit(number))) {
        char text[kMostDoubleText];
        out.append(text, single ? print_float(value.payload.float32, text) : print_double(number, text));
        return;
    }
    out += R"({"$numberDouble":")";
    out += double_tag_text(number);
    out += "\"}";
}

void append_binary(std::string_view bytes, std::uint8_t subtype, std::string& out) {
    out += R"({"$binary":{"base64":")";
    std::size_t const at = out.size();
    out.resize(at + base64_size(bytes.size()));
    encode_base64(bytes, out.data() + at);
    out += R"(","subType":")";
    auto const type = static_cast<char>(subtype);
    append_hex({&type, 1}, out);
    out += "\"}}";
}

/// jsonb's text without the blanks that it puts after colons and commas.
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

void append_through_jsonb(const Value& value, std::string& out) {
    ByteBuffer bytes;
    bytes.append_uninitialised(VARHDRSZ);
    // A one-element array around it: jsonb has no scalar at top level but in an array.
    std::uint32_t const header[] = {JB_FARRAY | 1, 0};
    bytes.append(header, sizeof(header));
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

/// As numeric prints it: digits and scale as written, without leading zeros; no sign on zero.
void append_decimal(const Value& value, std::string& out) {
    std::string_view text = value.view();
    bool const minus = text.starts_with('-');
    text.remove_prefix(minus || text.starts_with('+') ? 1 : 0);
    if (text.empty() || text.find_first_not_of("0123456789.") != std::string_view::npos || text.ends_with('.')) {
        append_through_jsonb(value, out);
        return;
    }
    if (minus && text.find_first_not_of("0.") != std::string_view::npos) {
        out += '-';
    }
    while (text.size() > 1 && text[0] == '0' && text[1] != '.') {
        text.remove_prefix(1);
    }
    if (text[0] == '.') {
        out += '0';
    }
    out += text;
}

}  // namespace

void append_hex(std::string_view bytes, std::string& out) {
    for (char const c : bytes) {
        out += kHex[static_cast<unsigned char>(c) >> 4];
        out += kHex[static_cast<unsigned char>(c) & 15];
    }
}

void append_quoted(std::string_view text, std::string& out) {
    constexpr std::string_view escaped = "\"\\\b\f\n\r\t";
    constexpr std::string_view letters = "\"\\bfnrt";
    out += '"';
    for (char const c : text) {
        auto const byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            out += c;
        } else if (std::size_t const found = escaped.find(c); found != std::string_view::npos) {
            out += '\\';
            out += letters[found];
        } else {
            out += "\\u00";
            append_hex({&c, 1}, out);
        }
    }
    out += '"';
}

void append_json(const Value& value, std::string& out) {
    switch (value.kind) {
        case ValueKind::kNull:
            out += "null";
            break;
        case ValueKind::kBool:
            out += value.payload.boolean ? "true" : "false";
            break;
        case ValueKind::kInt64:
            append_integer(value.payload.int64, out);
            break;
        case ValueKind::kUint64:
            append_integer(value.payload.uint64, out);
            break;
        case ValueKind::kDouble:
        case ValueKind::kFloat:
            append_double(value, out);
            break;
        case ValueKind::kDecimal:
            append_decimal(value, out);
            break;
        case ValueKind::kText:
            if (is_storable_text(value.view())) {
                append_quoted(value.view(), out);
            } else {
                append_binary(value.view(), 0, out);
            }
            break;
        case ValueKind::kBytes:
            append_binary(value.view(), value.subtype, out);
            break;
        default:
            append_through_jsonb(value, out);
    }
}

}  // namespace pgrepl::target
