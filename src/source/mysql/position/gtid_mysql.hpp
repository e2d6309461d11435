#pragma once
// MySQL's global transaction identifiers and sets of them (MySQL manual, "GTID Format and Storage"): a server's
// UUID, an optional tag (8.3 on), and ranges of numbers. Knows nothing of events.

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "source/mysql/wire/byte_reader.hpp"

namespace pgrepl::mysql {

using Uuid = std::array<std::uint8_t, 16>;

/// "3e11fa47-71ca-11e1-9e33-c80aa9429562", always in lower case.
std::string uuid_text(const Uuid& uuid);

/// Who numbers a transaction: a server, or a server and a tag.
struct GtidOrigin {
    Uuid uuid{};
    std::string tag;  ///< lower case; empty: none

    auto operator<=>(const GtidOrigin&) const = default;
};

/// "uuid:7" or "uuid:tag:7".
std::string gtid_text(const GtidOrigin& origin, std::int64_t number);

class MysqlGtidSet {
  public:
    static constexpr std::int64_t kLastNumber = INT64_MAX - 1;
    static constexpr std::size_t kMaxTagBytes = 32;

    /// Numbers from `first` to before `end`.
    struct Interval {
        std::int64_t first;
        std::int64_t end;
        bool operator==(const Interval&) const = default;
    };

    /// As the server prints `gtid_executed`, with or without spaces and line ends. kInvalidValue if it is no set.
    static MysqlGtidSet parse(std::string_view text);

    /// The encoding of PREVIOUS_GTIDS and COM_BINLOG_DUMP_GTID, with or without tags.
    static MysqlGtidSet decode(ByteReader& reader);

    /// "uuid:1-5:7:tag:1-3,uuid2:1", sorted; empty for the empty set.
    [[nodiscard]] std::string text() const;

    /// The set for COM_BINLOG_DUMP_GTID: without tags in the form that every server reads, else in that of 8.3.
    [[nodiscard]] std::string encode() const;

    void add(const GtidOrigin& origin, std::int64_t number) { add(origin, {number, number + 1}); }
    void add(const GtidOrigin& origin, Interval interval);
    void add(const MysqlGtidSet& other);
    void remove(const MysqlGtidSet& other);

    [[nodiscard]] bool contains(const GtidOrigin& origin, std::int64_t number) const {
        return contains(origin, {number, number + 1});
    }
    [[nodiscard]] bool contains(const GtidOrigin& origin, Interval interval) const;
    /// Whether every transaction of `other` is in this set.
    [[nodiscard]] bool contains(const MysqlGtidSet& other) const;

    [[nodiscard]] bool empty() const noexcept { return origins_.empty(); }
    bool operator==(const MysqlGtidSet&) const = default;

  private:
    void parse_origin(std::string_view element);

    /// Intervals are not empty, sorted, and neither overlap nor touch.
    std::map<GtidOrigin, std::vector<Interval>> origins_;
};

}  // namespace pgrepl::mysql
