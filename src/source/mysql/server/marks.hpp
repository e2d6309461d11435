#pragma once
// Marks: which part of a server's log a read has seen at least (low), and at most (high).
//
//   MySQL    low: gtid_executed, to which a transaction is added after it has become visible. high: gtid_owned, read
//            first, and gtid_executed: a transaction goes from the one to the other, and is visible only while it is in
//            one of them.
//   MariaDB  low: the position that START TRANSACTION WITH CONSISTENT SNAPSHOT finds for just this purpose. high:
//            gtid_binlog_pos, to which a transaction is added before it becomes visible.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "source/mysql/position/gtid_maria.hpp"
#include "source/mysql/position/state_identity.hpp"
#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

/// What tells this server from others, without spaces.
std::string server_identity(Connection& connection);

/// What a MariaDB server has logged: of each server, and, as read a moment later, the last of each domain; and what it
/// has applied as a replica, whether it logs that or not.
struct LoggedState {
    MariaGtidState state;
    MariaGtidPosition end;
    MariaGtidPosition applied;
};
LoggedState logged_state(Connection& connection);

/// The file that a MariaDB server writes its log to, or has just left; empty without a log.
std::string current_log_file(Connection& connection);
/// MariaDB: the last transactions of all files before this one; nothing if there is no such file.
std::optional<std::string> position_before(Connection& connection, const std::string& file);

/// Of the first row; empty for NULL or without a row.
std::string value_or_empty(Connection& connection, std::string_view sql);

/// Whether the server has a log of changes with GTIDs.
bool has_log(Connection& connection);

/// Throws kUnsupported if it has none.
void require_log(Connection& connection);

/// Throws kUnsupported if the server has given its log up: one that cannot write it, or cannot begin the next file,
/// goes on without until it is restarted (MySQL only if binlog_error_action says so), whatever its settings say.
void require_open_log(Connection& connection);

/// Puts down where in the log the consistent snapshot of the current transaction is; nothing without a log. The server
/// reads its log file from the start for the GTID. False if it is not told, as of a file with a large event: the place
/// alone is the identity then.
bool locate_snapshot(Connection& connection, StateIdentity& identity);

/// Tells the GTIDs of a place where MariaDB does not: position_at() of log_walk.hpp.
using LogReader = std::function<std::string(const StateIdentity& place)>;

/// Whether a read that begins now sees every change up to `position`.
bool is_visible(Connection& connection, const StateIdentity& position, const LogReader& position_at);

/// Both throw kUnsupported if the server has no log of changes with GTIDs. `position_at` is needed for MariaDB.
StateIdentity low_mark(Connection& connection, const LogReader& position_at = {});
StateIdentity high_mark(Connection& connection);

/// What the log holds now and has made visible: all of it comes before the end of a stream that is seen later.
StateIdentity logged_mark(Connection& connection);

/// How often the server was told to reset its log (or something else): another number, and its log may be another.
std::string count_resets(Connection& connection);

/// The set in gtid_owned, `uuid:5#123:6#124`: the numbers after # are those of threads.
std::string without_owners(std::string_view gtid_owned);

std::string without_space(std::string text);

}  // namespace pgrepl::mysql
