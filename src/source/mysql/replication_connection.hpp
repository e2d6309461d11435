#pragma once
// The connection on which a server sends its log, event by event, from a position on.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "source/mysql/binlog/event_framer.hpp"
#include "source/mysql/connection.hpp"
#include "source/mysql/stream_position.hpp"

namespace pgrepl::mysql {

class ReplicationConnection {
  public:
    /// Asks for everything behind `position`. Throws kDiverged if the server has not all of it, kPositionLost if its
    /// log does not reach back. `reader_id` is the server_id by which the server knows us.
    ReplicationConnection(std::unique_ptr<Connection> connection, const StreamPosition& position,
                          std::uint32_t reader_id);

    /// Whether an event, or a part of one, is there, after a wait of up to `timeout_ms`. Throws kUnreachable if there
    /// has been nothing for so long that the server cannot be there any more.
    [[nodiscard]] bool has_input(int timeout_ms);

    /// Whether the server has given a sign of life just now: its heartbeats come when there is nothing else.
    [[nodiscard]] bool is_alive() const;

    /// The next event, which stays until the next call. Waits for it.
    Event read_event();

    [[nodiscard]] bool is_mariadb() const noexcept { return connection_->is_mariadb(); }
    [[nodiscard]] const std::string& server() const noexcept { return connection_->server(); }
    /// What tells the server from others, wherever it is reached.
    [[nodiscard]] const std::string& server_identity() const noexcept { return server_identity_; }
    /// Behind the event that was read last, as file:offset. Offsets of more than 4 GiB are not told by the log.
    [[nodiscard]] std::string place() const { return file_ + ":" + std::to_string(next_position_); }
    /// Bytes of all events so far.
    [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }

  private:
    void require_same_history(const StreamPosition& position);
    void set_up();
    void send_dump(const StreamPosition& position);
    void note_place(const Event& event);
    [[noreturn]] void throw_ended();

    std::unique_ptr<Connection> connection_;
    std::string server_identity_;
    std::uint32_t reader_id_;
    EventFramer framer_;
    std::string file_;
    std::uint64_t next_position_ = 4;
    std::uint64_t bytes_read_ = 0;
    std::chrono::steady_clock::time_point last_event_;
};

}  // namespace pgrepl::mysql
