// Events of the recorded binlogs, other than their rows; and parts that no recording shows.

#include <gtest/gtest.h>

#include "source/mysql/values/collations.hpp"
#include "source/mysql/wire/varlen.hpp"
#include "test/unit/mysql_corpus.hpp"
#include "test/unit/mysql_event_walk.hpp"
#include "test/unit/mysql_value_text.hpp"

namespace pgrepl::test {
namespace {

using mysql::EventType;

class MysqlEvents : public testing::Test {
  protected:
    explicit MysqlEvents(const char* name = "mysql97") : corpus_(load_corpus(name)) {}

    void read_all() {
        walk_.complete = [&](mysql::EventTable& table) { corpus_.complete(table); };
        for (mysql::ByteSpan const event : corpus_.events) {
            try {
                walk_.read(event);
            } catch (const core::SourceError&) {
            }
        }
    }
    /// The events of one type, framed.
    std::vector<mysql::Event> all(EventType type) {
        mysql::EventFramer framer(mysql::ChecksumAlgorithm::kCrc32);
        std::vector<mysql::Event> events;
        for (mysql::ByteSpan const bytes : corpus_.events) {
            mysql::Event const event = framer.open(bytes, "binlog.000007", 4);
            if (event.header.type == type) {
                events.push_back(event);
            }
        }
        return events;
    }

    Corpus const corpus_;
    EventWalk walk_{mysql::ChecksumAlgorithm::kCrc32};
};
class MariaEvents : public MysqlEvents {
  protected:
    MariaEvents() : MysqlEvents("mariadb1011") {}
};

TEST_F(MysqlEvents, gtids_of_all_events_add_up_to_gtid_executed) {
    read_all();
    auto const executed = mysql::MysqlGtidSet::parse(corpus_.added.at("mysql97").at("gtid"));
    EXPECT_EQ(walk_.gtids.text(), executed.text());
    EXPECT_NE(walk_.gtids.text().find(":my_tag:"), std::string::npos);
    EXPECT_TRUE(walk_.seen.contains(EventType::kGtidTagged));
}

TEST_F(MariaEvents, gtids_of_all_events_add_up_to_gtid_binlog_pos) {
    read_all();
    EXPECT_EQ(walk_.maria_position, mysql::MariaGtidPosition::parse(corpus_.added.at("mariadb1011").at("gtid")));
    EXPECT_NE(walk_.maria_position.last_of(5).sequence, 0U);
}

TEST_F(MysqlEvents, every_kind_of_event_is_in_the_recording) {
    read_all();
    for (EventType const type :
         {EventType::kRotate, EventType::kFormatDescription, EventType::kPreviousGtids, EventType::kMysqlGtid,
          EventType::kQuery, EventType::kTableMap, EventType::kWriteRowsV2, EventType::kUpdateRowsV2,
          EventType::kDeleteRowsV2, EventType::kXid, EventType::kXaPrepare, EventType::kTransactionPayload,
          EventType::kPartialUpdateRows, EventType::kHeartbeat, EventType::kHeartbeatV2}) {
        EXPECT_TRUE(walk_.seen.contains(type)) << mysql::event_name(type);
    }
}

TEST_F(MariaEvents, every_kind_of_event_is_in_the_recording) {
    read_all();
    for (EventType const type :
         {EventType::kRotate, EventType::kFormatDescription, EventType::kMariaGtidList, EventType::kMariaGtid,
          EventType::kQuery, EventType::kTableMap, EventType::kWriteRowsV1, EventType::kUpdateRowsV1,
          EventType::kDeleteRowsV1, EventType::kXid, EventType::kQueryCompressed, EventType::kWriteRowsCompressedV1,
          EventType::kUpdateRowsCompressedV1, EventType::kDeleteRowsCompressedV1, EventType::kHeartbeat}) {
        EXPECT_TRUE(walk_.seen.contains(type)) << mysql::event_name(type);
    }
}

TEST_F(MysqlEvents, the_artificial_rotate_tells_file_and_position) {
    mysql::Event const rotate = all(EventType::kRotate).front();
    EXPECT_TRUE(rotate.header.artificial());
    EXPECT_EQ(mysql::parse_rotate(rotate).next_position, 4U);
    EXPECT_TRUE(mysql::parse_rotate(rotate).next_file.starts_with("binlog."));
}

TEST_F(MysqlEvents, statements_and_their_databases_are_read) {
    read_all();
    EXPECT_NE(walk_.statements.find("XA COMMIT X'6272616e6368',X'62',7"), std::string::npos);
    EXPECT_NE(walk_.statements.find("CREATE TABLE v_int "), std::string::npos);
    std::string storage;
    bool found = false;
    for (mysql::Event const& event : all(EventType::kQuery)) {
        mysql::QueryEvent const query = mysql::parse_query(event, storage);
        if (query.sql.starts_with("CREATE TABLE v_int")) {
            found = true;
            EXPECT_EQ(query.schema, "corpus");
            EXPECT_EQ(query.sql_mode, 0U);
            EXPECT_EQ(mysql::charset_of_collation(query.client_collation), "utf8mb4");
        }
    }
    EXPECT_TRUE(found);
}

TEST_F(MysqlEvents, xa_prepare_spells_its_xid_as_xa_commit_does) {
    mysql::XaPrepareEvent const prepare = mysql::parse_xa_prepare(all(EventType::kXaPrepare).front());
    EXPECT_FALSE(prepare.one_phase);
    EXPECT_EQ(mysql::xid_text(prepare.format_id, prepare.gtrid, prepare.bqual), "X'6272616e6368',X'62',7");
}

TEST_F(MysqlEvents, table_maps_tell_names_keys_and_what_is_hidden) {
    int found = 0;
    for (mysql::Event const& event : all(EventType::kTableMap)) {
        mysql::TableMap const map = mysql::parse_table_map(event, false);
        if (map.table == "v_hidden") {
            ++found;
            EXPECT_TRUE(map.has_names);
            EXPECT_EQ(map.columns.at(1).name, "a");
            EXPECT_FALSE(map.columns.at(1).visible);
            EXPECT_TRUE(map.columns.at(0).visible);
            EXPECT_EQ(map.primary_key, (std::vector<mysql::MappedKeyPart>{{0, 0}}));
        } else if (map.table == "u_key" && map.columns.size() == 4) {
            ++found;
            EXPECT_EQ(map.primary_key, (std::vector<mysql::MappedKeyPart>{{1, 0}, {2, 10}}));
        } else if (map.table == "v_vector") {
            ++found;
            EXPECT_EQ(map.columns.at(1).vector_dimensions, 3U);
        } else if (map.table == "v_geometry") {
            ++found;
            EXPECT_EQ(map.columns.at(2).geometry_type, 1U);
        }
    }
    EXPECT_GE(found, 4);
}

TEST_F(MysqlEvents, errors_name_event_file_and_position) {
    mysql::Event event = all(EventType::kTableMap).front();
    event.body = event.body.first(10);
    try {
        mysql::parse_table_map(event, false);
        FAIL();
    } catch (const core::SourceError& error) {
        EXPECT_EQ(error.kind(), core::SourceErrorKind::kCorrupt);
        EXPECT_EQ(error.text(), "a binlog event (TABLE_MAP) is damaged: it ends too early");
        EXPECT_EQ(error.detail(), "Binary log binlog.000007, position 4.");
    }
}

TEST(MysqlEventUse, unknown_events_are_passed_over_only_if_they_allow_it) {
    mysql::Event event;
    event.header.type = static_cast<EventType>(99);
    EXPECT_THROW(mysql::use_of(event), core::SourceError);
    event.header.flags = mysql::EventHeader::kIgnorable;
    EXPECT_EQ(mysql::use_of(event), mysql::EventUse::kPassOver);
    event.header.type = EventType::kIncident;
    EXPECT_THROW(mysql::use_of(event), core::SourceError);
}

TEST(MysqlVarlen, integers_of_every_size_are_read) {
    auto const read = [](std::vector<std::uint8_t> bytes) {
        mysql::EventPlace const place;
        mysql::ByteReader reader(bytes, place);
        return mysql::read_varlen(reader);
    };
    EXPECT_EQ(read({0x0e}), 7U);
    EXPECT_EQ(read({0xfd, 0x01}), 0x7fU);
    EXPECT_EQ(read({0x01, 0x02}), 0x80U);
    EXPECT_EQ(read({0x7f, 1, 0, 0, 0, 0, 0, 0}), 1U);
    EXPECT_EQ(read({0xff, 255, 255, 255, 255, 255, 255, 255, 255}), UINT64_MAX);
}

}  // namespace
}  // namespace pgrepl::test
