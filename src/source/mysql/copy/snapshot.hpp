#pragma once
// core::Snapshot for MySQL and MariaDB: one transaction with a consistent snapshot, on a connection of its own.
//
// What is guaranteed. Everything that one Snapshot reads of InnoDB tables is one state of the server. Its position says
// which:
//   MariaDB  with a binlog: Binlog_snapshot_file and _position, which START TRANSACTION WITH CONSISTENT SNAPSHOT sets
//            for just this purpose, and the GTID there.
//   MySQL    with GTIDs: gtid_executed, if the same set was read before the snapshot and after it and gtid_owned was
//            empty in between. A transaction owns its GTID from before it is written to the binlog until it is in
//            gtid_executed, and is visible to others between the two: so nothing else can be in the snapshot. This
//            needs no right and no lock, but a moment without a commit, which is looked for a few times; else the
//            position is marked as a moment that cannot be joined.
// Several readers cannot be given one snapshot without a lock. Joining a position therefore opens a new snapshot and
// succeeds only if that provably is the same state; kStateLost tells the caller to read with one reader alone, which is
// what a durable snapshot is. Tables of engines without versions (MyISAM, Aria, MEMORY) are read as they are at the
// time; discovery notes it.
// Beside a log (SnapshotRequest::plan) none of this is needed: each statement reads what is there then, and the
// log from the low mark on mends it.

#include <memory>
#include <string>
#include <vector>

#include "core/source.hpp"
#include "source/mysql/server/connection.hpp"
#include "source/mysql/tables/table_shape.hpp"

namespace pgrepl::mysql {

/// Takes a new snapshot, or the one of `request.join` (throws kStateLost).
std::unique_ptr<core::Snapshot> take_snapshot(std::unique_ptr<Connection> connection, const Scope& scope,
                                              const KeyRules& keys, const core::SnapshotRequest& request);

}  // namespace pgrepl::mysql
