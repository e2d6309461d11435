#pragma once
// The connection on which a server sends its log, event by event: from a position on, or from a place in a file.
// Whether the log is the one that the position belongs to is asked before (log_history.hpp).

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/source_error.hpp"
#include "source/mysql/binlog/event_framer.hpp"
#include "source/mysql/server/connection.hpp"
#include "source/mysql/stream/stream_position.hpp"

namespace pgrepl::mysql {

/// What could not be read is one event of the log: the next one can be.
bool is_of_one_event(const core::SourceError& error) noexcept;

class ReplicationConnection {
  public:
    /// What follows on the connection: all that comes, for as long as it is read; or what is there now.
    enum class Until : std::uint8_t { kClosed, kEnd };

    /// `reader_id` is the server_id by which the server knows us. begin() is called once: the server ends the
    /// connection when it has no more to send.
    ReplicationConnection(std::unique_ptr<Connection> connection, std::uint32_t reader_id);

    /// Asks for all transactions that are not in `position`. kPositionLost if the log does not reach back comes with
    /// the first event. MariaDB, if not `strict`: perhaps for some of those before them, too. A strict server looks for
    /// the last transaction by its number, and gives up at a higher one, which a damaged name may have.
    void begin(const StreamPosition& position, Until until, bool strict = true);
    void begin(const MysqlGtidSet& position, Until until);
    /// Asks for what stands at the place and after it; the events that open the file come first.
    void begin(const std::string& file, std::uint32_t offset);

    /// Whether an event, or a part of one, is there, after a wait of up to `timeout_ms`. Throws kUnreachable if there
    /// has been nothing for so long that the server cannot be there any more.
    [[nodiscard]] bool has_input(int timeout_ms);

    /// Whether the server has given a sign of life just now: its heartbeats come when there is nothing else.
    [[nodiscard]] bool is_alive() const;

    /// The next event, which stays until the next call. Waits for it.
    Event read_event();
    /// The same; nothing at the end, of one that was asked for what is there.
    std::optional<Event> next_event();

    [[nodiscard]] bool is_mariadb() const noexcept { return connection_->is_mariadb(); }
    [[nodiscard]] const std::string& server() const noexcept { return connection_->server(); }
    /// Where an event stands that was read from a file; not known beyond 4 GiB, which events cannot tell.
    [[nodiscard]] LogPlace place_of(const Event& event);
    [[nodiscard]] const std::string& file() const noexcept { return file_; }
    /// When the file was begun, once its first event was read.
    [[nodiscard]] std::uint32_t file_time() const noexcept { return file_time_; }
    /// Of a file's first event, FORMAT_DESCRIPTION: the server has not ended the file before it, as it does with ROTATE
    /// or STOP; so it was killed, or its machine was.
    [[nodiscard]] bool follows_crash() const noexcept { return follows_crash_; }
    /// Where the file begins, as file:offset.
    [[nodiscard]] std::string file_place() const { return file_ + ":" + std::to_string(kFirstOffset); }
    /// After the event that was read last, as file:offset. Offsets of more than 4 GiB are not told by the log.
    [[nodiscard]] std::string place() const { return file_ + ":" + std::to_string(next_position_); }
    /// Within what comes after that.
    [[nodiscard]] std::string place_within() const { return file_ + ":" + std::to_string(next_position_ + 1); }
    /// Bytes of all events so far.
    [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }

  private:
    void set_up();
    void send(enum_server_command command, const std::string& request);
    void note_place(const Event& event);
    void note_end_of_file(const Event& event);
    [[noreturn]] void throw_ended();

    std::unique_ptr<Connection> connection_;
    std::uint32_t reader_id_;
    EventFramer framer_;
    std::string file_;
    std::uint32_t file_time_ = 0;
    bool any_file_ = false;  ///< one has begun
    bool is_ended_ = false;  ///< by the server
    bool follows_crash_ = false;
    std::uint32_t last_offset_ = 0;  ///< that place_of() has given of this file
    std::uint64_t next_position_ = kFirstOffset;
    std::uint64_t bytes_read_ = 0;
    std::chrono::steady_clock::time_point last_event_;
};

}  // namespace pgrepl::mysql
