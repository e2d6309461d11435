#pragma once
// The events that name the transaction that follows: MySQL's GTID, ANONYMOUS_GTID and GTID_TAGGED, MariaDB's GTID;
// and those that open a file with what came before it: PREVIOUS_GTIDS, GTID_LIST.

#include <vector>

#include "source/mysql/binlog/event.hpp"
#include "source/mysql/position/gtid_maria.hpp"
#include "source/mysql/position/gtid_mysql.hpp"

namespace pgrepl::mysql {

/// It names the transaction that follows.
constexpr bool is_gtid_event(EventType type) noexcept {
    return type == EventType::kMysqlGtid || type == EventType::kGtidTagged || type == EventType::kMariaGtid;
}

struct MysqlGtidEvent {
    GtidOrigin origin;        ///< unset if anonymous
    std::int64_t number = 0;  ///< 0 if anonymous
    bool anonymous = false;
    std::uint64_t commit_time_us = 0;     ///< on the server that wrote the log, microseconds since 1970; 0: not told
    std::uint64_t original_time_us = 0;   ///< on the server that committed it first; the same wherever it is replicated
    std::uint64_t transaction_bytes = 0;  ///< this event and all up to the transaction's end; 0: not told
};

/// GTID, ANONYMOUS_GTID (MySQL source, Gtid_event) and GTID_TAGGED (the same fields, by number; 8.3 on).
MysqlGtidEvent parse_mysql_gtid(const Event& event);

struct MariaGtidEvent {
    static constexpr std::uint8_t kStandalone = 1;   ///< one QUERY follows, and no end of transaction
    static constexpr std::uint8_t kPreparedXa = 64;  ///< the group is an XA PREPARE

    MariaGtid gtid;
    std::uint8_t flags = 0;
};

/// MariaDB knowledge base, "GTID_EVENT".
MariaGtidEvent parse_maria_gtid(const Event& event);

MysqlGtidSet parse_previous_gtids(const Event& event);

/// In the event's order: the last one of a domain is its newest.
std::vector<MariaGtid> parse_gtid_list(const Event& event);

}  // namespace pgrepl::mysql
