// Source URLs: what is accepted, what is refused, and that no secret gets out.

#include <gtest/gtest.h>

#include "core/source_error.hpp"
#include "core/url.hpp"

namespace pgrepl::test {
namespace {

std::string error_text(const std::string& url) {
    try {
        (void)core::parse_source_url(url);
    } catch (const core::SourceError& error) {
        EXPECT_EQ(error.kind(), core::SourceErrorKind::kInvalidUrl);
        EXPECT_FALSE(error.retryable());
        return error.text() + "|" + error.detail() + "|" + error.hint();
    }
    ADD_FAILURE() << url << " was accepted";
    return {};
}

TEST(SourceUrl, relative_and_odd_sqlite_paths_survive_storing) {
    for (const char* text :
         {"sqlite:rel/a.db", "sqlite:///a%20b/%25%3F%23.db", "rel.sqlite3", "/x/ü.db", "/x/a?b#c%41.db"}) {
        core::SourceUrl const url = core::parse_source_url(text).url;
        EXPECT_EQ(url.kind, "sqlite") << text;
        EXPECT_EQ(core::parse_source_url(url.without_secret()).url.path, url.path) << url.without_secret();
    }
    EXPECT_EQ(core::parse_source_url("/x/a?b#c%41.db").url.path, "/x/a?b#c%41.db");
    EXPECT_EQ(core::parse_source_url("sqlite:///a%20b/%25%3F%23.db").url.path, "/a b/%?#.db");
}

TEST(SourceUrl, hosts_may_be_many_and_ipv6_and_ports_must_be_ports) {
    EXPECT_EQ(core::parse_source_url("mongodb://a:1,[::1]:65535,b/db").url.hosts, "a:1,[::1]:65535,b");
    for (const char* text :
         {"mysql://h:0/db", "mysql://h:65536/db", "mysql://h:x/db", "mysql://h:/db", "mysql://:3306/db",
          "mysql://[::1/db", "mongodb://a,,b/db", "mysql://h h/db", "mysql:///db", "mysql:h"}) {
        (void)error_text(text);
    }
}

TEST(SourceUrl, a_password_is_never_quoted_in_an_error) {
    for (const char* text :
         {"mysql://u:geheim/x/db", "mysql://u:geheim", "mysql://u:12?geheim&geheim",
          "mysql://u:12?geheim_secret!=1@h/db", "mysql://u:12?geheim@h/db", "u:geheim@mysql://h/db",
          "mysql://u:a@h/db?password=geheim", "mysql://u:geheim%zz@h/db", "mysql://u:geheim%ff@h/db",
          "mysql://u:1#geheim@h:x", "geheim", "nosuch://u:geheim@h/db", "postgresql://u@h/db?sslpassword=geheim",
          "mongodb://h/db?authMechanismProperties=AWS_SESSION_TOKEN:geheim", "u:geheim@h/x.db",
          "sqlite:u:geheim@h/x.db"}) {
        EXPECT_EQ(error_text(text).find("geheim"), std::string::npos) << text;
        EXPECT_EQ(core::redact_url(text).find("geheim"), std::string::npos) << core::redact_url(text);
    }
}

TEST(SourceUrl, a_reference_to_a_password_is_no_secret_and_is_kept) {
    for (const char* const text :
         {"mysql://user:env:MY_PASSWORD@host:3306/db", "mysql://user:file:/etc/secret/pw@host/db"}) {
        core::ParsedUrl const parsed = core::parse_source_url(text);
        EXPECT_FALSE(parsed.has_password);
        EXPECT_EQ(parsed.password, "");
        EXPECT_EQ(parsed.url.without_secret(), text);
        EXPECT_EQ(core::parse_source_url(parsed.url.without_secret()).url.password_reference,
                  parsed.url.password_reference);
    }
    EXPECT_EQ(core::parse_source_url("mysql://user@host/db?passfile=/etc/pgpass").url.query.at("passfile"),
              "/etc/pgpass");
    EXPECT_EQ(core::parse_source_url("mysql://user:environment@host/db").password, "environment");
}

TEST(SourceUrl, parameters_and_passwords_are_given_once_and_as_utf8) {
    (void)error_text("mysql://h/db?a=1&a=2");
    (void)error_text("mysql://u:a@h/db?password=b");
    (void)error_text("mysql://h/%ff");
    (void)error_text("sqlite:///%c3");
    (void)error_text("sqlite:///a%00b");
    EXPECT_EQ(core::parse_source_url("mysql://u:p%C3%A4%40@h/db").password, "pä@");
}

}  // namespace
TEST(SourceUrl, of_a_refused_one_neither_user_nor_parameters_are_shown) {
    using pgrepl::core::redact_refused_url;
    for (const char* const text :
         {"mysql://geheim@h:1/d?passwd=geheim", "mysql://u:geheim@h:1/d?x=geheim", "mysql://u@h/d#password=geheim",
          "mysql://u@h/d;pwd=geheim", "mysql://u@h/x%3Ageheim@h", "u:geheim@h", "mysql:u:geheim@h",
          "mysql://h?key=geheim", "jdbc:mysql://h/d?user=u&password=geheim", "pwd=geheim://x",
          "postgres://h/d?sslpassword=geheim", "u:geheim@h/x.db", "sqlite:u:geheim@h/x"}) {
        std::string const shown = redact_refused_url(text);
        EXPECT_EQ(shown.find("geheim"), shown.npos) << shown;
        EXPECT_NE(shown.find("***"), shown.npos) << shown;
    }
    EXPECT_EQ(redact_refused_url("mysql://h:3306/shop"), "mysql://h:3306/shop");
    EXPECT_EQ(redact_refused_url("mysql://u:p@h:3306/shop?sslmode=off"), "mysql://***@h:3306/shop?***");
    EXPECT_EQ(redact_refused_url("sqlite:///a/b.db"), "sqlite:///a/b.db");
    EXPECT_THROW((void)pgrepl::core::parse_source_url("mysql://u@h/d#password=geheim"), pgrepl::core::SourceError);
    EXPECT_NO_THROW((void)pgrepl::core::parse_source_url("mysql://u:p%23w@h/d%23"));
}

}  // namespace pgrepl::test
