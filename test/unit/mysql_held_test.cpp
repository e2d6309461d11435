// Distributed transactions that wait for their end: held in bounded memory, the newest before the oldest.

#include <gtest/gtest.h>

#include <vector>

#include "source/mysql/stream/held_transactions.hpp"

using namespace pgrepl;
using mysql::HeldTransactions;

namespace {

constexpr std::size_t kRoom = 4000;

void hold(HeldTransactions& held, const std::string& xid, std::size_t event_bytes) {
    std::vector<std::uint8_t> const body(event_bytes, 7);
    std::string const file = "log.000001";
    mysql::Event event;
    event.header.type = mysql::EventType::kTableMap;
    event.place = {file, 120, event.header.type};
    event.body = body;
    held.begin();
    held.add(event);
    held.keep(xid);
}

TEST(MysqlHeld, a_transaction_is_given_once_as_it_was) {
    HeldTransactions held(kRoom);
    hold(held, "a", 3);
    auto const events = held.take("a");
    ASSERT_TRUE(events && events->size() == 1);
    mysql::Event const event = events->front().event();
    EXPECT_EQ(event.header.type, mysql::EventType::kTableMap);
    EXPECT_EQ(event.place.file, "log.000001");
    EXPECT_EQ(event.place.position, 120);
    EXPECT_EQ(std::vector<std::uint8_t>(event.body.begin(), event.body.end()), (std::vector<std::uint8_t>{7, 7, 7}));
    EXPECT_FALSE(held.take("a"));
}

TEST(MysqlHeld, the_oldest_makes_room) {
    HeldTransactions held(kRoom);
    hold(held, "first", 1500);
    hold(held, "second", 1500);
    hold(held, "third", 1500);
    EXPECT_FALSE(held.take("first"));
    EXPECT_TRUE(held.take("second"));
    hold(held, "fourth", 1500);
    EXPECT_TRUE(held.take("third"));
    EXPECT_TRUE(held.take("fourth"));
}

TEST(MysqlHeld, what_is_too_large_leaves_the_others_alone) {
    HeldTransactions held(kRoom);
    hold(held, "small", 100);
    hold(held, "large", kRoom + 1);
    EXPECT_FALSE(held.take("large"));
    EXPECT_TRUE(held.take("small"));
}

TEST(MysqlHeld, of_one_name_the_last_counts) {
    HeldTransactions held(kRoom);
    hold(held, "a", 1);
    hold(held, "a", 2);
    auto const events = held.take("a");
    ASSERT_TRUE(events);
    EXPECT_EQ(events->front().event().body.size(), 2);
    hold(held, "a", 1);
    hold(held, "a", kRoom + 1);
    EXPECT_FALSE(held.take("a"));
}

TEST(MysqlHeld, nothing_is_held_of_what_did_not_begin_or_was_discarded) {
    HeldTransactions held(kRoom);
    held.keep("none");
    EXPECT_FALSE(held.take("none"));
    held.begin();
    held.discard();
    held.keep("none");
    EXPECT_FALSE(held.take("none"));
}

}  // namespace
