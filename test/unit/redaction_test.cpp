// Passwords in texts that may be anything.

#include <gtest/gtest.h>

#include <iterator>
#include <random>

#include "core/redaction.hpp"
#include "core/source_error.hpp"
#include "core/url.hpp"

namespace {

using pgrepl::core::redacted;
using pgrepl::core::RedactWhat;

TEST(Redaction, passwords_in_urls_of_sources_go_wherever_they_stand) {
    for (const char* const text : {"mysql://u:geheim@h/db",
                                   "MariaDB://u:geheim@h",
                                   "SELECT replicator_init('mysql://u:geheim@h', name => 'x@y')",
                                   "'mysql://u:gehe''im@h'",
                                   "parameters: $1 = 'mysql://u:gehe im@h', $2 = 'x'",
                                   "$$mysql://u:geheim@h$$ x@y",
                                   "$tag$mysql://u:gehe$im@h$tag$",
                                   "source \"mysql://u:geh@eim@h/db\" does not exist",
                                   "mysql://u:geh/eim@h:1/db",
                                   "\"mysql://u:geheim",
                                   "parameters: $1 = 'mysql://u:1geheim...'",
                                   "mysql://u@h/db?password=geheim&x=y",
                                   "two: mysql://u:geheim@h1 and mongodb+srv://u:geheim@h2",
                                   "mysql://u:gehe\"im@h",
                                   "'mysql://u:ab\\''geheim@h'",
                                   "E'mysql://u:ab\\'geheim@h'",
                                   "(mysql://u:it's_geheim@h)",
                                   "mysql://u@h/db?password=a;geheim",
                                   "(mysql://h/db?password=a)geheim) exists",
                                   "'mysql://h/?%70asswor%64=geheim x'",
                                   "'mysql://h/?password=it''s geheim&x=y'",
                                   "mysql://h/db?x=y:z&password=geheim",
                                   "mysql://u:1@h?password=2@geheim",
                                   "'mysql:' || '//h/db?password=a;geheim'",
                                   "{\"u\": \"mysql://u:gehe\\\"im@h\"}"}) {
        std::string const shown = redacted(text, RedactWhat::kSourceUrls);
        EXPECT_EQ(shown.find("gehe"), shown.npos) << shown;
        EXPECT_EQ(shown.find("im@h"), shown.npos) << shown;
        EXPECT_NE(shown.find("***"), shown.npos) << shown;
    }
}

/// What is shown of `text` holds nothing of a password that has the letters of kPassword.
constexpr const char* kPassword = "GEHEIM";

std::string quoted(const std::string& text, char quote, bool doubled, bool backslashes) {
    std::string out(1, quote);
    for (char const c : text) {
        out += (c == quote && doubled) ? std::string(2, c) : std::string(1, c);
        if ((c == '\\' && backslashes) || (c == quote && !doubled)) {
            out.insert(out.size() - 1, "\\");
        }
    }
    return out + quote;
}

/// Of every URL that we take, wherever the server may quote it.
TEST(Redaction, what_the_parser_takes_for_a_password_is_seen_in_any_text) {
    std::mt19937 random(1);
    auto const one_of = [&](const auto& these) { return std::string(these[random() % std::size(these)]); };
    constexpr const char* kPieces[] = {
        "@", ":", "/", "?", "#", "=",  "%",  "%40", "'", "\"", "\\", " ",    "[",   "]",        "\\'", "''", "<",
        "$", "{", "}", ",", ";", "\t", "\n", "`",   "(", ")",  "$$", "env:", "***", "password", "%70", "12", "\u00fc"};
    constexpr const char* kUsers[] = {"u", "", "b%6fb", "b@b", "it's"};
    constexpr const char* kHosts[] = {"h", "127.0.0.1:3306", "[::1]:3306", "h1,h2:3"};
    constexpr const char* kPaths[] = {"", "/", "/d", "/d?sslmode=disable", "?x=y:z"};
    constexpr const char* kNames[] = {"password", "%70assw%6Frd"};
    int taken = 0;
    for (int i = 0; i < 5'000; ++i) {
        std::string password;
        for (std::size_t pieces = random() % 5; pieces > 0; --pieces) {
            password += one_of(kPieces);
        }
        password.insert(random() % (password.size() + 1), kPassword);
        std::string const user = one_of(kUsers);
        std::string const url =
            random() % 3 == 0 ? "mysql://" + user + "@" + one_of(kHosts) + "/d?a=b&" + one_of(kNames) + "=" + password
                              : "mysql://" + user + ":" + password + "@" + one_of(kHosts) + one_of(kPaths);
        try {
            if (pgrepl::core::parse_source_url(url).password.find(kPassword) == std::string::npos) {
                continue;
            }
        } catch (const pgrepl::core::SourceError&) {
            continue;
        }
        ++taken;
        std::string const bare = url.find_first_of(" \t\n") == url.npos ? "Key (url)=(" + url + ") exists." : "";
        for (const std::string& text :
             {"VALUES (" + quoted(url, '\'', true, false) + ", 'x')",
              "VALUES (E" + quoted(url, '\'', false, true) + ", 'x')", "VALUES ($a$" + url + "$a$, 'x')",
              "{\"a\": " + quoted(url, '"', false, true) + ", \"b\": 1}", bare}) {
            std::string const shown = redacted(text, RedactWhat::kSourceUrls);
            EXPECT_EQ(shown.find(kPassword), shown.npos) << text << "\n" << shown;
        }
    }
    EXPECT_GT(taken, 2'500);
}

TEST(Redaction, what_is_no_password_stays) {
    for (const char* const text : {"mysql://u@h:3306/db",
                                   "mysql://h:3306",
                                   "mysql://h1:1,h2:2/db?x=y",
                                   "mysql://[::1]:3306/db",
                                   "mysql://u:env:PW@h/db",
                                   "mysql://u:file:/pw@h/db",
                                   "mysql://u:***@h",
                                   "mysql://u:***@h/d?a=b",
                                   "mysql://h/d?password=***&a=b c",
                                   "mysql://h/d?password=env:PW&a=b",
                                   "mysql://h/d?passfile=/a",
                                   "postgres:///d?a=b",
                                   "sqlite:///a:b@c",
                                   "scheme://user:password@host",
                                   "",
                                   ":",
                                   "://",
                                   "mysql://",
                                   "mysql://u:",
                                   "https://u:p@h",
                                   "password = 'x'",
                                   "no password",
                                   "(using password: YES)"}) {
        EXPECT_EQ(redacted(text, RedactWhat::kSourceUrls), text);
    }
}

TEST(Redaction, of_arguments_urls_of_any_scheme_and_words_count) {
    for (const char* const text :
         {"https://u:geheim@h", "host=h password=geheim user=u", "password = 'geheim'", "{\"password\": \"geheim\"}",
          "{\"sslPassword\":\"geheim\", \"x\": 1}", "mysql://h/d?SECRET=geheim", "Server=h;Uid=u;Pwd=geheim;",
          "MYSQL_PWD=geheim mysql", "{\"passwd\": \"geheim\"}"}) {
        std::string const shown = redacted(text, RedactWhat::kAll);
        EXPECT_EQ(shown.find("geheim"), shown.npos) << shown;
        EXPECT_TRUE(pgrepl::core::holds_password(text, RedactWhat::kAll));
        EXPECT_FALSE(pgrepl::core::holds_password(shown, RedactWhat::kAll)) << shown;
    }
    for (const char* const text : {"{\"indexes\": {\"password\": [\"data->>'a'\"]}}", "shop", "{database}_{schema}",
                                   "passwords", "secret*", "{\"gin\": [\"password\"]}", "sqlite:///a:b@c"}) {
        EXPECT_FALSE(pgrepl::core::holds_password(text, RedactWhat::kAll)) << text;
    }
}

TEST(Redaction, a_text_never_grows) {
    EXPECT_EQ(redacted(" mysql://u:p@h mysql://u:pw@h", RedactWhat::kSourceUrls), " mysql://u:*@h mysql://u:**@h");
}

/// Minutes for each before; nothing else can end a process that logs.
TEST(Redaction, a_long_password_is_hidden_to_its_end) {
    std::string password;
    while (password.size() < 3000) {
        password += "geheim\u00e9@";
    }
    for (const char* const before :
         {"mysql://u:", "x => 'mysql://u:", "'postgresql://u:", "?password=", "password => 1, \"password\": \""}) {
        for (const char* const after : {"@h/db'", "@h/db\" "}) {
            std::string const shown = pgrepl::core::redacted(std::string(before) + password + after, RedactWhat::kAll);
            EXPECT_EQ(shown.find("geheim"), shown.npos) << before << after << ": " << shown;
            EXPECT_EQ(shown.find('\xa9'), shown.npos);
        }
    }
}

/// What is looked for in one URL is looked for in the next, too: each byte once for each kind of it, and for each URL
/// no more than a few.
TEST(Redaction, a_long_text_is_not_looked_through_for_each_of_its_urls) {
    for (const char* const part :
         {"('mysql://h/db'),", "''mysql://h:1/", "\\'mysql://h:1/", "$mysql://h:1/", " mysql://h", "mysql://[/ ",
          "mysql://[", "mysql://h:1/", "mysql:///", "mysql:///?x&", "mysql://?&pwd", "mysql://?&a=pwd=", "aaaaaaaa://",
          "x://", "password= ", "?password=''"}) {
        std::string text;
        while (text.size() < 200'000) {
            text += part;
        }
        EXPECT_FALSE(pgrepl::core::holds_password(text, RedactWhat::kSourceUrls)) << part;
        for (RedactWhat const what : {RedactWhat::kSourceUrls, RedactWhat::kAll}) {
            std::string shown = text;
            std::size_t looked_at = 0;
            (void)pgrepl::core::redact_in_place(shown.data(), shown.size(), what, &looked_at);
            EXPECT_LE(looked_at, 16 * text.size()) << part;
        }
    }
}

/// Where what is looked at ends, too.
TEST(Redaction, a_quote_that_is_doubled_does_not_end_a_password_wherever_it_stands) {
    for (std::size_t size = 990; size < 1030; ++size) {
        for (const char* const before : {"'mysql://u:", "password => 1, \"password\": '"}) {
            std::string const shown = redacted(before + std::string(size, 'x') + "''GEHEIM@h', 1", RedactWhat::kAll);
            EXPECT_EQ(shown.find("GEHEIM"), shown.npos) << size << before;
        }
    }
}

/// What a person may put into any argument.
TEST(Redaction, an_argument_of_a_refused_call_is_hidden_when_in_doubt) {
    for (const char* const text :
         {"mysql:u:geheim@h", "u:geheim@h", "//u:geheim@h/d", "mysql%3A%2F%2Fu%3Ageheim%40h", "host=h pass=geheim",
          "PWD = geheim", "token: geheim", "{\"api_key\": \"geheim\"}", "{\"password\": [\"geheim\"]}",
          "--password geheim", "mysql -u u -pgeheim", "-pgeheim", "CREATE USER u PASSWORD 'geheim'",
          "IDENTIFIED BY 'geheim'", "Authorization: Bearer geheim", "h:3306:d:u:geheim",
          "{\"auth\": {\"x\": \"geheim\"}}"}) {
        EXPECT_TRUE(pgrepl::core::may_hold_secret(text)) << text;
    }
    for (const char* const text :
         {"shop", "{database}_{schema}", "data->>'id'", "{\"keys\": {\"t\": [\"id\"]}}", "1 day", "00:05:00", "",
          "{\"keyless_refresh_interval\": \"3s\", \"on_position_lost\": \"resync\"}", "{\"gin\": \"jsonb_path_ops\"}",
          "store.*, !store.log", "no password", "100%"}) {
        EXPECT_FALSE(pgrepl::core::may_hold_secret(text)) << text;
    }
}

}  // namespace
