#pragma once
// A value as one line of text, in the form in which record_mysql_corpus.py writes what a server said.

#include <zlib.h>

#include <array>
#include <cstdio>
#include <string>

#include "core/value.hpp"

namespace pgrepl::test {

constexpr std::size_t kLongValueBytes = 200;

inline std::string size_and_checksum(const char* what, std::string_view bytes) {
    std::array<char, 64> text{};
    auto const crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    std::snprintf(text.data(), text.size(), "%s:%zu:%08lx", what, bytes.size(), crc);
    return text.data();
}

inline std::string double_text(double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.17g", value);
    return text.data();
}

inline std::string escaped(std::string_view text) {
    std::string out;
    for (char const c : text) {
        out += c == '\\'   ? std::string("\\\\")
               : c == '\n' ? std::string("\\n")
               : c == '\t' ? std::string("\\t")
               : c == '\0' ? std::string("\\0")
                           : std::string(1, c);
    }
    return out;
}

/// A JSON string as both servers print it.
inline std::string json_string(std::string_view text) {
    std::string out = "\"";
    for (char const c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n' || c == '\t' || c == '\r' || c == '\b' || c == '\f') {
            out += '\\';
            out += c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : c == '\b' ? 'b' : 'f';
        } else if (static_cast<unsigned char>(c) < 0x20) {
            std::array<char, 8> escape{};
            std::snprintf(escape.data(), escape.size(), "\\u%04x", c);
            out += escape.data();
        } else {
            out += c;
        }
    }
    return out + "\"";
}

/// As JSON with a space behind commas and colons; `at` moves behind the value.
inline std::string json_text(const core::Value*& at) {
    const core::Value& value = *at++;
    std::string out;
    switch (value.kind) {
        case core::ValueKind::kNull:
            return "null";
        case core::ValueKind::kBool:
            return value.payload.boolean ? "true" : "false";
        case core::ValueKind::kInt64:
            return std::to_string(value.payload.int64);
        case core::ValueKind::kUint64:
            return std::to_string(value.payload.uint64);
        case core::ValueKind::kFloat:
            return double_text(static_cast<double>(value.payload.float32));
        case core::ValueKind::kDecimal:
            return std::string(value.view());
        case core::ValueKind::kText:
            return json_string(value.view());
        case core::ValueKind::kObject:
            for (std::uint32_t i = 0; i < value.length; ++i) {
                out += (i == 0 ? "" : ", ") + json_string(at->view());
                ++at;
                out += ": " + json_text(at);
            }
            return "{" + out + "}";
        case core::ValueKind::kArray:
            for (std::uint32_t i = 0; i < value.length; ++i) {
                out += (i == 0 ? "" : ", ") + json_text(at);
            }
            return "[" + out + "]";
        default:
            return "?";
    }
}

inline std::string shortened(std::string_view text) {
    return text.size() > kLongValueBytes ? size_and_checksum("text", text) : escaped(text);
}

inline std::string value_text(const core::Value& value) {
    switch (value.kind) {
        case core::ValueKind::kNull:
            return "NULL";
        case core::ValueKind::kFloat:
            return double_text(static_cast<double>(value.payload.float32));
        case core::ValueKind::kDouble:
            return double_text(value.payload.float64);
        case core::ValueKind::kText:
            return shortened(value.view());
        case core::ValueKind::kDocument: {
            const core::Value* at = value.payload.tokens;
            return shortened(json_text(at));
        }
        case core::ValueKind::kBytes: {
            if (value.length > kLongValueBytes) {
                return size_and_checksum("bytes", value.view());
            }
            std::string out = "x'";
            for (char const c : value.view()) {
                std::array<char, 4> digits{};
                std::snprintf(digits.data(), digits.size(), "%02x", static_cast<unsigned char>(c));
                out += digits.data();
            }
            return out + "'";
        }
        default: {
            const core::Value* at = &value;
            return json_text(at);
        }
    }
}

/// Of a JSON column, whose strings have quotes. JSON's null is stored as SQL's is.
inline std::string json_value_text(const core::Value& value) {
    const core::Value* at = value.kind == core::ValueKind::kDocument ? value.payload.tokens : &value;
    return value.kind == core::ValueKind::kNull ? "NULL" : shortened(json_text(at));
}

}  // namespace pgrepl::test
