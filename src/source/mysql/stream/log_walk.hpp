#pragma once
// What a server's log holds, found by reading it as a replica does, where the server does not tell.

#include <cstdint>
#include <memory>
#include <string>

#include "source/mysql/position/gtid_mysql.hpp"
#include "source/mysql/position/state_identity.hpp"
#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

/// Which transactions MariaDB's log holds up to a place. The server tells it too (BINLOG_GTID_POS), but not after an
/// event of more than max_allowed_packet bytes.
/// `start` has the position at which the file of the place `start.binlog` begins. Returns the position at that place,
/// at which a transaction has ended. `connection` serves for nothing else; no other reader has the id. Throws kBusy if
/// the log does not get there.
std::string position_at(std::unique_ptr<Connection> connection, const StateIdentity& start, std::uint32_t reader_id);

/// Which transactions MySQL's log holds beside `known`. A session may own the name of a transaction that it does not
/// commit; but whatever others see of a transaction is in the log before.
MysqlGtidSet logged_beside(std::unique_ptr<Connection> connection, const MysqlGtidSet& known, std::uint32_t reader_id);

}  // namespace pgrepl::mysql
