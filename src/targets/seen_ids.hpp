#pragma once
// The ids that a full read of a source has met, so that one statement can find the rows of the target that are not
// at the source. Kept as 128-bit hashes, packed by the hundred into rows of an unlogged side table of ours: bounded
// memory, and small beside the rows themselves. Two different ids with one hash would hide a stale row; among a
// billion rows that has a chance of 10^-20.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "targets/open_target.hpp"

namespace pgrepl::target {

/// A hash of 128 bits, the halves as PostgreSQL's hashtextextended(…, 0) and (…, 1) give them.
struct Hash128 {
    std::int64_t first = 0;
    std::int64_t second = 0;

    bool operator==(const Hash128&) const = default;
};
Hash128 hash_of(std::string_view bytes);

/// What tells a set of ids from every other: their number, and the exclusive or of their hashes.
struct IdFingerprint {
    std::int64_t count = 0;
    std::int64_t first = 0;
    std::int64_t second = 0;

    void add(std::string_view id);
    bool operator==(const IdFingerprint&) const = default;
};

/// The fingerprint of all ids that a target holds. Call as a role that may read it.
IdFingerprint fingerprint_of(const OpenTarget& target);

/// Collects ids; writes them in full rows.
class SeenIds {
  public:
    explicit SeenIds(TargetName table) : table_(std::move(table)) {}

    void add(std::string_view id);

    /// How many are not written yet.
    [[nodiscard]] std::size_t held() const noexcept { return first_.size(); }

    /// Writes what is not written yet. Call in the transaction that counts the rows as read, as the catalog role.
    void write();

    /// SQL, true for a row `t` of the target whose id is not in `seen`.
    static std::string not_seen(const TargetName& seen);

  private:
    TargetName table_;
    std::vector<std::int64_t> first_;
    std::vector<std::int64_t> second_;
};

/// Creates the side table again, readable by `owner`. Call as the catalog role.
void create_seen_table(const TargetName& table, Oid owner);

/// Adds an empty pair of arrays: a row that says nothing but that the table is as it was, for it is unlogged.
void mark_seen_table(const TargetName& table);
bool seen_table_is_intact(const TargetName& table);

}  // namespace pgrepl::target
