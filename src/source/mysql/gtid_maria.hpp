#pragma once
// MariaDB's global transaction identifiers and positions (MariaDB knowledge base, "Global Transaction ID"):
// domain-server-sequence, and a list with the last one of each domain. Knows nothing of events.

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

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

/// The last transaction of each domain. Within a domain sequence numbers grow, whatever the server
/// (gtid_strict_mode makes sure of it).
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

}  // namespace pgrepl::mysql
