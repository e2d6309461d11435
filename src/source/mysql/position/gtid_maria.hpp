#pragma once
// MariaDB's global transaction identifiers and positions (MariaDB knowledge base, "Global Transaction ID"):
// domain-server-sequence, and a list with the last one of each domain. Knows nothing of events.

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

struct MariaGtid {
    std::uint32_t domain = 0;
    std::uint32_t server = 0;
    std::uint64_t sequence = 0;

    /// "0-1-100"
    [[nodiscard]] std::string text() const;
    bool operator==(const MariaGtid&) const = default;
};

/// The last transaction of each domain. Within a domain sequence numbers grow, whatever the server, only where
/// gtid_strict_mode makes sure of it; MariaGtidState does not need it.
class MariaGtidPosition {
  public:
    /// "0-1-100,1-2-7" as in gtid_slave_pos. kInvalidValue if it is no position or names a domain twice.
    static MariaGtidPosition parse(std::string_view text);

    /// Sorted by domain; empty for the position before everything.
    [[nodiscard]] std::string text() const;

    /// `gtid` is now the last of its domain.
    void advance(const MariaGtid& gtid) { domains_[gtid.domain] = {gtid.server, gtid.sequence}; }

    /// Whether the transaction is at or before this position.
    [[nodiscard]] bool contains(const MariaGtid& gtid) const;
    /// Whether everything before `other` is before this position.
    [[nodiscard]] bool contains(const MariaGtidPosition& other) const;

    /// `unordered` if each is ahead in some domain.
    [[nodiscard]] std::partial_ordering compare(const MariaGtidPosition& other) const;

    /// The last transaction of a domain; sequence 0 if there is none.
    [[nodiscard]] MariaGtid last_of(std::uint32_t domain) const;
    void forget(std::uint32_t domain) { domains_.erase(domain); }

    /// The last transaction of each domain.
    [[nodiscard]] std::vector<MariaGtid> all() const;

    [[nodiscard]] bool empty() const noexcept { return domains_.empty(); }
    bool operator==(const MariaGtidPosition&) const = default;

  private:
    struct Last {
        std::uint32_t server;
        std::uint64_t sequence;
        bool operator==(const Last&) const = default;
    };
    std::map<std::uint32_t, Last> domains_;
};

/// The last transaction of each server within each domain, as gtid_binlog_state has it. Servers that write one domain
/// at the same time number their transactions without regard to each other; each alone counts upwards.
class MariaGtidState {
  public:
    /// "0-1-100,0-2-7". kInvalidValue if it is no list of GTIDs.
    static MariaGtidState parse(std::string_view text);

    /// Sorted; empty for the state before everything.
    [[nodiscard]] std::string text() const;

    /// `gtid` is now the last of its server in its domain.
    void advance(const MariaGtid& gtid) { servers_[{gtid.domain, gtid.server}] = gtid.sequence; }

    /// Whether the transaction is at or before the last of its server in its domain.
    [[nodiscard]] bool contains(const MariaGtid& gtid) const;
    /// Of those of `other`, one that is not in this state; nothing if all are.
    [[nodiscard]] std::optional<MariaGtid> lacks(const MariaGtidState& other) const;
    [[nodiscard]] bool knows_domain(std::uint32_t domain) const;
    void forget(std::uint32_t domain) {
        std::erase_if(servers_, [&](auto const& entry) { return entry.first.first == domain; });
    }

    void forget(const MariaGtid& last) { servers_.erase({last.domain, last.server}); }

    /// Each server's last transaction in each domain.
    [[nodiscard]] std::vector<MariaGtid> all() const;

  private:
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> servers_;  ///< by domain and server
};

}  // namespace pgrepl::mysql
