#pragma once
// Whether the log of the server that answers goes on from what has been read before, at a position. Three things are
// asked before a stream begins:
//
// Is it the same log? Transactions have names, but a log that was reset uses them again, and so does a server that was
// restored from an image. The position keeps where the last transaction that was read stands (log_place.hpp): the same
// server must still have it there, or have purged that file: then its log begins with just what was read. A log that
// was reset may have reached the file's number, or have begun after it, but has something else before it.
//
// Does it hold all that has been read? MySQL: every GTID. MariaDB: as its own replicas are answered: the last GTID of
// each domain stands in its log, by the server that wrote it, whatever numbers others have used since; or it is the
// last that it has applied as a replica, of a domain that it has logged nothing of yet. A domain that is gone from the
// same log was deleted there, and nothing that was read of it is asked for; it may be in use again, with the same
// numbers: then a file that was begun in between lists all domains but this one.
//
// If another server answers, after a failover: has it transactions of before the switch that were not read? MySQL sends
// such a one late, after newer ones that had been read from the other server; MariaDB never sends it. They stand in its
// log before the last one that was read: MySQL, asked for that one too, sends first what it has before it; of MariaDB
// the file with that transaction is read, whose first event lists what all files before it hold. And has it all that
// was read? MySQL: by the question before this one. MariaDB: also what is not the last of its domain.
//
// And what does the log say of the server since (log_ahead.hpp)?

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/stream.hpp"
#include "source/mysql/server/connection.hpp"
#include "source/mysql/stream/stream_position.hpp"

namespace pgrepl::mysql {

/// To a server that was met before, and no other.
using Connect = std::function<std::unique_ptr<Connection>()>;

struct Continuation {
    /// Why transactions of before the switch to another server may have been missed; empty: they were not.
    std::string doubt;
    /// What the log says between the position and where a stream from it on begins: that the server has crashed, or has
    /// not logged all changes.
    std::vector<core::SchemaChange> found;
    std::string passed;  ///< what the log says between transactions is known up to here (file:offset); may be empty
    bool is_same_log = false;  ///< the last transaction that was read stands where it did, or has been purged since
};

/// Throws kDiverged where the log does not go on from the position; kUnreachable where it may do so later, of another
/// server that has nothing but a part of what was read; kPositionLost where what follows is not in it any
/// more. The position is now one of the server that answers. At most one connection at a time is used:
/// `connection`, and then others to the same server. `is_lossy`: a crash of the server, as it is set now, takes commits
/// that are in its log.
Continuation continue_history(std::unique_ptr<Connection> connection, const Connect& connect, StreamPosition& position,
                              std::uint32_t reader_id, bool is_lossy);

/// Whether the server still holds all that has been read.
bool holds_position(Connection& connection, const StreamPosition& position);

/// The place at which the server's log goes on from a position of which no transaction was read yet.
LogPlace find_place(std::unique_ptr<Connection> connection, const StreamPosition& position, std::uint32_t reader_id);

}  // namespace pgrepl::mysql
