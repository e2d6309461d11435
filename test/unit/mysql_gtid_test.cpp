// Sets and positions of GTIDs: text, set operations, the encodings of the protocol.

#include <gtest/gtest.h>

#include "core/source_error.hpp"
#include "source/mysql/position/gtid_maria.hpp"
#include "source/mysql/position/gtid_mysql.hpp"

namespace pgrepl::test {
namespace {

using mysql::MariaGtidPosition;
using mysql::MysqlGtidSet;

constexpr const char* kA = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
constexpr const char* kB = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

std::string normal(const std::string& text) { return MysqlGtidSet::parse(text).text(); }

MysqlGtidSet decoded(const std::string& bytes) {
    mysql::EventPlace const place;
    mysql::ByteReader reader({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, place);
    MysqlGtidSet set = MysqlGtidSet::decode(reader);
    EXPECT_TRUE(reader.at_end());
    return set;
}

TEST(MysqlGtid, sets_are_read_in_any_form_and_written_in_one) {
    std::string const a = kA;
    EXPECT_EQ(normal(""), "");
    EXPECT_EQ(normal(a + ":1"), a + ":1");
    EXPECT_EQ(normal("3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5:7 ,\n " + std::string(kB) + ":9"),
              a + ":1-5:7," + kB + ":9");
    EXPECT_EQ(normal(a + ":7:1-3:4-6"), a + ":1-7");
    EXPECT_EQ(normal(a + ":1-3:Tag:4:6-7:other:1"), a + ":1-3:other:1:tag:4:6-7");
    EXPECT_EQ(normal(a + ":tag:4," + a + ":1"), a + ":1:tag:4");
    EXPECT_EQ(normal(a + ":1-9223372036854775806"), a + ":1-9223372036854775806");
}

TEST(MysqlGtid, what_is_no_set_is_refused) {
    std::string const a = kA;
    for (const std::string& text : {std::string("x"), a, a + ":", a + ":0", a + ":5-3", a + ":-1", a + ":1-",
                                    a + ":tag", a + ":9223372036854775807", a + "0:1", a + ":1::2", a + ":ta-g:1",
                                    a + ":abcdefghijklmnopqrstuvwxyz0123456789:1"}) {
        EXPECT_THROW(MysqlGtidSet::parse(text), core::SourceError) << text;
    }
}

TEST(MysqlGtid, adding_joins_what_touches) {
    mysql::GtidOrigin const origin{};
    MysqlGtidSet set;
    for (std::int64_t const number : {5, 1, 3, 2, 9, 4, 5}) {
        set.add(origin, number);
    }
    EXPECT_EQ(set.text(), "00000000-0000-0000-0000-000000000000:1-5:9");
    set.add(origin, {6, 9});
    EXPECT_EQ(set.text(), "00000000-0000-0000-0000-000000000000:1-9");
}

TEST(MysqlGtid, a_set_contains_its_parts) {
    std::string const a = kA;
    auto const set = MysqlGtidSet::parse(a + ":1-10:20-30:tag:5");
    EXPECT_TRUE(set.contains(MysqlGtidSet::parse(a + ":2-9:20:30")));
    EXPECT_TRUE(set.contains(MysqlGtidSet::parse(a + ":tag:5")));
    EXPECT_TRUE(set.contains(MysqlGtidSet{}));
    EXPECT_FALSE(set.contains(MysqlGtidSet::parse(a + ":9-11")));
    EXPECT_FALSE(set.contains(MysqlGtidSet::parse(a + ":tag:6")));
    EXPECT_FALSE(set.contains(MysqlGtidSet::parse(std::string(kB) + ":1")));
    MysqlGtidSet both = set;
    both.add(MysqlGtidSet::parse(std::string(kB) + ":1," + a + ":11-19"));
    EXPECT_EQ(both.text(), a + ":1-30:tag:5," + kB + ":1");
}

TEST(MysqlGtid, encodings_are_read_back) {
    std::string const a = kA;
    for (const std::string& text : {std::string(), a + ":1-5:7", a + ":1," + kB + ":2-3", a + ":1:tag:3-4"}) {
        EXPECT_EQ(decoded(MysqlGtidSet::parse(text).encode()).text(), text);
    }
    // As knowledge of the wire has it: count, UUID, intervals with their ends excluded.
    std::string const plain = MysqlGtidSet::parse(a + ":1-5").encode();
    EXPECT_EQ(plain.size(), 8U + 16 + 8 + 16);
    EXPECT_EQ(plain[0], 1);
    EXPECT_EQ(plain[plain.size() - 8], 6);
    std::string const tagged = MysqlGtidSet::parse(a + ":t:1").encode();
    EXPECT_EQ(tagged.substr(0, 8), std::string("\1\1\0\0\0\0\0\1", 8));
    EXPECT_EQ(tagged.substr(24, 2), "\2t");
}

TEST(MariaGtid, positions_are_read_and_written) {
    EXPECT_EQ(MariaGtidPosition::parse("").text(), "");
    EXPECT_EQ(MariaGtidPosition::parse("5-1-7, 0-33-18446744073709551615").text(), "0-33-18446744073709551615,5-1-7");
    for (const char* text : {"1", "1-2", "1-2-", "1-2-3,", ",1-2-3", "1-2-3,1-3-4", "a-1-2", "1-2-3 4-5-6", "1--2-3"}) {
        EXPECT_THROW(MariaGtidPosition::parse(text), core::SourceError) << text;
    }
}

TEST(MysqlGtid, transactions_are_taken_out) {
    auto const without = [](const std::string& set, const std::string& removed) {
        MysqlGtidSet left = MysqlGtidSet::parse(set);
        left.remove(MysqlGtidSet::parse(removed));
        return left.text();
    };
    std::string const a = kA;
    EXPECT_EQ(without(a + ":1-9", a + ":9"), a + ":1-8");
    EXPECT_EQ(without(a + ":1-9", a + ":1"), a + ":2-9");
    EXPECT_EQ(without(a + ":1-9:20", a + ":5"), a + ":1-4:6-9:20");
    EXPECT_EQ(without(a + ":1-9", a + ":3-4:7-30"), a + ":1-2:5-6");
    EXPECT_EQ(without(a + ":1," + kB + ":1", a + ":1"), std::string(kB) + ":1");
    EXPECT_EQ(without(a + ":1", std::string(kB) + ":1"), a + ":1");
    EXPECT_EQ(without(a + ":1:tag:1-2", a + ":tag:1"), a + ":1:tag:2");
}

TEST(MariaGtid, a_state_holds_each_server_of_a_domain) {
    auto state = mysql::MariaGtidState::parse("0-1-3155,7-1-2");
    state.advance({0, 77, 11});
    EXPECT_EQ(state.text(), "0-1-3155,0-77-11,7-1-2");
    EXPECT_TRUE(state.contains({0, 1, 3155}));
    EXPECT_TRUE(state.contains({0, 77, 11}));
    EXPECT_FALSE(state.contains({0, 77, 12}));
    EXPECT_FALSE(state.contains({0, 2, 1}));
    EXPECT_FALSE(state.lacks(mysql::MariaGtidState::parse("0-77-3")));
    EXPECT_EQ(state.lacks(mysql::MariaGtidState::parse("0-1-1,0-2-7"))->text(), "0-2-7");
    EXPECT_TRUE(state.knows_domain(7));
    EXPECT_FALSE(state.knows_domain(1));
    state.forget(0);
    EXPECT_EQ(state.text(), "7-1-2");
    EXPECT_THROW(mysql::MariaGtidState::parse("0-1"), core::SourceError);
}

TEST(MariaGtid, positions_advance_and_compare_by_domain) {
    auto position = MariaGtidPosition::parse("0-1-10,1-1-5");
    auto const before = position;
    position.advance({0, 2, 11});
    EXPECT_EQ(position.text(), "0-2-11,1-1-5");
    EXPECT_EQ(position.compare(before), std::partial_ordering::greater);
    EXPECT_EQ(before.compare(position), std::partial_ordering::less);
    EXPECT_EQ(before.compare(before), std::partial_ordering::equivalent);
    EXPECT_EQ(position.compare(MariaGtidPosition::parse("1-1-6")), std::partial_ordering::unordered);
    EXPECT_TRUE(position.contains(mysql::MariaGtid{0, 9, 11}));
    EXPECT_FALSE(position.contains(mysql::MariaGtid{7, 1, 1}));
    EXPECT_EQ(position.last_of(1).sequence, 5U);
}

}  // namespace
}  // namespace pgrepl::test
