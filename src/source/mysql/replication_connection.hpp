#pragma once
// The connection on which a server sends its log, event by event, from a position on.

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

    /// Whether an event, or a part of one, is there, after a wait of up to `timeout_ms`.
    [[nodiscard]] bool has_input(int timeout_ms) { return connection_->has_input(timeout_ms); }

    /// The next event, which stays until the next call. Waits for it.
    Event read_event();

    [[nodiscard]] bool is_mariadb() const noexcept { return connection_->is_mariadb(); }
    [[nodiscard]] const std::string& server() const noexcept { return connection_->server(); }
    /// Bytes of all events so far.
    [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_read_; }

  private:
    void require_same_history(const StreamPosition& position);
    void set_up();
    void send_dump(const StreamPosition& position);
    void note_place(const Event& event);
    [[noreturn]] void throw_ended();

    std::unique_ptr<Connection> connection_;
    std::uint32_t reader_id_;
    EventFramer framer_;
    std::string file_;
    std::uint64_t next_position_ = 4;
    std::uint64_t bytes_read_ = 0;
};

}  // namespace pgrepl::mysql
