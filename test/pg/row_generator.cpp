// Every draw leans to the edges: powers of ten and two, group and stride boundaries, tag names, ties.

#include "test/pg/row_generator.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>

namespace pgrepl::test {

namespace {

using core::Arena;
using core::Value;

constexpr const char* kTagNames[] = {"$oid",     "$date",   "$binary",    "$numberDecimal",     "$numberDouble",
                                     "$code",    "$symbol", "$minKey",    "$regularExpression", "$timestamp",
                                     "$literal", "$maxKey", "$undefined", "$dbPointer"};

void append_utf8(std::string& out, std::uint32_t code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xC0 | (code >> 6));
        out += static_cast<char>(0x80 | (code & 63));
    } else if (code < 0x10000) {
        out += static_cast<char>(0xE0 | (code >> 12));
        out += static_cast<char>(0x80 | ((code >> 6) & 63));
        out += static_cast<char>(0x80 | (code & 63));
    } else {
        out += static_cast<char>(0xF0 | (code >> 18));
        out += static_cast<char>(0x80 | ((code >> 12) & 63));
        out += static_cast<char>(0x80 | ((code >> 6) & 63));
        out += static_cast<char>(0x80 | (code & 63));
    }
}

}  // namespace

std::size_t RowGenerator::make_length() {
    switch (below(40)) {
        case 0:
            return below(20'000);
        case 1:
            return below(300);
        case 2:
            return one_in(40) ? 1 << 20 : 2'000 + below(9'000);
        default:
            return below(70);
    }
}

std::string RowGenerator::make_bytes(std::size_t length) {
    std::string bytes(length, '\0');
    for (char& c : bytes) {
        c = static_cast<char>(random_());
    }
    return bytes;
}

std::string RowGenerator::make_text() {
    std::size_t const length = make_length();
    std::string text;
    std::uint64_t const style = below(10);
    constexpr std::uint32_t edges[] = {1, 0x1F, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF};
    while (text.size() < length) {
        if (style < 6) {
            append_utf8(text, 0x20 + static_cast<std::uint32_t>(below(0x5F)));
        } else if (style == 6) {
            append_utf8(text, 1 + static_cast<std::uint32_t>(below(0x7F)));
        } else if (style == 7) {
            append_utf8(text, edges[below(std::size(edges))]);
        } else {
            std::uint32_t const code = 1 + static_cast<std::uint32_t>(below(0x10FFFF));
            append_utf8(text, code >= 0xD800 && code < 0xE000 ? 'x' : code);
        }
    }
    if (!text.empty() && one_in(12)) {
        // Invalid in one place: a stray byte, U+0000, a surrogate, an overlong form, a cut sequence.
        const std::string bad[] = {"\xFF",     std::string(1, '\0'), "\xED\xA0\x80",
                                   "\xC0\x80", "\xF4\x90\x80\x80",   "\xE4\xB8"};
        text.insert(below(text.size() + 1), bad[below(std::size(bad))]);
    }
    return text;
}

std::string RowGenerator::make_decimal() {
    auto const digits = [&](std::size_t count) {
        std::string out;
        std::uint64_t const style = below(4);
        for (std::size_t i = 0; i < count; ++i) {
            out += static_cast<char>('0' + (style == 0 ? 0 : style == 1 ? 9 * below(2) : below(10)));
        }
        return out;
    };
    auto const length = [&]() -> std::size_t { return one_in(60) ? below(2'000) : one_in(6) ? below(66) : below(14); };
    std::string text = one_in(2) ? "-" : "";
    std::string integer = digits(length());
    integer.erase(
        0, integer.find_first_not_of('0') == std::string::npos ? integer.size() : integer.find_first_not_of('0'));
    text += integer.empty() ? "0" : integer;
    if (!one_in(3)) {
        text += "." + digits(length()) + std::to_string(below(10));
    }
    if (one_in(6)) {
        text += one_in(2) ? "e" : "E";
        text += one_in(3) ? "-" : one_in(2) ? "+" : "";
        text += std::to_string(one_in(10) ? below(3'000) : below(40));
    }
    return text;
}

std::int64_t RowGenerator::make_integer() {
    switch (below(6)) {
        case 0:
            return static_cast<std::int64_t>(random_());
        case 1:
            return static_cast<std::int64_t>(below(3)) - 1;
        case 2:
            return std::numeric_limits<std::int64_t>::min() + static_cast<std::int64_t>(below(2));
        case 3:
            return std::numeric_limits<std::int64_t>::max() - static_cast<std::int64_t>(below(2));
        default: {
            std::int64_t value = 1 + static_cast<std::int64_t>(below(3));
            for (std::uint64_t i = below(18); i > 0; --i) {
                value *= 10;
            }
            return (value + static_cast<std::int64_t>(below(3)) - 1) * (one_in(2) ? -1 : 1);
        }
    }
}

double RowGenerator::make_double() {
    constexpr double edges[] = {0.0,
                                -0.0,
                                1.0,
                                5.0,
                                0.1,
                                1e15,
                                1e16,
                                1e20,
                                1e22,
                                1e23,
                                9007199254740993.0,
                                1e-4,
                                1e-5,
                                1e-7,
                                123456.75,
                                2.2250738585072014e-308,
                                4.9406564584124654e-324,
                                1.7976931348623157e308,
                                5e-320};
    switch (below(6)) {
        case 0:
            return edges[below(std::size(edges))] * (one_in(2) ? -1 : 1);
        case 1:
            return one_in(2) ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
        case 2:
            return std::bit_cast<double>(random_());  // any class, NaN with payloads and subnormals among them
        case 3:
            return std::ldexp(1.0, static_cast<int>(below(2098)) - 1074);
        case 4:
            return static_cast<double>(make_integer());
        default:
            return static_cast<double>(below(1'000'000'000)) / 100;
    }
}

Value RowGenerator::keep_text(const std::string& text, Arena& arena) {
    return Value::text(arena.copy(text.data(), text.size()), static_cast<std::uint32_t>(text.size()));
}

Value RowGenerator::make_scalar(Arena& arena) {
    switch (below(14)) {
        case 0:
            return Value::null();
        case 1:
            return Value::from_bool(one_in(2));
        case 2:
        case 3:
            return Value::from_int64(make_integer());
        case 4:
            return Value::from_uint64(one_in(2) ? std::numeric_limits<std::uint64_t>::max() - below(3) : random_());
        case 5:
        case 6:
            return Value::from_double(make_double());
        case 7:
            return Value::from_float(one_in(2) ? std::bit_cast<float>(static_cast<std::uint32_t>(random_()))
                                               : static_cast<float>(make_double()));
        case 8:
        case 9: {
            std::string const text = make_decimal();
            return Value::decimal(arena.copy(text.data(), text.size()), static_cast<std::uint32_t>(text.size()));
        }
        case 10: {
            std::string const bytes = make_bytes(make_length());
            return Value::bytes(arena.copy(bytes.data(), bytes.size()), static_cast<std::uint32_t>(bytes.size()),
                                static_cast<std::uint8_t>(one_in(2) ? 0 : below(256)));
        }
        default:
            return keep_text(make_text(), arena);
    }
}

Value RowGenerator::make_key(Arena& arena) {
    const std::string edges[] = {"",
                                 "7",
                                 "-0",
                                 "1.50",
                                 "1e5",
                                 "01",
                                 "true",
                                 "null",
                                 "{",
                                 "[1]",
                                 "\"",
                                 "sha256:",
                                 "\\x00",
                                 "\\",
                                 "0123456789abcdef01234567",
                                 "{\"rowid\":7}",
                                 "a\nb",
                                 "-",
                                 "1.",
                                 "nulls",
                                 std::string(1'024, 'k'),
                                 std::string(1'025, 'k'),
                                 std::string(1'025, 'l')};
    return one_in(3) ? keep_text(edges[below(std::size(edges))], arena) : make_scalar(arena);
}

std::string RowGenerator::make_name() {
    switch (below(12)) {
        case 0:
            return kTagNames[below(std::size(kTagNames))];
        case 1:
            return std::string(1, static_cast<char>('a' + below(26)));
        case 2: {
            std::string name;
            while (name.size() < 10 + below(50)) {
                append_utf8(name, 0x100 + static_cast<std::uint32_t>(below(0xD00)));
            }
            return name;
        }
        case 3:
            return std::string(one_in(20) ? 5'000 : below(300), 'k') + std::to_string(below(100));
        case 4:
            return one_in(4) ? "" : "\x01\"\\\x7F";
        default: {
            // Many of one length, which differ in one byte.
            std::string name = "column_";
            name += static_cast<char>(1 + below(127));
            return name + std::to_string(100 + below(900));
        }
    }
}

void RowGenerator::write_container(core::DocumentWriter& writer, Arena& arena, int depth, bool object) {
    std::uint64_t const count = one_in(5) ? 0 : one_in(8) ? 1 : one_in(8) ? below(100) : below(7);
    if (object) {
        writer.begin_object(one_in(10));
    } else {
        writer.begin_array();
    }
    std::string previous;
    for (std::uint64_t i = 0; i < count && budget_ > 0; ++i) {
        if (object) {
            std::string const name = i > 0 && one_in(10) ? previous : make_name();
            previous = name;
            writer.key(arena.copy(name.data(), name.size()), static_cast<std::uint32_t>(name.size()));
        }
        write_value(writer, arena, depth + 1);
    }
    writer.end();
}

void RowGenerator::write_value(core::DocumentWriter& writer, Arena& arena, int depth) {
    --budget_;
    if (depth < 12 && budget_ > 0 && one_in(3)) {
        write_container(writer, arena, depth, !one_in(3));
    } else {
        writer.scalar(make_scalar(arena));
    }
}

Value RowGenerator::make_chain(Arena& arena, int depth, bool object_at_root) {
    core::DocumentWriter writer;
    for (int i = 0; i < depth; ++i) {
        if ((i == 0 && object_at_root) || one_in(2)) {
            writer.begin_object();
            if (i < depth - 1) {
                std::string const name = make_name();
                writer.key(arena.copy(name.data(), name.size()), static_cast<std::uint32_t>(name.size()));
            }
        } else {
            writer.begin_array();
            if (one_in(4) && i < depth - 1) {
                writer.scalar(make_scalar(arena));
            }
        }
    }
    for (int i = 0; i < depth; ++i) {
        writer.end();
    }
    return writer.finish(arena);
}

Value RowGenerator::make_document(Arena& arena, bool object_at_root) {
    if (one_in(40)) {
        return make_chain(arena, one_in(2) ? core::kMaxDocumentDepth : 1 + static_cast<int>(below(200)),
                          object_at_root);
    }
    budget_ = one_in(20) ? 3'000 : 60;
    core::DocumentWriter writer;
    if (object_at_root || !one_in(10)) {
        write_container(writer, arena, 0, object_at_root || one_in(2));
    } else {
        writer.scalar(make_scalar(arena));
    }
    return writer.finish(arena);
}

core::RowLayout RowGenerator::make_layout() {
    core::RowLayout layout;
    layout.columns.push_back({"key", one_in(2), static_cast<core::IdStyle>(below(3))});
    layout.key_columns = {0};
    if (one_in(10)) {
        layout.columns[0].in_data = false;
        layout.columns.push_back({"document", true, core::IdStyle::kAnyType});
        layout.whole_document = true;
        return layout;
    }
    std::size_t const count = one_in(150) ? (one_in(2) ? 1'000 : 1'600) : one_in(10) ? 30 + below(100) : below(12);
    std::set<std::string> names = {"key"};
    while (names.size() <= count) {
        std::string const name = count > 100 ? "c" + std::to_string(below(1'000'000)) : make_name();
        if (names.insert(name).second) {
            layout.columns.push_back({name, !one_in(30), static_cast<core::IdStyle>(below(3))});
        }
    }
    if (count > 2 && one_in(3)) {
        layout.key_columns = {1, 0};
    }
    if (one_in(3)) {
        layout.null_key_column = static_cast<std::uint32_t>(layout.columns.size());
        layout.columns.push_back({"rowid", false, core::IdStyle::kAnyType});
    }
    return layout;
}

std::span<Value> RowGenerator::add_row(const core::RowLayout& layout, core::RowBatch& batch) {
    std::span<Value> const row = batch.append_row();
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (layout.whole_document && layout.columns[i].in_data) {
            row[i] = make_document(batch.arena(), true);
        } else if (i == layout.null_key_column) {
            row[i] = Value::from_int64(make_integer());
        } else if (std::find(layout.key_columns.begin(), layout.key_columns.end(), i) != layout.key_columns.end()) {
            row[i] = make_key(batch.arena());
        } else {
            row[i] = one_in(8) ? make_document(batch.arena(), false) : make_scalar(batch.arena());
        }
    }
    return row;
}

}  // namespace pgrepl::test
