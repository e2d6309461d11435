// Core types: URLs and their secrets, the arena, documents.

#include <gtest/gtest.h>

#include "core/document.hpp"
#include "core/row_batch.hpp"
#include "core/url.hpp"
#include "core/utf8.hpp"

namespace pgrepl::core {
namespace {

TEST(Url, password_is_taken_out_and_everything_else_stays) {
    ParsedUrl const parsed = parse_source_url("mysql://us%40er:p%3A%2Fw@db.example:3307/shop?sslmode=require");
    EXPECT_EQ(parsed.url.kind, "mysql");
    EXPECT_EQ(parsed.url.user, "us@er");
    EXPECT_EQ(parsed.url.hosts, "db.example:3307");
    EXPECT_EQ(parsed.url.path, "shop");
    EXPECT_TRUE(parsed.has_password);
    EXPECT_EQ(parsed.password, "p:/w");
    EXPECT_EQ(parsed.url.without_secret(), "mysql://us%40er@db.example:3307/shop?sslmode=require");
}

TEST(Url, without_secret_parses_to_the_same_url) {
    for (const char* text : {"sqlite:///a%20b/c%3F.db", "/tmp/x.sqlite3", "mariadb://h/db", "mongodb://a:1,b:2/db?x=1",
                             "mongodb+srv://u@h/", "postgres://u:p@h/d?a=b%26c"}) {
        SourceUrl const url = parse_source_url(text).url;
        SourceUrl const again = parse_source_url(url.without_secret()).url;
        EXPECT_EQ(again.without_secret(), url.without_secret()) << text;
        EXPECT_EQ(again.path, url.path) << text;
        EXPECT_EQ(again.kind, url.kind) << text;
    }
}

TEST(Url, no_spelling_of_a_password_survives_redaction) {
    for (const char* text : {"mysql://u:s3cret@h/d", "mysql://u:s3c%72et@h/d", "mysql://u:a@s3cret@h/d",
                             "mysql://u:x/s3cret@h/d", "mysql://h/d?password=s3cret", "mysql:u:s3cret@h",
                             "nonsense s3cret", "mysql://u:s3cret@", "mysql://u:%zzs3cret@h"}) {
        std::string const shown = redact_url(text);
        EXPECT_EQ(shown.find("s3c"), std::string::npos) << shown;
    }
}

TEST(Url, malformed_urls_are_refused_without_quoting_them) {
    for (const char* text : {"", "shop", "oracle://h/d", "mysql://u:s3cret@/d", "sqlite://relative/x.db",
                             "sqlite:", "sqlite:///a?x=1", "mysql:h/d", "mysql://u:%zzs3cret@h/d", "mysql://h%00/d"}) {
        try {
            (void)parse_source_url(text);
            if (std::string(text) != "mysql://h%00/d") {
                ADD_FAILURE() << text << " was accepted";
            }
        } catch (const SourceError& error) {
            EXPECT_EQ(error.kind(), SourceErrorKind::kInvalidUrl);
            EXPECT_EQ((error.text() + error.detail() + error.hint()).find("s3cret"), std::string::npos);
            EXPECT_FALSE(error.hint().empty());
        }
    }
}

TEST(Arena, pieces_do_not_overlap_and_clear_gives_large_ones_back) {
    Arena arena;
    for (int round = 0; round < 3; ++round) {
        std::vector<std::pair<char*, std::size_t>> pieces;
        for (std::size_t size : {1U, 15U, 16U, 17U, 70'000U, 200'000U, 262'144U, 3U, 1'000'000U, 60'000U, 60'000U}) {
            char* const piece = arena.allocate(size);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(piece) % Arena::kAlignment, 0U);
            std::memset(piece, static_cast<int>(pieces.size()), size);
            pieces.emplace_back(piece, size);
        }
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            for (std::size_t k = 0; k < pieces[i].second; ++k) {
                ASSERT_EQ(pieces[i].first[k], static_cast<char>(i));
            }
        }
        EXPECT_GE(arena.used_bytes(), 1'600'000U);
        arena.clear();
        EXPECT_EQ(arena.used_bytes(), 0U);
    }
}

TEST(Document, members_and_elements_are_counted_as_they_come) {
    Arena arena;
    DocumentWriter writer;
    writer.begin_object();
    writer.key("a", 1);
    writer.begin_array();
    writer.scalar(Value::from_int64(1));
    writer.scalar(Value::null());
    writer.end();
    writer.key("b", 1);
    writer.scalar(Value::from_bool(true));
    writer.end();
    Value const document = writer.finish(arena);
    ASSERT_EQ(document.kind, ValueKind::kDocument);
    ASSERT_EQ(document.length, 7U);
    EXPECT_EQ(document.payload.tokens[0].length, 2U);
    EXPECT_EQ(document.payload.tokens[2].length, 2U);
}

TEST(Document, nesting_beyond_the_limit_is_refused_and_the_writer_is_usable_again) {
    Arena arena;
    DocumentWriter writer;
    EXPECT_THROW(
        {
            for (int i = 0; i <= kMaxDocumentDepth; ++i) {
                writer.begin_array();
            }
        },
        SourceError);
    writer.begin_array();
    writer.end();
    EXPECT_EQ(writer.finish(arena).length, 1U);
}

TEST(RowBatch, rows_keep_their_values_until_clear) {
    RowBatch batch(2);
    for (int i = 0; i < 5000; ++i) {
        auto const row = batch.append_row();
        row[0] = Value::from_int64(i);
        row[1] = Value::text(batch.arena().copy("abc", 3), 3);
    }
    ASSERT_EQ(batch.row_count(), 5000U);
    EXPECT_EQ(batch.row(4999)[0].payload.int64, 4999);
    EXPECT_EQ(batch.row(17)[1].view(), "abc");
    batch.clear();
    EXPECT_EQ(batch.row_count(), 0U);
}

}  // namespace
TEST(Utf8, what_is_none_becomes_question_marks) {
    for (auto const& [given, made] : {std::pair<std::string, std::string>{"", ""},
                                      {"Åsa", "Åsa"},
                                      {"\xff\xfe\xe4", "???"},
                                      {"a\xc3", "a?"},
                                      {"\xe6\xbc", "??"},
                                      {"漢\x80\xed\xa0\x80x", "漢????x"}}) {
        std::string text = given;
        pgrepl::core::make_utf8(text.data(), text.size());
        EXPECT_EQ(text, made);
        EXPECT_TRUE(pgrepl::core::is_utf8(text));
    }
}

}  // namespace pgrepl::core
