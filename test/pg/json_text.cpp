// The second reading of docs/user/types.md. Plain and slow on purpose.

#include "test/pg/json_text.hpp"

#include <cmath>
#include <map>
#include <regex>
#include <set>

#include "pg/error.hpp"

extern "C" {
#include "common/cryptohash.h"
#include "common/sha2.h"
}

namespace pgrepl::test {

namespace {

using core::Value;
using core::ValueKind;

const std::set<std::string> kTags = {
    "$oid",    "$date",   "$binary", "$numberDecimal", "$numberDouble", "$timestamp", "$regularExpression", "$code",
    "$symbol", "$minKey", "$maxKey", "$undefined",     "$dbPointer",    "$literal",   "$geometry"};

std::string bytes_of(const Value& value) { return std::string(value.view()); }

std::string hex_of(const std::string& bytes) {
    std::string hex;
    for (char const c : bytes) {
        char two[3];
        std::snprintf(two, sizeof(two), "%02x", static_cast<unsigned char>(c));
        hex += two;
    }
    return hex;
}

/// By the table of well-formed sequences in the Unicode standard (3-7), without U+0000.
bool is_text(const std::string& bytes) {
    for (std::size_t i = 0; i < bytes.size();) {
        auto const at = [&](std::size_t k) {
            return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U;
        };
        auto const is_tail = [&](std::size_t k) { return at(k) >= 0x80 && at(k) <= 0xBF; };
        unsigned const a = at(0);
        if (a >= 0x01 && a <= 0x7F) {
            i += 1;
        } else if (a >= 0xC2 && a <= 0xDF && is_tail(1)) {
            i += 2;
        } else if (a >= 0xE0 && a <= 0xEF && is_tail(1) && is_tail(2) && !(a == 0xE0 && at(1) < 0xA0) &&
                   !(a == 0xED && at(1) > 0x9F)) {
            i += 3;
        } else if (a >= 0xF0 && a <= 0xF4 && is_tail(1) && is_tail(2) && is_tail(3) && !(a == 0xF0 && at(1) < 0x90) &&
                   !(a == 0xF4 && at(1) > 0x8F)) {
            i += 4;
        } else {
            return false;
        }
    }
    return true;
}

std::string quoted(const std::string& text) {
    static const std::map<char, std::string> escapes = {{'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\f', "\\f"},
                                                        {'\n', "\\n"}, {'\r', "\\r"},  {'\t', "\\t"}};
    std::string out = "\"";
    for (char const c : text) {
        if (auto const found = escapes.find(c); found != escapes.end()) {
            out += found->second;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            out += "\\u00" + hex_of(std::string(1, c));
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string base64_of(const std::string& bytes) {
    static const char* const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    std::uint32_t bits = 0;
    int count = 0;
    for (char const c : bytes) {
        bits = (bits << 8) | static_cast<unsigned char>(c);
        count += 8;
        while (count >= 6) {
            count -= 6;
            out += alphabet[(bits >> count) & 63];
        }
    }
    if (count > 0) {
        out += alphabet[(bits << (6 - count)) & 63];
    }
    while (out.size() % 4 != 0) {
        out += '=';
    }
    return out;
}

std::string tagged(const std::string& tag, const std::string& json, std::uint64_t& count) {
    ++count;
    return "{\"" + tag + "\":" + json + "}";
}

std::string binary(const std::string& bytes, std::uint8_t subtype, std::uint64_t& count) {
    std::string const type = hex_of(std::string(1, static_cast<char>(subtype)));
    return tagged("$binary", R"({"base64":")" + base64_of(bytes) + R"(","subType":")" + type + "\"}", count);
}

/// PostgreSQL's own shortest digits, spelled out by numeric.
std::string plain_digits(const char* shortest) {
    const char* const text = pg::CallPg([&] {
        Datum const number =
            DirectFunctionCall3(numeric_in, CStringGetDatum(shortest), ObjectIdGetDatum(0), Int32GetDatum(-1));
        return DatumGetCString(DirectFunctionCall1(numeric_out, number));
    });
    std::string const plain = text;
    return plain.find('.') == std::string::npos ? plain + ".0" : plain;
}

std::string number_of(const Value& value, std::uint64_t& count) {
    bool const single = value.kind == ValueKind::kFloat;
    double const number = single ? static_cast<double>(value.payload.float32) : value.payload.float64;
    if (std::isnan(number)) {
        return tagged("$numberDouble", "\"NaN\"", count);
    }
    if (std::isinf(number)) {
        return tagged("$numberDouble", number > 0 ? "\"Infinity\"" : "\"-Infinity\"", count);
    }
    if (number == 0 && std::signbit(number)) {
        return tagged("$numberDouble", "\"-0.0\"", count);
    }
    const char* const shortest = pg::CallPg([&] {
        return DatumGetCString(single ? DirectFunctionCall1(float4out, Float4GetDatum(value.payload.float32))
                                      : DirectFunctionCall1(float8out, Float8GetDatum(number)));
    });
    return plain_digits(shortest);
}

/// Reads a document's tokens one after the other.
class DocumentPrinter {
  public:
    DocumentPrinter(const Value* tokens, std::uint64_t& count) : next_(tokens), count_(&count) {}

    std::string print() {
        const Value& token = *next_++;
        switch (token.kind) {
            case ValueKind::kArray:
                return print_array(token.length);
            case ValueKind::kObject:
                return print_object(token);
            default:
                return json_of(token, *count_);
        }
    }

  private:
    std::string print_array(std::uint32_t elements) {
        std::string out;
        for (std::uint32_t i = 0; i < elements; ++i) {
            out += (i == 0 ? "" : ",") + print();
        }
        return "[" + out + "]";
    }

    std::string print_object(const Value& object) {
        std::string out;
        std::map<std::string, std::uint64_t> counts;  // of the last value of each key
        std::uint64_t repeated = 0;
        std::uint64_t* const outer = count_;
        for (std::uint32_t i = 0; i < object.length; ++i) {
            std::string const key = bytes_of(*next_++);
            repeated += counts.count(key);
            std::uint64_t in_value = 0;
            count_ = &in_value;
            out += (i == 0 ? "" : ",") + quoted(key) + ":" + print();
            counts[key] = in_value;
        }
        count_ = outer;
        *count_ += repeated + (object.tagged ? 1 : 0);
        for (const auto& [key, in_value] : counts) {
            *count_ += in_value;
        }
        std::string const json = "{" + out + "}";
        bool const looks_tagged = counts.size() == 1 && kTags.count(counts.begin()->first) != 0;
        return looks_tagged && !object.tagged ? tagged("$literal", json, *count_) : json;
    }

    const Value* next_;
    std::uint64_t* count_;
};

std::string sha256_of(const std::string& bytes) {
    std::uint8_t digest[PG_SHA256_DIGEST_LENGTH];
    pg::CallPg([&] {
        pg_cryptohash_ctx* const context = pg_cryptohash_create(PG_SHA256);
        pg_cryptohash_init(context);
        pg_cryptohash_update(context, reinterpret_cast<const uint8*>(bytes.data()), bytes.size());
        pg_cryptohash_final(context, digest, sizeof(digest));
        pg_cryptohash_free(context);
    });
    return hex_of(std::string(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

bool starts_with_one_of(const std::string& text, std::initializer_list<const char*> beginnings) {
    for (const char* const beginning : beginnings) {
        if (text.rfind(beginning, 0) == 0) {
            return true;
        }
    }
    return false;
}

std::string single_key(const Value& value, core::IdStyle style) {
    static const std::regex scalar("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?|true|false|null|[0-9a-fA-F]{24}");
    std::string const bytes = value.kind == ValueKind::kText || value.kind == ValueKind::kBytes ? bytes_of(value) : "";
    if (value.kind == ValueKind::kText && is_text(bytes)) {
        bool const quote = starts_with_one_of(bytes, {"{", "[", "\"", "sha256:"}) ||
                           (style == core::IdStyle::kHexBytes && starts_with_one_of(bytes, {"\\x"})) ||
                           (style == core::IdStyle::kAnyType && bytes.size() < 2000 && std::regex_match(bytes, scalar));
        return quote ? quoted(bytes) : bytes;
    }
    if (value.kind == ValueKind::kBytes && value.subtype == 0 && style == core::IdStyle::kHexBytes) {
        return "\\x" + hex_of(bytes);
    }
    return key_json(value);
}

}  // namespace

std::string json_of(const Value& value, std::uint64_t& tagged_values) {
    switch (value.kind) {
        case ValueKind::kNull:
            return "null";
        case ValueKind::kBool:
            return value.payload.boolean ? "true" : "false";
        case ValueKind::kInt64:
            return std::to_string(value.payload.int64);
        case ValueKind::kUint64:
            return std::to_string(value.payload.uint64);
        case ValueKind::kDouble:
        case ValueKind::kFloat:
            return number_of(value, tagged_values);
        case ValueKind::kDecimal:
            return bytes_of(value);
        case ValueKind::kText:
            return is_text(bytes_of(value)) ? quoted(bytes_of(value)) : binary(bytes_of(value), 0, tagged_values);
        case ValueKind::kBytes:
            return binary(bytes_of(value), value.subtype, tagged_values);
        case ValueKind::kDocument:
            return DocumentPrinter(value.payload.tokens, tagged_values).print();
        case ValueKind::kObject:
        case ValueKind::kArray:
            break;
    }
    throw pg::SqlError(ERRCODE_INTERNAL_ERROR, "a container outside a document");
}

std::string json_of_row(const core::RowLayout& layout, std::span<const Value> row, std::uint64_t& tagged_values) {
    std::string out;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (layout.columns[i].in_data) {
            std::string const json = json_of(row[i], tagged_values);
            if (layout.whole_document) {
                return json;
            }
            out += (names.empty() ? "" : ",") + quoted(layout.columns[i].name) + ":" + json;
            names.push_back(layout.columns[i].name);
        }
    }
    std::string const json = "{" + out + "}";
    return names.size() == 1 && kTags.count(names[0]) != 0 ? tagged("$literal", json, tagged_values) : json;
}

std::string key_json(const Value& value) {
    std::uint64_t ignored = 0;
    if (value.kind == ValueKind::kDecimal) {
        std::string const text = bytes_of(value);
        const char* const input = text.c_str();
        return pg::CallPg([&] {
            Datum const number =
                DirectFunctionCall3(numeric_in, CStringGetDatum(input), ObjectIdGetDatum(0), Int32GetDatum(-1));
            return const_cast<const char*>(DatumGetCString(DirectFunctionCall1(numeric_out, number)));
        });
    }
    return json_of(value, ignored);
}

std::string id_of_row(const core::RowLayout& layout, std::span<const Value> row) {
    std::string id;
    bool has_null = false;
    for (std::uint32_t const column : layout.key_columns) {
        has_null = has_null || row[column].kind == ValueKind::kNull;
        id += (id.empty() ? "" : ",") + key_json(row[column]);
    }
    if (has_null && layout.null_key_column != core::RowLayout::kNoColumn) {
        id = "{\"rowid\":" + std::to_string(row[layout.null_key_column].payload.int64) + "}";
    } else if (layout.key_columns.size() > 1) {
        id = "[" + id + "]";
    } else {
        id = single_key(row[layout.key_columns[0]], layout.columns[layout.key_columns[0]].id_style);
    }
    return id.size() > 1024 ? "sha256:" + sha256_of(id) : id;
}

}  // namespace pgrepl::test
