#pragma once
// The identity of a state of a server, as the text of a core::StateName or, if it is a place in the log, too, of a
// core::Position. Words with a space between them:
//
// clang-format off
//   mysql server=<server_uuid> gtid=<set>                       the state after exactly these transactions
//   mysql server=<server_uuid> gtid=<set> moment=<random>       that or somewhat later: nobody can join it
//   mysql server=<server_uuid> gtid=<set> owned=<set>           a high mark: these, and of the others what is logged by
//                                                               then
//   mariadb server=<server_uid> gtid=<position> binlog=<file>:<offset>
//                                                               the state after exactly these transactions
//   mysql|mariadb server=… moment=<random>                      a server without a usable log
//   mysql|mariadb server=… gtid=… log=<place>                   a place in the log: of a stream, or a mark
//   mariadb server=… gtid=… seen=<gtids> binlog=… log=<place>   a stream's; it is also an exact state
//   … passed=<file>:<offset>                                    of a stream's: what the log says between transactions
//                                                               has been told up to there
//   … commits=lossy                                             of a stream's: a crash may take commits from the server
//                                                               that are in its log (crash_safety.hpp)
//   … prepared=<prepared_transactions.hpp>                      of a stream's, what is open there; says nothing of a
//                                                               state
// clang-format on
//
// "gtid=" without a value is the position before everything, of a log that holds nothing yet; without the word it is
// not told which transactions the state has. "seen" holds what gtid_binlog_state would: what has been seen of each
// server, of which "gtid" names the last in each domain only. "log" tells the log from another that uses the same names
// (log_place.hpp): from that after RESET BINARY LOGS AND GTIDS (RESET MASTER), or of a server that was restored.
//
// Changes that are not logged (sql_log_bin = 0) are not seen by it.

#include <optional>
#include <string>

#include "source/mysql/position/log_place.hpp"

namespace pgrepl::mysql {

struct StateIdentity {
    bool is_mariadb = false;
    std::string server;
    std::optional<std::string> gtid;  ///< without white space; empty: nothing was logged yet; none: not told
    std::string owned;      ///< MySQL, of a high mark: what may be visible and not in "gtid" yet, or may never come
    std::string seen;       ///< MariaDB: the last of each server in each domain, as far as it is known
    std::string binlog;     ///< MariaDB: file:offset
    LogPlace place;         ///< not in marks
    std::string moment;     ///< not empty: no log proves which state it is
    std::string passed;     ///< of a stream's: file:offset
    bool is_lossy = false;  ///< of a stream's
    std::string prepared;   ///< of a stream's

    [[nodiscard]] std::string to_text() const;
    /// Throws kInternal for text that is no identity.
    static StateIdentity parse(const std::string& text);
};

/// Whether the servers are the same, as far as they can be told apart: MySQL by the UUID, MariaDB by server_id. The
/// rest of the name that we give to one of MariaDB is computed from its machine, and a container gets another with each
/// start.
bool is_same_server(const StateIdentity& a, const StateIdentity& b);

/// Whether both are provably the same state of the same server.
bool is_same_state(const StateIdentity& a, const StateIdentity& b);

/// Whether a state provably lacks some of what the other has, and has nothing else.
bool is_older(StateIdentity state, StateIdentity other);

/// Whether one place in a log (file:offset) is at or after another; nothing if they cannot be compared.
std::optional<bool> is_at_or_behind(const std::string& place, const std::string& other);

/// Whether `held` provably holds everything of `mark`. GTIDs decide, whatever the server that they were read from: they
/// stay what they are when another server takes over. In MariaDB numbers of one server alone are compared with each
/// other: servers that write a domain at the same time do not number in order.
///
/// What a session of MySQL owned when a mark was taken may have been visible already, or may never be committed. What
/// was visible was logged by then; so where a stream of that server's log has met a transaction that nobody had begun
/// to name yet, all of it has been read.
bool holds_all_of(const StateIdentity& held, const StateIdentity& mark);

}  // namespace pgrepl::mysql
