#pragma once
// The identity of a state of a server, as the text of a core::Position. Words with a space between them:
//
//   mysql server=<server_uuid> gtid=<set>                       the state after exactly these transactions
//   mysql server=<server_uuid> gtid=<set> moment=<random>       that or somewhat later: nobody can join it
//   mariadb server=<server_uid> gtid=<position> binlog=<file>:<offset>
//   mysql|mariadb server=… moment=<random>                      a server without a usable log
//   mysql|mariadb server=… gtid=…                               a place in the log: of a stream, or a mark
//   mariadb server=… gtid=… binlog=…                            a stream's; it is also an exact state
//
// Changes that are not logged (sql_log_bin = 0) are not seen by it; nor is RESET BINARY LOGS AND GTIDS (RESET MASTER),
// which begins to use the same names again.

#include <optional>
#include <string>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

struct StateIdentity {
    bool is_mariadb = false;
    std::string server;
    std::string gtid;    ///< without white space; empty: no usable log, or nothing logged yet
    std::string binlog;  ///< MariaDB: file:offset
    std::string moment;  ///< not empty: no log proves which state it is

    [[nodiscard]] std::string to_text() const;
    /// Throws kInternal for text that is no identity.
    static StateIdentity parse(const std::string& text);
};

/// Whether both are provably the same state of the same server.
bool is_same_state(const StateIdentity& a, const StateIdentity& b);

/// Whether one place in a log (file:offset) is at or behind another; nothing if they cannot be compared.
std::optional<bool> is_at_or_behind(const std::string& place, const std::string& other);

/// Whether `held` provably holds everything of `mark`. GTIDs decide, whatever the server that they were read from: they
/// stay what they are when another server takes over.
bool holds_all_of(const StateIdentity& held, const StateIdentity& mark);

}  // namespace pgrepl::mysql
