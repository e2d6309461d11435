#pragma once
// Behind which transactions a stream is: the GTIDs of all that it has seen the end of.

#include <cstdint>
#include <string>
#include <utility>

#include "source/mysql/gtid_maria.hpp"
#include "source/mysql/gtid_mysql.hpp"
#include "source/mysql/state_identity.hpp"

namespace pgrepl::mysql {

class StreamPosition {
  public:
    explicit StreamPosition(StateIdentity start);

    [[nodiscard]] const StateIdentity& start() const noexcept { return identity_; }
    [[nodiscard]] const MysqlGtidSet& mysql_set() const noexcept { return mysql_; }
    [[nodiscard]] const MariaGtidPosition& maria_position() const noexcept { return maria_; }

    /// The transaction that comes next.
    void begin(const GtidOrigin& origin, std::int64_t number) {
        origin_ = origin;
        number_ = number;
    }
    void begin(const MariaGtid& gtid) { maria_gtid_ = gtid; }
    /// It has ended, at this place in the log of a MariaDB server (file:offset; empty: not known).
    void commit(std::string place);

    /// The server that is read from here on. A place in another's log is void.
    void set_server(const std::string& server);

    /// Its GTID, for messages.
    [[nodiscard]] std::string current() const;
    [[nodiscard]] std::string text() const;

  private:
    StateIdentity identity_;
    MysqlGtidSet mysql_;
    GtidOrigin origin_;
    std::int64_t number_ = 0;
    MariaGtidPosition maria_;
    MariaGtid maria_gtid_;
};

}  // namespace pgrepl::mysql
