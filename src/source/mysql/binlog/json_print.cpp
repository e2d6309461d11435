// MySQL source, sql-common/json_dom.cc: Json_wrapper::to_string and double_quote.

#include "source/mysql/binlog/json_print.hpp"

namespace pgrepl::mysql {
namespace {

using core::Value;
using core::ValueKind;

void print_string(std::string_view text, std::string& out) {
    static constexpr char kDigits[] = "0123456789abcdef";
    static constexpr std::string_view kNamed = "\"\\\b\t\n\f\r";
    static constexpr std::string_view kNames = "\"\\btnfr";
    out += '"';
    for (char const letter : text) {
        auto const code = static_cast<unsigned char>(letter);
        if (std::size_t const name = kNamed.find(letter); name != std::string_view::npos) {
            out += '\\';
            out += kNames[name];
        } else if (code < 0x20) {
            out += "\\u00";
            out += kDigits[code >> 4];
            out += kDigits[code & 15];
        } else {
            out += letter;
        }
    }
    out += '"';
}

void print_scalar(const Value& value, std::string& out) {
    switch (value.kind) {
        case ValueKind::kBool:
            out += value.payload.boolean ? "true" : "false";
            break;
        case ValueKind::kInt64:
            out += std::to_string(value.payload.int64);
            break;
        case ValueKind::kUint64:
            out += std::to_string(value.payload.uint64);
            break;
        case ValueKind::kDecimal:
            out += value.view();
            break;
        case ValueKind::kText:
            print_string(value.view(), out);
            break;
        default:
            out += "null";
    }
}

/// Prints what begins at `at`, and moves past it. As deep as core::kMaxDocumentDepth at most.
void print(const Value*& at, std::string& out) {
    const Value& value = *at++;
    bool const object = value.kind == ValueKind::kObject;
    if (!object && value.kind != ValueKind::kArray) {
        return print_scalar(value, out);
    }
    out += object ? '{' : '[';
    for (std::uint32_t i = 0; i < value.length; ++i) {
        out += i == 0 ? "" : ", ";
        if (object) {
            print_string((at++)->view(), out);
            out += ": ";
        }
        print(at, out);
    }
    out += object ? '}' : ']';
}

}  // namespace

std::string print_json(const Value& document) {
    const Value* at = document.payload.tokens;
    std::string out;
    print(at, out);
    return out;
}

}  // namespace pgrepl::mysql
