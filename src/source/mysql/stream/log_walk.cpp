// Reading the log for its transactions' names alone.

#include "source/mysql/stream/log_walk.hpp"

#include <optional>

#include "source/mysql/binlog/gtid_events.hpp"
#include "source/mysql/stream/replication_connection.hpp"
#include "source/mysql/stream/stream_position.hpp"

namespace pgrepl::mysql {

std::string position_at(std::unique_ptr<Connection> connection, const StateIdentity& start, std::uint32_t reader_id) {
    std::string const server = connection->server();
    StreamPosition position(start);
    ReplicationConnection log(std::move(connection), reader_id);
    log.begin(position, ReplicationConnection::Until::kEnd);
    bool open = false;
    while (std::optional<Event> const event = log.next_event()) {
        bool const begins = event->header.type == EventType::kMariaGtid;
        if (begins) {
            if (open) {
                position.commit("");
            }
            position.begin(parse_maria_gtid(*event).gtid, {});
            open = true;
        }
        std::optional<bool> const is_there = is_at_or_behind(log.place(), start.binlog);
        if (is_there.value_or(false)) {
            if (open && !begins) {
                position.commit("");
            }
            return position.maria_position().text();
        }
    }
    throw core::SourceError(core::SourceErrorKind::kBusy, 0,
                            "the log of MySQL server " + server + " ends before " + start.binlog, true,
                            "It ends at " + log.place() + ".");
}

MysqlGtidSet logged_beside(std::unique_ptr<Connection> connection, const MysqlGtidSet& known, std::uint32_t reader_id) {
    ReplicationConnection log(std::move(connection), reader_id);
    log.begin(known, ReplicationConnection::Until::kEnd);
    MysqlGtidSet logged;
    while (std::optional<Event> const event = log.next_event()) {
        if (event->header.type == EventType::kMysqlGtid || event->header.type == EventType::kGtidTagged) {
            MysqlGtidEvent const gtid = parse_mysql_gtid(*event);
            logged.add(gtid.origin, gtid.number);
        }
    }
    return logged;
}

}  // namespace pgrepl::mysql
