// Bounds of chunks as text and as values. Exactness matters more than looks: a key that comes back a bit
// different would skip rows or read them twice.

#include "source/sqlite/key_bound.hpp"

#include <bit>
#include <charconv>

#include "core/hex.hpp"
#include "core/source_error.hpp"

namespace pgrepl::sqlite {
namespace {

[[noreturn]] void throw_bad_bound(const std::string& bound) {
    throw core::SourceError(core::SourceErrorKind::kInternal, 0,
                            "\"" + bound.substr(0, 100) + "\" is no bound of a chunk", false);
}

template <typename Number>
Number parse_number(std::string_view text, int base, const std::string& bound) {
    Number number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) {
        throw_bad_bound(bound);
    }
    return number;
}

std::string bytes_of(std::string_view hex, const std::string& bound) {
    std::optional<std::string> bytes = core::from_hex(hex);
    if (!bytes) {
        throw_bad_bound(bound);
    }
    return std::move(*bytes);
}

std::string format_value(const KeyValue& value) {
    if (auto const* integer = std::get_if<std::int64_t>(&value)) {
        return "i:" + std::to_string(*integer);
    }
    if (auto const* real = std::get_if<double>(&value)) {
        auto const bits = std::bit_cast<std::uint64_t>(*real);
        std::string hex = "r:";
        for (int shift = 60; shift >= 0; shift -= 4) {
            hex += core::kHexDigits[bits >> shift & 15];
        }
        return hex;
    }
    if (auto const* text = std::get_if<KeyText>(&value)) {
        return "t:" + core::to_hex(text->raw);
    }
    return "b:" + core::to_hex(std::get<KeyBlob>(value).raw);
}

KeyValue parse_value(std::string_view text, const std::string& bound) {
    if (text.size() < 2 || text[1] != ':') {
        throw_bad_bound(bound);
    }
    std::string_view const rest = text.substr(2);
    switch (text[0]) {
        case 'i':
            return parse_number<std::int64_t>(rest, 10, bound);
        case 'r':
            return std::bit_cast<double>(parse_number<std::uint64_t>(rest, 16, bound));
        case 't':
            return KeyText{bytes_of(rest, bound)};
        case 'b':
            return KeyBlob{bytes_of(rest, bound)};
        default:
            throw_bad_bound(bound);
    }
}

}  // namespace

std::int64_t parse_rowid_bound(const std::string& bound) { return parse_number<std::int64_t>(bound, 10, bound); }

KeyValue read_key_value(sqlite3_stmt* statement, int column) {
    int const type = sqlite3_column_type(statement, column);
    if (type == SQLITE_INTEGER) {
        return static_cast<std::int64_t>(sqlite3_column_int64(statement, column));
    }
    if (type == SQLITE_FLOAT) {
        return sqlite3_column_double(statement, column);
    }
    // Asked as a blob, a text's bytes come in the database's own encoding.
    auto const* const data = static_cast<const char*>(sqlite3_column_blob(statement, column));
    auto const bytes = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
    std::string raw = data == nullptr ? std::string() : std::string(data, bytes);
    if (type == SQLITE_TEXT) {
        return KeyText{std::move(raw)};
    }
    return KeyBlob{std::move(raw)};
}

std::string format_key_bound(const std::vector<KeyValue>& values) {
    std::string bound;
    for (const KeyValue& value : values) {
        bound += (bound.empty() ? "" : ",") + format_value(value);
    }
    return bound;
}

std::vector<KeyValue> parse_key_bound(const std::string& bound, std::size_t parts) {
    std::vector<KeyValue> values;
    std::string_view rest = bound;
    while (!rest.empty()) {
        std::size_t const comma = rest.find(',');
        values.push_back(parse_value(rest.substr(0, comma), bound));
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
    if (values.size() != parts) {
        throw_bad_bound(bound);
    }
    return values;
}

int bind_key_value(sqlite3_stmt* statement, int parameter, const KeyValue& value, unsigned char encoding) {
    if (auto const* integer = std::get_if<std::int64_t>(&value)) {
        return sqlite3_bind_int64(statement, parameter, *integer);
    }
    if (auto const* real = std::get_if<double>(&value)) {
        return sqlite3_bind_double(statement, parameter, *real);
    }
    if (auto const* text = std::get_if<KeyText>(&value)) {
        return sqlite3_bind_text64(statement, parameter, text->raw.data(), text->raw.size(), SQLITE_TRANSIENT,
                                   encoding);
    }
    const std::string& raw = std::get<KeyBlob>(value).raw;
    return sqlite3_bind_blob64(statement, parameter, raw.data(), raw.size(), SQLITE_TRANSIENT);
}

}  // namespace pgrepl::sqlite
