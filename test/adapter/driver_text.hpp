#pragma once
// How the driver prints values and names: lines of JSON.

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "core/utf8.hpp"
#include "core/value.hpp"

namespace pgrepl::test {

using core::Value;
using core::ValueKind;

inline std::string json_quoted(std::string_view text) {
    std::string out = "\"";
    for (char const c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
            out += escape;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

inline std::string hex(std::string_view bytes) {
    std::string out;
    char pair[4];
    for (char const c : bytes) {
        std::snprintf(pair, sizeof pair, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
        out += pair;
    }
    return out;
}

inline std::string show(const Value& value);

inline std::string show_token(const Value*& token) {
    const Value& value = *token++;
    if (value.kind == ValueKind::kObject) {
        std::string out;
        for (std::uint32_t i = 0; i < value.length; ++i) {
            std::string const key = show(*token++);
            out += (i == 0 ? "[" : ", [") + key + ", " + show_token(token) + "]";
        }
        return "{\"o\": [" + out + "]}";
    }
    if (value.kind == ValueKind::kArray) {
        std::string out;
        for (std::uint32_t i = 0; i < value.length; ++i) {
            out += (i == 0 ? "" : ", ") + show_token(token);
        }
        return "{\"a\": [" + out + "]}";
    }
    return show(value);
}

inline std::string show(const Value& value) {
    char text[64];
    switch (value.kind) {
        case ValueKind::kNull:
            return "null";
        case ValueKind::kBool:
            return value.payload.boolean ? "true" : "false";
        case ValueKind::kInt64:
            return "{\"n\": \"" + std::to_string(value.payload.int64) + "\"}";
        case ValueKind::kUint64:
            return "{\"n\": \"" + std::to_string(value.payload.uint64) + "\"}";
        case ValueKind::kDouble:
            std::snprintf(text, sizeof text, "{\"d\": \"%.17g\"}", value.payload.float64);
            return text;
        case ValueKind::kFloat:
            std::snprintf(text, sizeof text, "{\"f\": \"%.9g\"}", static_cast<double>(value.payload.float32));
            return text;
        case ValueKind::kDecimal:
            return "{\"n\": " + json_quoted(value.view()) + "}";
        case ValueKind::kText:
            return core::is_utf8(value.view()) ? json_quoted(value.view())
                                               : "{\"invalid\": \"" + hex(value.view()) + "\"}";
        case ValueKind::kBytes:
            return "{\"x\": \"" + hex(value.view()) + "\"}";
        case ValueKind::kDocument: {
            const Value* token = value.payload.tokens;
            std::string out = show_token(token);
            return token == value.payload.tokens + value.length ? out : "\"the document's length is wrong\"";
        }
        default:
            return "\"unexpected kind\"";
    }
}

inline std::string list(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) {
        out += (out.empty() ? "" : ", ") + json_quoted(word);
    }
    return "[" + out + "]";
}

}  // namespace pgrepl::test
