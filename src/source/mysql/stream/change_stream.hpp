#pragma once
// core::ChangeStream for MySQL and MariaDB: their binary log, from a set of GTIDs on.
//
// Each transaction begins with its GTID and ends
//   with an XID, or a COMMIT where an engine has no transactions;
//   with the one statement that it is made of: DDL (MySQL: no BEGIN came; MariaDB: its GTID says so);
//   with an XA PREPARE: what becomes of it is not known yet, and may not be for days. What it changed is taken back,
//   and its events are held until the XA COMMIT, which is a transaction of its own. An XA PREPARE … COMMIT ONE PHASE is
//   an ordinary commit.
// Row events stand after TABLE_MAPs, and may be wrapped, all of a transaction, in one TRANSACTION_PAYLOAD.
//
// What cannot be read within a transaction concerns the table that it names, or any table; so does what cannot be read
// between two. If that was the name of the next one, the position knows it as a place in the log (passed=) until it is
// told which it was (lost_names.hpp).

#include <memory>
#include <string>
#include <vector>

#include "core/stream.hpp"
#include "source/mysql/server/name_rules.hpp"
#include "source/mysql/stream/log_history.hpp"
#include "source/mysql/stream/lost_names.hpp"

namespace pgrepl::mysql {

/// Of the server of `first`, to which `connect` makes others. Changes of tables' structure are told of `databases`
/// only; of all but the servers' own if it is empty. `is_lossy`, which may change: a crash of the server, as it is set
/// now, takes commits that are in its log. `logged`: what it has logged and shows, while the stream is open.
std::unique_ptr<core::ChangeStream> open_change_stream(std::unique_ptr<Connection> first, const Connect& connect,
                                                       const NameRules& names,
                                                       const std::vector<std::string>& databases,
                                                       const core::StreamRequest& request,
                                                       std::shared_ptr<const bool> is_lossy, LostNames::Ask logged);

}  // namespace pgrepl::mysql
