// JSON text as documents: strict, bounded in depth, and without loss.

#include <gtest/gtest.h>

#include <string>

#include "source/mysql/values/json_text.hpp"

namespace pgrepl {
namespace {

using core::Value;
using core::ValueKind;

class MysqlJson : public testing::Test {
  protected:
    std::string print(const Value*& token) {
        const Value& value = *token++;
        switch (value.kind) {
            case ValueKind::kNull:
                return "null";
            case ValueKind::kBool:
                return value.payload.boolean ? "true" : "false";
            case ValueKind::kInt64:
                return std::to_string(value.payload.int64);
            case ValueKind::kDecimal:
                return "d" + std::string(value.view());
            case ValueKind::kText:
                return "<" + std::string(value.view()) + ">";
            default:
                break;
        }
        bool const object = value.kind == ValueKind::kObject;
        std::string text = object ? "{" : "[";
        for (std::uint32_t i = 0; i < value.length; ++i) {
            text += i == 0 ? "" : ",";
            text += object ? print(token) + ":" : "";
            text += print(token);
        }
        return text + (object ? "}" : "]");
    }
    std::string parse(std::string_view text) {
        Value value;
        if (!mysql::parse_json(text, arena_, writer_, value)) {
            return "no";
        }
        const Value* token = value.kind == ValueKind::kDocument ? value.payload.tokens : &value;
        return print(token);
    }

  private:
    core::Arena arena_;
    core::DocumentWriter writer_;
};

TEST_F(MysqlJson, values_are_read_as_they_are_written) {
    EXPECT_EQ(parse("null"), "null");
    EXPECT_EQ(parse(" true "), "true");
    EXPECT_EQ(parse("-12"), "-12");
    EXPECT_EQ(parse("999999999999999999"), "999999999999999999");
    EXPECT_EQ(parse("18446744073709551615"), "d18446744073709551615");
    EXPECT_EQ(parse("1.50"), "d1.50");
    EXPECT_EQ(parse("-0"), "0");
    EXPECT_EQ(parse("1e-7"), "d1e-7");
    EXPECT_EQ(parse("[]"), "[]");
    EXPECT_EQ(parse("{}"), "{}");
    EXPECT_EQ(parse(R"({"a": [1, {"b": null}, []], "c" : {} } )"), "{<a>:[1,{<b>:null},[]],<c>:{}}");
}

TEST_F(MysqlJson, escapes_become_characters) {
    EXPECT_EQ(parse(R"("\"\\\/\b\f\n\r\t")"), "<\"\\/\b\f\n\r\t>");
    EXPECT_EQ(parse(R"("\u0041\u00e9\u20ac\ud83d\ude00")"), "<Aé€😀>");
    EXPECT_EQ(parse(R"("a\u0000b")"), std::string("<a\0b>", 5));
    EXPECT_EQ(parse(R"({"k\u00e9y": "v\n"})"), "{<kéy>:<v\n>}");
}

TEST_F(MysqlJson, what_is_no_json_is_refused) {
    for (const char* text : {"",       " ",   "nul",   "tru",  "01",    "1.",       ".5",       "+1",         "-",
                             "1e",     "1e+", "[1,]",  "[,1]", "[1 2]", "{\"a\"}",  "{\"a\":}", "{\"a\":1,}", "{a:1}",
                             "{1:1}",  "[",   "{",     "]",    "[}",    "\"",       R"("\x")",  R"("\u12")",  "\"\n\"",
                             "\"\t\"", "1 2", "[] []", "'a'",  "NaN",   "Infinity", "\"\xff\"", "\"\xc3\"",   "//"}) {
        EXPECT_EQ(parse(text), "no") << text;
    }
}

TEST_F(MysqlJson, what_jsonb_has_no_place_for_is_left_as_text) {
    EXPECT_EQ(parse(R"("\ud800")"), "no");
    EXPECT_EQ(parse(R"("\ude00\ud83d")"), "no");
    EXPECT_EQ(parse(R"("\ud83dx")"), "no");
    EXPECT_EQ(parse(R"({"a\u0000": 1})"), "no");
}

TEST_F(MysqlJson, depth_is_limited_and_costs_no_stack) {
    EXPECT_EQ(parse(std::string(1000, '[') + std::string(1000, ']')).size(), 2000U);
    EXPECT_EQ(parse(std::string(1001, '[') + std::string(1001, ']')), "no");
    EXPECT_EQ(parse(std::string(1000000, '[')), "no");
    EXPECT_EQ(parse("[1]"), "[1]") << "an earlier failure must leave nothing behind";
}

}  // namespace
}  // namespace pgrepl
