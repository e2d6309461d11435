#pragma once
// What a server's log says before the next transaction that was not read: that the server has crashed, which shows
// between two files (ReplicationConnection::follows_crash()), or that changes are missing (INCIDENT). A stream is sent
// the file with that transaction, or the last file; so what lies between it and the last transaction that was read is
// looked through before the stream begins. What comes later the stream meets itself. What a crash has cut off MariaDB
// leaves where it is; the server does not count it, and begins a stream behind it.

#include <optional>
#include <string>
#include <vector>

#include "core/stream.hpp"
#include "source/mysql/stream/replication_connection.hpp"
#include "source/mysql/stream/stream_position.hpp"

namespace pgrepl::mysql {

/// The log goes on in the file at `place`. `keeps_commits`: the server does, as it was set before and is now.
core::SchemaChange crash_of(const std::string& server, const std::string& place, bool keeps_commits);

class LogAhead {
  public:
    /// `position` outlives it, and knows what has been told of the log; and whether a crash takes commits, as the
    /// server was set before or is now.
    LogAhead(const StreamPosition& position, std::string server) : position_(position), server_(std::move(server)) {}

    /// From the place on that was asked for; `within`: the name of a transaction that was read has come of it. False if
    /// a transaction without a GTID comes first.
    [[nodiscard]] bool read(ReplicationConnection& log, bool within = false);

    /// The one up to which read() has come.
    [[nodiscard]] const std::string& file() const noexcept { return file_; }

    /// Before the file at `place` the log ends within what is no transaction.
    void is_cut_off(const std::string& place);

    /// The files before the one at `place` were not read to their ends, and are gone.
    void files_are_gone(const std::string& place);

    /// What is to be told.
    [[nodiscard]] std::vector<core::SchemaChange> found() const;
    /// Up to which place (file:offset) it is known; empty: nothing was passed.
    [[nodiscard]] const std::string& passed() const noexcept { return passed_; }

  private:
    [[nodiscard]] bool look_for_unread(ReplicationConnection& log);
    [[nodiscard]] bool was_read(const Event& event, bool from_mariadb) const;
    [[nodiscard]] bool is_next(const Event& event, const ReplicationConnection& log);
    [[nodiscard]] bool has_lost_its_name(const Event& event);
    void note_file(const ReplicationConnection& log);
    void note_incident(const ReplicationConnection& log, const Event& event);
    void note_crash(const std::string& place, const std::string& note = "");

    const StreamPosition& position_;
    std::string server_;
    std::string file_;
    std::optional<core::SchemaChange> crash_;
    std::vector<core::SchemaChange> incidents_;
    std::string passed_;
    bool within_ = false;      ///< a transaction whose name was read
    bool is_begin_ = false;    ///< and nothing of it has come yet
    bool is_single_ = false;   ///< it is one statement, if that comes first (MySQL), or as its name says (MariaDB)
    bool has_unread_ = false;  ///< since the last name that was read something could not be
};

}  // namespace pgrepl::mysql
