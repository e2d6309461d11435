#pragma once
// Which transactions were those whose names could not be read. The log has them, so the server counts them among its
// own; and what it counted when it was asked has been read when a transaction of later comes, or when the log has been
// at its end for a while. What the position lacks of it then was among what has lost its name. Without that a mark
// could not be reached, and the server would send the rest of the file again with each connection.

#include <chrono>
#include <functional>
#include <optional>

#include "source/mysql/position/gtid_maria.hpp"
#include "source/mysql/position/state_identity.hpp"
#include "source/mysql/stream/stream_position.hpp"

namespace pgrepl::mysql {

class LostNames {
  public:
    /// What the server has logged, and shows.
    using Ask = std::function<StateIdentity()>;

    /// `position` outlives it.
    LostNames(Ask ask, StreamPosition& position) : ask_(std::move(ask)), position_(position) {}

    /// One may be among what could not be read just now.
    void note() {
        is_any_ = true;
        logged_.reset();
    }
    [[nodiscard]] bool any() const noexcept { return is_any_; }

    /// The server is asked once.
    void ask();

    /// These come next. True if the position has moved on.
    bool come_before(const MysqlGtidEvent& next);
    bool come_before(const MariaGtid& next);
    /// The log is at its end.
    bool come_before_end();

  private:
    bool add();

    Ask ask_;
    StreamPosition& position_;
    bool is_any_ = false;
    std::optional<StateIdentity> logged_;
    std::chrono::steady_clock::time_point asked_at_;
};

}  // namespace pgrepl::mysql
