// Marks of both kinds of server.

#include "source/mysql/server/marks.hpp"

#include <optional>

#include "source/mysql/position/gtid_maria.hpp"
#include "source/mysql/position/gtid_mysql.hpp"
#include "source/mysql/server/mysql_error.hpp"

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;

constexpr std::string_view kDoing = "ask for the position of";

StateIdentity identity_of(Connection& connection) {
    require_log(connection);
    StateIdentity identity;
    identity.is_mariadb = connection.is_mariadb();
    identity.server = server_identity(connection);
    return identity;
}

struct SnapshotPlace {
    std::string file;  ///< empty: no log
    std::string offset;
    [[nodiscard]] std::string text() const { return without_space(file) + ":" + offset; }
};

SnapshotPlace place_of_snapshot(Connection& connection) {
    SnapshotPlace place;
    for (const TextRow& row : connection.query("SHOW STATUS LIKE 'binlog_snapshot%'", kDoing)) {
        std::string const name = row[0].value_or("");
        if (name == "Binlog_snapshot_file") {
            place.file = row[1].value_or("");
        } else if (name == "Binlog_snapshot_position") {
            place.offset = row[1].value_or("");
        }
    }
    return place;
}

/// The part of `logged`, which was read before, that a snapshot shows which is at `snapshot`. The log holds
/// transactions a little before they can be seen; where the snapshot is at or after the last of a domain, as the
/// server counts that wrote it, it shows all that was logged of the domain. Of a domain that a replica has applied and
/// not logged it shows what was applied.
MariaGtidState shown_state(const LoggedState& logged, const MariaGtidPosition& snapshot) {
    MariaGtidState shown;
    for (const MariaGtid& gtid : logged.state.all()) {
        MariaGtid const end = logged.end.last_of(gtid.domain);
        MariaGtid const seen = snapshot.last_of(gtid.domain);
        if (seen.server == end.server && seen.sequence >= end.sequence) {
            shown.advance(gtid);
        }
    }
    for (const MariaGtid& gtid : logged.applied.all()) {
        if (!logged.state.knows_domain(gtid.domain)) {
            shown.advance(gtid);
        }
    }
    for (const MariaGtid& gtid : snapshot.all()) {
        shown.advance(gtid);
    }
    return shown;
}

}  // namespace

void require_log(Connection& connection) {
    if (has_log(connection)) {
        return;
    }
    throw SourceError(
        SourceErrorKind::kUnsupported, 0, "MySQL server " + connection.server() + " keeps no binary log with GTIDs",
        false, "Its changes can be followed only by that log.",
        connection.is_mariadb()
            ? "Add log_bin, server_id, binlog_format = ROW and binlog_row_metadata = FULL to the section "
              "[mariadb] of the server's configuration and restart it; or use mode => 'periodic'."
            : "Set log_bin, gtid_mode = ON and enforce_gtid_consistency = ON in the server's configuration "
              "and restart it; or use mode => 'periodic'.");
}

/// By what an account without rights to look at the server may ask.
void require_open_log(Connection& connection) {
    if (connection.is_mariadb()) {
        (void)connection.query("SELECT BINLOG_GTID_POS('', 4)", kDoing);  // ER_NO_BINARY_LOGGING
        return;
    }
    bool is_open = true;
    try {
        is_open = !connection.query("SHOW BINLOG EVENTS LIMIT 1", kDoing).empty();
    } catch (const SourceError& error) {
        // The first file may have been purged just now. What the account may not see, the stream will be told.
        if (!is_unknown_answer(error) && error.kind() != SourceErrorKind::kPermissionDenied) {
            throw;
        }
    }
    if (!is_open) {
        throw SourceError(SourceErrorKind::kUnsupported, 0,
                          "MySQL server " + connection.server() + " has stopped writing its binary log", false, "",
                          kLogGivenUpHint);
    }
}

std::string without_space(std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
    return text;
}

std::string value_or_empty(Connection& connection, std::string_view sql) {
    return connection.query_value(sql, kDoing).value_or("");
}

std::string server_identity(Connection& connection) {
    if (!connection.is_mariadb()) {
        return value_or_empty(connection, "SELECT @@server_uuid");
    }
    TextRows const rows = connection.query("SHOW GLOBAL VARIABLES LIKE 'server_uid'", kDoing);
    if (!rows.empty() && rows[0][1] && !rows[0][1]->empty()) {
        return *rows[0][1] + ":" + value_or_empty(connection, "SELECT @@global.server_id");
    }
    return without_space(value_or_empty(connection, "SELECT CONCAT(@@hostname, ':', @@port, ':', @@global.server_id)"));
}

LoggedState logged_state(Connection& connection) {
    TextRows const rows = connection.query(
        "SELECT @@global.gtid_binlog_state, @@global.gtid_binlog_pos, @@global.gtid_slave_pos", kDoing);
    return {MariaGtidState::parse(rows.at(0).at(0).value_or("")), MariaGtidPosition::parse(rows[0].at(1).value_or("")),
            MariaGtidPosition::parse(rows[0].at(2).value_or(""))};
}

std::string current_log_file(Connection& connection) {
    connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", kDoing);
    SnapshotPlace place = place_of_snapshot(connection);
    connection.execute("COMMIT", kDoing);
    return std::move(place.file);
}

std::optional<std::string> position_before(Connection& connection, const std::string& file) {
    if (file.empty()) {
        return std::nullopt;
    }
    std::optional<std::string> const gtid = connection.query_value(
        "SELECT BINLOG_GTID_POS(" + quote_text(file) + ", " + std::to_string(kFirstOffset) + ")", kDoing);
    return gtid ? std::optional(without_space(*gtid)) : std::nullopt;
}

bool has_log(Connection& connection) {
    return value_or_empty(connection, "SELECT @@global.log_bin") == "1" &&
           (connection.is_mariadb() || value_or_empty(connection, "SELECT @@global.gtid_mode") == "ON");
}

bool locate_snapshot(Connection& connection, StateIdentity& identity) {
    SnapshotPlace const place = place_of_snapshot(connection);
    if (place.file.empty()) {
        return false;
    }
    identity.binlog = place.text();
    std::optional<std::string> const gtid =
        connection.query_value("SELECT BINLOG_GTID_POS(" + quote_text(place.file) + ", " + place.offset + ")", kDoing);
    identity.gtid.reset();
    if (gtid) {
        identity.gtid = without_space(*gtid);
    }
    return gtid.has_value();
}

bool is_visible(Connection& connection, const StateIdentity& position, const LogReader& position_at) {
    if (connection.is_mariadb() && !position.binlog.empty() && server_identity(connection) == position.server) {
        connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", kDoing);
        SnapshotPlace const place = place_of_snapshot(connection);
        connection.execute("COMMIT", kDoing);
        if (std::optional<bool> const is_behind = is_at_or_behind(place.text(), position.binlog)) {
            return *is_behind;
        }
    }
    return holds_all_of(low_mark(connection, position_at), position);
}

StateIdentity low_mark(Connection& connection, const LogReader& position_at) {
    StateIdentity mark = identity_of(connection);
    if (!connection.is_mariadb()) {
        mark.gtid = without_space(value_or_empty(connection, "SELECT @@global.gtid_executed"));
        return mark;
    }
    LoggedState const logged = logged_state(connection);
    connection.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", kDoing);
    bool const is_told = locate_snapshot(connection, mark);
    connection.execute("COMMIT", kDoing);
    if (!is_told) {
        std::string const file = mark.binlog.substr(0, mark.binlog.rfind(':'));
        mark.gtid = position_before(connection, file).value_or("");
        mark.gtid = position_at(mark);
    }
    mark.binlog.clear();  // a place in the log of this server alone
    mark.seen = shown_state(logged, MariaGtidPosition::parse(*mark.gtid)).text();
    return mark;
}

StateIdentity high_mark(Connection& connection) {
    StateIdentity mark = identity_of(connection);
    if (connection.is_mariadb()) {
        mark.gtid = without_space(value_or_empty(connection, "SELECT @@global.gtid_binlog_pos"));
        return mark;
    }
    std::string const owned = value_or_empty(connection, "SELECT @@global.gtid_owned");
    MysqlGtidSet const executed = MysqlGtidSet::parse(value_or_empty(connection, "SELECT @@global.gtid_executed"));
    MysqlGtidSet about_to_be = MysqlGtidSet::parse(without_owners(owned));
    about_to_be.remove(executed);
    mark.gtid = executed.text();
    mark.owned = about_to_be.text();
    return mark;
}

/// A GTID that is owned may be given up again, so it may never come.
StateIdentity logged_mark(Connection& connection) {
    return connection.is_mariadb() ? high_mark(connection) : low_mark(connection);
}

std::string count_resets(Connection& connection) {
    TextRows const rows = connection.query("SHOW GLOBAL STATUS LIKE 'Com_reset'", kDoing);
    return rows.empty() ? std::string() : rows[0][1].value_or("");
}

std::string without_owners(std::string_view gtid_owned) {
    std::string set;
    bool in_owner = false;
    for (char const letter : gtid_owned) {
        in_owner = letter == '#' || (in_owner && letter >= '0' && letter <= '9');
        if (!in_owner) {
            set += letter;
        }
    }
    return set;
}

}  // namespace pgrepl::mysql
