// Reading the log for its transactions' names alone.

#include "source/mysql/stream/log_walk.hpp"

#include <optional>

#include "source/mysql/binlog/gtid_events.hpp"
#include "source/mysql/stream/replication_connection.hpp"
#include "source/mysql/stream/stream_position.hpp"

namespace pgrepl::mysql {

namespace {

/// Calls `look` for each event that can be read, until it returns true, or the log ends: then false.
template <typename Look>
bool walk(ReplicationConnection& log, Look look) {
    while (true) {
        try {
            std::optional<Event> const event = log.next_event();
            if (!event) {
                return false;
            }
            if (look(*event)) {
                return true;
            }
        } catch (const core::SourceError& error) {
            if (!is_of_one_event(error)) {
                throw;  // what the log holds beside is told by the stream
            }
        }
    }
}

}  // namespace

std::string position_at(std::unique_ptr<Connection> connection, const StateIdentity& start, std::uint32_t reader_id) {
    std::string const server = connection->server();
    StreamPosition position(start);
    ReplicationConnection log(std::move(connection), reader_id);
    log.begin(position, ReplicationConnection::Until::kEnd);
    bool open = false;
    bool const is_there = walk(log, [&](const Event& event) {
        bool const begins = event.header.type == EventType::kMariaGtid;
        if (begins) {
            if (open) {
                position.commit("");
            }
            open = false;  // unless its name can be read
            position.begin(parse_maria_gtid(event).gtid, {});
            open = true;
        }
        if (!is_at_or_behind(log.place(), start.binlog).value_or(false)) {
            return false;
        }
        if (open && !begins) {
            position.commit("");
        }
        return true;
    });
    if (is_there) {
        return position.maria_position().text();
    }
    throw core::SourceError(core::SourceErrorKind::kBusy, 0,
                            "the log of MySQL server " + server + " ends before " + start.binlog, true,
                            "It ends at " + log.place() + ".");
}

MysqlGtidSet logged_beside(std::unique_ptr<Connection> connection, const MysqlGtidSet& known, std::uint32_t reader_id) {
    ReplicationConnection log(std::move(connection), reader_id);
    log.begin(known, ReplicationConnection::Until::kEnd);
    MysqlGtidSet logged;
    (void)walk(log, [&](const Event& event) {
        if (event.header.type == EventType::kMysqlGtid || event.header.type == EventType::kGtidTagged) {
            MysqlGtidEvent const gtid = parse_mysql_gtid(event);
            logged.add(gtid.origin, gtid.number);
        }
        return false;
    });
    return logged;
}

}  // namespace pgrepl::mysql
