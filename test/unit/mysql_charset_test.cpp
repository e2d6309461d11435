// Charsets without a server; test/adapter compares every code with both.

#include <gtest/gtest.h>

#include <string>

#include "source/mysql/values/charset.hpp"
#include "source/mysql/values/collations.hpp"

namespace pgrepl {
namespace {

using namespace std::string_literals;

class MysqlCharset : public testing::Test {
  protected:
    /// The text in UTF-8, or "invalid".
    std::string read(const std::string& charset, const std::string& raw) {
        const mysql::Charset* const found = charsets_.find(charset);
        if (found == nullptr) {
            return "unknown";
        }
        core::Value const value = found->to_value(raw, arena_);
        std::string text;
        bool const appended = found->append_utf8(raw, text);
        if (value.kind == core::ValueKind::kBytes) {
            EXPECT_EQ(value.view(), raw);
            EXPECT_FALSE(appended);
            return "invalid";
        }
        EXPECT_EQ(text, value.view());
        return text;
    }

    mysql::Charsets charsets_;

  private:
    core::Arena arena_;
};

TEST_F(MysqlCharset, latin1_is_windows_1252_with_all_codes_in_use) {
    EXPECT_EQ(read("latin1", "\x80\x81\xe9\xff"), "€\xc2\x81éÿ");
    EXPECT_EQ(read("latin1", ""), "");
}

TEST_F(MysqlCharset, ascii_has_seven_bits) {
    EXPECT_EQ(read("ascii", "plain \x7f"), "plain \x7f");
    EXPECT_EQ(read("ascii", "12345678\x80"), "invalid");
}

TEST_F(MysqlCharset, unicode_in_units_of_two_and_four_bytes) {
    EXPECT_EQ(read("ucs2", "\0a\x20\xac"s), "a€");
    EXPECT_EQ(read("ucs2", "\xd8\x3d\xde\x00"s), "invalid");
    EXPECT_EQ(read("ucs2", "\0a\0"s), "invalid");
    EXPECT_EQ(read("utf16", "\xd8\x3d\xde\x00"s), "😀");
    EXPECT_EQ(read("utf16", "\xd8\x3d"s), "invalid");
    EXPECT_EQ(read("utf16", "\xde\x00\xd8\x3d"s), "invalid");
    EXPECT_EQ(read("utf16le", "\x3d\xd8\x00\xde"s), "😀");
    EXPECT_EQ(read("utf32", "\0\x01\xf6\0"s), "😀");
    EXPECT_EQ(read("utf32", "\0\x11\0\0"s), "invalid");
    EXPECT_EQ(read("utf32", "\0\0\xd8\0"s), "invalid");
}

TEST_F(MysqlCharset, characters_of_several_bytes) {
    EXPECT_EQ(read("sjis", "\x93\xfa\xb1\x81\x5f"), "日ｱ\\");
    EXPECT_EQ(read("cp932", "\x87\x40"), "①");
    EXPECT_EQ(read("gbk", "a\xd6\xd0"), "a中");
    EXPECT_EQ(read("euckr", "\xc7\xd1"), "한");
    EXPECT_EQ(read("ujis", "\x8e\xb1\xc6\xfc\x8f\xa2\xb7"), "ｱ日~");
    EXPECT_EQ(read("big5", "\xa4\xa4"), "中");
    EXPECT_EQ(read("gb18030", "\x94\x39\xfc\x36"), "😀");
    EXPECT_EQ(read("gbk", "a\xd6"), "invalid");
    EXPECT_EQ(read("gb18030", "\x94\x39\xfc"), "invalid");
    EXPECT_EQ(read("ujis", "\x8f\xa2"), "invalid");
}

TEST_F(MysqlCharset, gb18030_in_four_bytes_is_as_the_servers_read_it) {
    EXPECT_EQ(read("gb18030", "\x82\x35\x90\x37"), "\u9fb4");
    EXPECT_EQ(read("gb18030", "\x82\x35\x91\x34"), "\u9fbb");
    EXPECT_EQ(read("gb18030", "\x84\x31\x82\x36"), "\ufe10");
    EXPECT_EQ(read("gb18030", "\x84\x31\x83\x35"), "\ufe19");
    EXPECT_EQ(read("gb18030", "\xfe\x59"), "\ue81e");
}

TEST_F(MysqlCharset, text_with_a_zero_character_is_kept_as_its_bytes) {
    EXPECT_EQ(read("latin1", "\xe9\0"s), "invalid");
    EXPECT_EQ(read("latin1", "a\0"s), "a\0"s);  // the encoder makes the same bytes of it
    EXPECT_EQ(read("utf16", "\0a\0\0"s), "invalid");
    EXPECT_EQ(read("gbk", "\xd6\xd0\0"s), "invalid");
}

TEST_F(MysqlCharset, no_characters_are_a_text_too) {
    for (const char* charset : {"utf8mb4", "ascii", "latin1", "swe7", "ucs2", "utf16", "utf16le", "utf32", "gbk"}) {
        core::Arena unused;
        EXPECT_EQ(charsets_.find(charset)->to_value("", unused).kind, core::ValueKind::kText) << charset;
        EXPECT_EQ(read(charset, ""), "") << charset;
    }
}

TEST_F(MysqlCharset, collations_are_known_by_number) {
    auto const name = [&](std::uint32_t collation) {
        const mysql::Charset* const found = charsets_.find_by_collation(collation);
        return found == nullptr ? "unknown" : found->name();
    };
    EXPECT_EQ(name(8), "latin1");
    EXPECT_EQ(name(255), "utf8mb4");
    EXPECT_EQ(name(1024 + 28), "gbk");         // MariaDB: gbk_chinese_nopad_ci
    EXPECT_EQ(name(2048 + 3 * 256), "utf16");  // MariaDB: utf16_uca1400_…
    EXPECT_EQ(name(17), "unknown");
    EXPECT_EQ(name(9999), "unknown");
    EXPECT_EQ(charsets_.find_by_collation(8), charsets_.find("latin1"));
}

TEST_F(MysqlCharset, the_binary_collation_is_no_text) {
    core::Arena arena;
    const mysql::Charset& binary = *charsets_.find_by_collation(mysql::kBinaryCollation);
    EXPECT_TRUE(binary.is_binary());
    EXPECT_EQ(binary.to_value("ab", arena).kind, core::ValueKind::kBytes);
    EXPECT_EQ(binary.to_value("", arena).kind, core::ValueKind::kBytes);
    EXPECT_EQ(read("binary", "ab"), "unknown");
}

TEST_F(MysqlCharset, swe7_has_letters_where_ascii_has_brackets) { EXPECT_EQ(read("swe7", "}[a"), "åÄa"); }

TEST_F(MysqlCharset, utf8_is_left_to_the_encoder_to_check) { EXPECT_EQ(read("utf8mb4", "\xff"), "\xff"); }

TEST_F(MysqlCharset, unknown_names_are_unknown) { EXPECT_EQ(read("klingon", "a"), "unknown"); }

}  // namespace
}  // namespace pgrepl
