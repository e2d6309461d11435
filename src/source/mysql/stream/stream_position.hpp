#pragma once
// After which transactions a stream is: the GTIDs of all that it has seen the end of.

#include <cstdint>
#include <string>
#include <utility>

#include "source/mysql/binlog/gtid_events.hpp"
#include "source/mysql/position/gtid_maria.hpp"
#include "source/mysql/position/gtid_mysql.hpp"
#include "source/mysql/position/prepared_transactions.hpp"
#include "source/mysql/position/state_identity.hpp"

namespace pgrepl::mysql {

class StreamPosition {
  public:
    explicit StreamPosition(StateIdentity start);

    [[nodiscard]] const StateIdentity& identity() const noexcept { return identity_; }
    [[nodiscard]] const MysqlGtidSet& mysql_set() const noexcept { return mysql_; }
    [[nodiscard]] const MariaGtidPosition& maria_position() const noexcept { return maria_; }
    [[nodiscard]] const MariaGtidState& maria_state() const noexcept { return seen_; }
    /// In the log of the server that is read.
    [[nodiscard]] const LogPlace& place() const noexcept { return identity_.place; }

    /// The transaction that comes next. The GTID and time of its place are filled in here.
    void begin(const MysqlGtidEvent& gtid, LogPlace place);
    void begin(const MariaGtid& gtid, LogPlace place);
    /// It has ended, at this place in the log of a MariaDB server (file:offset; empty: not known).
    void commit(std::string end);

    /// One has ended at this place, and what its GTID is could not be read. `end` as of commit().
    void commit_unnamed(const std::string& place, std::string end);
    /// Of what the server has logged, all has been read. False if nothing of it was lacking.
    bool add(const StateIdentity& logged);

    /// The server that is read from here on. A place in another's log is void; `place` is one in this one's.
    void set_server(const std::string& server, LogPlace place = {});
    void set_place(LogPlace place) { identity_.place = std::move(place); }

    /// Whether what stands between transactions before this place (file:offset) in the log of the server was told.
    [[nodiscard]] bool has_passed(const std::string& place) const;
    /// Up to there it was now; or up to a later one already.
    void pass(const std::string& place);
    /// Nothing was, of the log of another server.
    void forget_passed() { identity_.passed.clear(); }
    /// Whether the transaction that stands at this place was read. Of the log that the position is of.
    [[nodiscard]] bool has_read(const LogPlace& place) const;
    /// A crash of the server may take commits that are in the log; as far as is known.
    [[nodiscard]] bool is_lossy() const noexcept { return identity_.is_lossy; }
    void set_lossy(bool is_lossy) noexcept { identity_.is_lossy = is_lossy; }

    /// A domain that the server has deleted (MariaDB): nothing of it is to be asked for.
    void forget_domain(std::uint32_t domain) {
        maria_.forget(domain);
        seen_.forget(domain);
    }

    /// A server's transactions that the one which is read from here on does not have (MariaDB).
    void forget(const MariaGtid& last) { seen_.forget(last); }

    /// What has been prepared and is open here.
    [[nodiscard]] PreparedTransactions& prepared() noexcept { return prepared_; }

    /// Its GTID, for messages.
    [[nodiscard]] std::string current() const;
    [[nodiscard]] std::string text() const;

  private:
    StateIdentity identity_;
    MysqlGtidSet mysql_;
    GtidOrigin origin_;
    std::int64_t number_ = 0;
    MariaGtidPosition maria_;
    MariaGtidState seen_;
    MariaGtid maria_gtid_;
    LogPlace next_place_;
    PreparedTransactions prepared_;
};

}  // namespace pgrepl::mysql
