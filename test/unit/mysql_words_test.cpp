// URL parameters, positions, bounds and values of the MySQL adapter, without a server.

#include <gtest/gtest.h>

#include <string>

#include "core/source_error.hpp"
#include "core/url.hpp"
#include "source/mysql/copy/key_bound.hpp"
#include "source/mysql/position/state_identity.hpp"
#include "source/mysql/server/connect_options.hpp"
#include "source/mysql/server/mysql_error.hpp"
#include "source/mysql/values/row_values.hpp"

namespace pgrepl {
namespace {

using mysql::StateIdentity;
using mysql::TlsMode;

mysql::ConnectOptions options(const std::string& url) { return mysql::parse_options(core::parse_source_url(url).url); }

core::SourceError answer(unsigned number) {
    return mysql::translate_error({.number = number, .message = "m", .server = "s", .user = "u", .doing = "look at"});
}

TEST(MysqlErrors, only_what_a_server_says_of_a_table_makes_it_one_that_cannot_be_opened) {
    for (unsigned const number : {1U, 1168U, 1286U, 1194U, 1524U, 1429U, 1477U, 1901U, 12701U}) {
        EXPECT_TRUE(mysql::cannot_open_table(answer(number))) << number;
    }
    // Killed connection, statement to be prepared again, unknown, lock taken away, no such table, lost connection,
    // killed query.
    for (unsigned const number : {1927U, 1615U, 1105U, 1689U, 1146U, 2013U, 1317U}) {
        EXPECT_FALSE(mysql::cannot_open_table(answer(number))) << number;
        EXPECT_TRUE(answer(number).retryable()) << number;
    }
}

TEST(MysqlOptions, hosts_ports_and_databases) {
    mysql::ConnectOptions const parsed = options("mariadb://u:p@a,b:3307,[::1]:3308/one,two");
    ASSERT_EQ(parsed.hosts.size(), 3U);
    EXPECT_EQ(parsed.hosts[0].text(), "a:3306");
    EXPECT_EQ(parsed.hosts[1].text(), "b:3307");
    EXPECT_EQ(parsed.hosts[2].text(), "[::1]:3308");
    EXPECT_EQ(parsed.hosts[2].host, "::1");
    EXPECT_EQ(parsed.databases, (std::vector<std::string>{"one", "two"}));
    EXPECT_TRUE(options("mysql://u@h").databases.empty());
}

TEST(MysqlOptions, tls_is_what_the_parameters_say) {
    EXPECT_EQ(options("mysql://u@h/d").tls, TlsMode::kPrefer);
    EXPECT_EQ(options("mysql://u@h/d?sslmode=require").tls, TlsMode::kRequire);
    EXPECT_EQ(options("mysql://u@h/d?sslrootcert=/ca.pem").tls, TlsMode::kVerifyFull);
    EXPECT_EQ(options("mysql://u@h/d?sslfingerprint=" + std::string(40, 'a')).tls, TlsMode::kFingerprint);
}

TEST(MysqlOptions, what_would_weaken_tls_unseen_is_refused) {
    for (const char* url : {"mysql://u@h/d?sslmode=yes", "mysql://u@h/d?ssl-mode=require",
                            "mysql://u@h/d?sslmode=require&sslrootcert=/ca", "mysql://u@h/d?sslfingerprint=12",
                            "mysql://u@h/d?sslfingerprint=zz"}) {
        EXPECT_THROW(options(url), core::SourceError) << url;
    }
}

/// "u:" and "v:" stand for UUIDs, also behind a comma.
StateIdentity identity(std::string text) {
    for (const char letter : {'u', 'v'}) {
        for (std::size_t at = 0; (at = text.find(std::string(1, letter) + ":", at)) != std::string::npos; at += 37) {
            text.replace(at, 1, "00000000-0000-0000-0000-00000000000" + std::string(letter == 'u' ? "1" : "2"));
        }
    }
    return StateIdentity::parse(text);
}
bool reached(const std::string& held, const std::string& mark) {
    return mysql::holds_all_of(identity(held), identity(mark));
}
bool same(const std::string& a, const std::string& b) {
    return mysql::is_same_state(StateIdentity::parse(a), StateIdentity::parse(b));
}

TEST(MysqlPosition, text_survives_parsing) {
    for (const char* text :
         {"mysql server=u gtid=u:1-5,v:tag:1-3", "mariadb server=x gtid=0-1-5 binlog=b.000001:330",
          "mysql server=u gtid=u:1-5 moment=00ff", "mariadb server=x moment=1", "mysql server=u gtid=",
          "mariadb server=x:7 gtid=0-1-5 seen=0-1-5,0-2-3 binlog=b.000001:330 log=b.000001:200:17:18:0-1-5",
          "mysql server=u gtid=u:1-5 log=binlog.000003:4:1700000000",
          "mariadb server=x gtid=0-1-5 binlog=my%20log%3A%25.000001:330 log=my%20log%3A%25.000001:200:17:18:0-1-5 "
          "passed=my%20log%3A%25.000002:4 commits=lossy",
          "mysql server=u gtid=u:1-5 owned=u:7,v:tag:2"}) {
        EXPECT_EQ(StateIdentity::parse(text).to_text(), text);
    }
    StateIdentity const spaced = StateIdentity::parse("mysql server=u passed=my%20log%3A%25.000002:4 log=a%20b.1:4:17");
    EXPECT_EQ(spaced.passed, "my log:%.000002:4");
    EXPECT_EQ(spaced.place.file, "a b.1");
    EXPECT_THROW(StateIdentity::parse("sqlite x=1"), core::SourceError);
    EXPECT_THROW(StateIdentity::parse(""), core::SourceError);
}

TEST(MysqlPosition, sets_of_mysql_are_compared_by_inclusion) {
    EXPECT_TRUE(reached("mysql server=u gtid=u:1-9", "mysql server=u gtid=u:1-5"));
    EXPECT_TRUE(reached("mysql server=u gtid=u:1-9:20-30,v:1", "mysql server=u gtid=u:3-5:25"));
    EXPECT_FALSE(reached("mysql server=u gtid=u:1-9", "mysql server=u gtid=u:1-10"));
    EXPECT_FALSE(reached("mysql server=u gtid=u:1-9", "mysql server=u gtid=u:1-9,v:1"));
    EXPECT_FALSE(reached("mysql server=u gtid=u:1-9", "mysql server=u gtid=u:t:1-2"));
    EXPECT_TRUE(reached("mysql server=u gtid=u:1-9:t:1-2", "mysql server=u gtid=u:t:1-2"));
}

TEST(MysqlPosition, what_a_session_owned_is_read_where_a_later_name_is) {
    constexpr const char* kMark = "mysql server=s gtid=u:1-5 owned=u:7,v:3";
    EXPECT_TRUE(reached("mysql server=s gtid=u:1-5:7,v:3", kMark));
    EXPECT_FALSE(reached("mysql server=s gtid=u:1-5:7", kMark));
    EXPECT_FALSE(reached("mysql server=s gtid=u:1-5", kMark));
    EXPECT_TRUE(reached("mysql server=s gtid=u:1-6", kMark));
    EXPECT_TRUE(reached("mysql server=s gtid=u:1-5:8", kMark)) << "what was owned may never come";
    EXPECT_FALSE(reached("mysql server=s gtid=u:1-4:8", kMark)) << "what was committed will";
    EXPECT_FALSE(reached("mysql server=another gtid=u:1-6", kMark)) << "its log has another order";
    EXPECT_FALSE(reached("mysql server=s gtid=u:1-5 owned=u:8", kMark)) << "a mark was not read in order";
    EXPECT_TRUE(reached("mysql server=s gtid=u:1-5 owned=u:6-7", "mysql server=s gtid=u:1-6"));
    EXPECT_FALSE(same("mysql server=u gtid=u:1-5 owned=u:7", "mysql server=u gtid=u:1-5"));
}

TEST(MysqlPosition, servers_of_mariadb_are_compared_one_by_one_within_their_domains) {
    EXPECT_TRUE(reached("mariadb server=s gtid=0-1-9,1-1-4 binlog=b:2", "mariadb server=s gtid=0-1-8 binlog=b:1"));
    EXPECT_FALSE(reached("mariadb server=s gtid=0-1-9 binlog=b:1", "mariadb server=s gtid=0-1-9,1-1-1 binlog=b:2"));
    EXPECT_TRUE(reached("mariadb server=s gtid=0-1-9", "mariadb server=another gtid=0-1-8"));
    EXPECT_FALSE(reached("mariadb server=s gtid=", "mariadb server=s gtid=0-1-1"));
    // Numbers of different servers say nothing about each other.
    EXPECT_FALSE(reached("mariadb server=s gtid=0-1-3155", "mariadb server=s gtid=0-77-11"));
    EXPECT_TRUE(reached("mariadb server=s gtid=0-1-3155 seen=0-1-3155,0-77-11", "mariadb server=s gtid=0-77-11"));
    EXPECT_FALSE(reached("mariadb server=s gtid=0-77-12 seen=0-1-3,0-77-12", "mariadb server=s gtid=0-1-4"));
}

TEST(MysqlPosition, an_empty_position_is_before_everything) {
    EXPECT_TRUE(reached("mariadb server=s gtid=0-1-9", "mariadb server=s gtid="));
    EXPECT_TRUE(reached("mariadb server=s gtid=", "mariadb server=s gtid= binlog=b.000002:330"));
    EXPECT_TRUE(reached("mysql server=u gtid=", "mysql server=v gtid="));
    EXPECT_FALSE(reached("mysql server=u gtid=", "mysql server=u gtid=u:1"));
    // It is not told where this is.
    EXPECT_FALSE(reached("mariadb server=s gtid=0-1-9", "mariadb server=s binlog=b:1"));
    EXPECT_FALSE(reached("mariadb server=s gtid=", "mariadb server=s binlog=b:1"));
}

TEST(MysqlPosition, a_state_is_older_if_it_lacks_something_and_has_nothing_else) {
    auto const older = [](const std::string& state, const std::string& other) {
        return mysql::is_older(identity(state), identity(other));
    };
    EXPECT_TRUE(older("mysql server=u gtid=u:1-5", "mysql server=v gtid=u:1-9"));
    EXPECT_TRUE(older("mysql server=u gtid=u:1-5 moment=1", "mysql server=v gtid=u:1-9 moment=2"));
    EXPECT_FALSE(older("mysql server=u gtid=u:1-9", "mysql server=v gtid=u:1-9"));
    EXPECT_FALSE(older("mysql server=u gtid=u:1-9 moment=1", "mysql server=u gtid=u:1-9 moment=2"));
    EXPECT_FALSE(older("mysql server=u gtid=u:1-5,v:1", "mysql server=u gtid=u:1-9")) << "of another history";
    EXPECT_FALSE(older("mysql server=u moment=1", "mysql server=u moment=2")) << "there is no log to tell";
    EXPECT_TRUE(older("mariadb server=s gtid=0-1-5 binlog=b.000001:5", "mariadb server=another gtid=0-1-9 seen=0-1-9"));
    EXPECT_TRUE(older("mariadb server=s binlog=b.000001:5", "mariadb server=s binlog=b.000001:9"));
    EXPECT_FALSE(older("mariadb server=s gtid=0-2-5", "mariadb server=s gtid=0-1-9"));
}

TEST(MysqlPosition, servers_are_told_apart_by_what_stays) {
    auto const alike = [](const std::string& a, const std::string& b) {
        return mysql::is_same_server(StateIdentity::parse(a), StateIdentity::parse(b));
    };
    EXPECT_TRUE(alike("mariadb server=abc=:7", "mariadb server=def=:7"));
    EXPECT_FALSE(alike("mariadb server=abc=:7", "mariadb server=abc=:17"));
    EXPECT_TRUE(alike("mysql server=u", "mysql server=u"));
    EXPECT_FALSE(alike("mysql server=u", "mysql server=v"));
    EXPECT_FALSE(alike("mysql server=u:7", "mariadb server=u:7"));
}

TEST(MysqlPosition, places_survive_parsing_and_bad_ones_are_refused) {
    using mysql::LogPlace;
    for (const char* text : {"", "b.000001:4:1700000000", "b.000001:330:1700000000:1700000001000002:u:tag:7"}) {
        EXPECT_EQ(LogPlace::parse(text).text(), text);
    }
    for (const char* bad :
         {"b", "b:4", "b:4:5:6", "b:x:5", "b:4:5:6:", ":4:5", "b:99999999999:5", "b:-4:5", "b:4:5x"}) {
        EXPECT_THROW(LogPlace::parse(bad), core::SourceError) << bad;
    }
    LogPlace spaced;
    spaced.file = "my log:.000001";
    EXPECT_EQ(spaced.text(), "my%20log%3A.000001:0:0");
    EXPECT_EQ(LogPlace::parse(spaced.text()).file, spaced.file);
}

TEST(MysqlPosition, log_files_are_numbered) {
    EXPECT_EQ(mysql::split_file_name("a.b.000012").number, 12U);
    EXPECT_EQ(mysql::split_file_name("a.b.000012").base, "a.b");
    EXPECT_EQ(mysql::split_file_name("binlog").number, 0U);
    EXPECT_EQ(mysql::split_file_name("binlog.00x").number, 0U);
    EXPECT_EQ(mysql::file_before("b.000010"), "b.000009");
    EXPECT_EQ(mysql::file_before("b.1000000"), "b.999999");
    EXPECT_EQ(mysql::file_before("b.000001"), "");
    EXPECT_EQ(mysql::file_before("b"), "");
}

TEST(MysqlPosition, a_moment_is_nobody_elses_state) {
    EXPECT_FALSE(same("mysql server=u gtid=u:1-5 moment=1", "mysql server=u gtid=u:1-5"));
    EXPECT_FALSE(reached("mysql server=u gtid=u:1-9", "mysql server=u gtid=u:1-5 moment=1"));
    EXPECT_TRUE(reached("mysql server=u gtid=u:1-9 moment=1", "mysql server=u gtid=u:1-5"));
    EXPECT_TRUE(reached("mysql server=u moment=1", "mysql server=u moment=1"));
    EXPECT_FALSE(same("mysql server=u gtid=u:1-5", "mysql server=v gtid=u:1-5"));
    EXPECT_TRUE(same("mariadb server=s gtid=0-1-5 binlog=a:1", "mariadb server=s gtid=0-1-5 binlog=b:330"));
}

TEST(MysqlBounds, literals_hold_nothing_but_values) {
    mysql::KeyPart number;
    mysql::KeyPart text;
    text.form = mysql::BoundForm::kText;
    text.charset = "latin1";
    mysql::KeyPart moment;
    moment.form = mysql::BoundForm::kQuoted;
    std::vector<mysql::KeyPart> const key = {number, text, moment};
    std::string const bound = mysql::join_bound(
        {mysql::number_bound("-5"), mysql::bytes_bound("a'\xff"), mysql::quoted_bound("2024-01-31 10:00:00")});
    std::vector<std::string> const parts = mysql::parse_bound(bound, key);
    ASSERT_EQ(parts.size(), 3U);
    EXPECT_EQ(mysql::literal_of(parts[0], number), "-5");
    EXPECT_EQ(mysql::literal_of(parts[1], text), "_latin1 x'6127FF'");
    EXPECT_EQ(mysql::literal_of(parts[2], moment), "'2024-01-31 10:00:00'");
    EXPECT_EQ(mysql::parse_bound("n:7", key).size(), 1U);
    EXPECT_TRUE(mysql::parse_bound("", key).empty());
    for (const char* bad : {"n:", "n:1 OR 1", "x:61", "n:1,x:6", "n:1,x:zz", "n:1,n:2", "n:1,x:61,s:61,n:4", "5"}) {
        EXPECT_THROW(mysql::parse_bound(bad, key), core::SourceError) << bad;
    }
    EXPECT_THROW(mysql::literal_of(mysql::quoted_bound("x' OR '1"), moment), core::SourceError);
}

std::string time_text(std::initializer_list<unsigned char> bytes, unsigned fraction) {
    char text[mysql::kMostTimeText];
    return {text, static_cast<std::size_t>(mysql::print_time(bytes.begin(), fraction, text) - text)};
}

TEST(MysqlValues, times_have_a_sign_and_any_hours) {
    EXPECT_EQ(time_text({0}, 0), "00:00:00");
    EXPECT_EQ(time_text({8, 1, 34, 0, 0, 0, 22, 59, 59}, 2), "-838:59:59.00");
    EXPECT_EQ(time_text({12, 0, 0, 0, 0, 0, 1, 2, 3, 64, 226, 1, 0}, 6), "01:02:03.123456");
}

TEST(MysqlValues, sets_and_zero_filled_numbers) {
    core::Arena arena;
    EXPECT_EQ(mysql::without_leading_zeros("-0001.50", arena), "-1.50");
    EXPECT_EQ(mysql::without_leading_zeros("0000", arena), "0");
    EXPECT_EQ(mysql::without_leading_zeros("000.5", arena), "0.5");
    EXPECT_EQ(mysql::label_array("", arena).length, 1U);
    EXPECT_EQ(mysql::label_array("a,b", arena).length, 3U);
    EXPECT_EQ(mysql::label_array(5, {"x", "y", ""}, arena).payload.tokens[0].length, 2U);
}

}  // namespace
}  // namespace pgrepl
