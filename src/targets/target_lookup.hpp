#pragma once
// Comparing encoded rows with what a target table holds under their ids: what a refresh and a verification are made
// of. Two routes: straight through the unique index on id, for a plain heap, and a join through SPI for every other
// (partitioned, distributed, with row security).

#include <cstdint>
#include <string>
#include <vector>

#include "pg/error.hpp"
#include "targets/open_target.hpp"
#include "targets/row_encoder.hpp"

namespace pgrepl::target {

/// What the target holds under a row's id.
enum class Found : std::uint8_t { kSame, kDifferent, kMissing };

/// Looks rows up in one table within one transaction. Call finish() before the transaction commits; if an error ends
/// it, just destroy the object.
class TargetLookup {
  public:
    /// Throws SqlError if the current role may not read the table.
    explicit TargetLookup(const OpenTarget& target);
    TargetLookup(const TargetLookup&) = delete;
    TargetLookup& operator=(const TargetLookup&) = delete;

    /// What the table holds now for each row, in their order. `data` is the same only if every byte of the jsonb is.
    void compare(const EncodedRows& rows, std::vector<Found>& found);

    void finish();

  private:
    struct IndexRoute;

    void compare_by_index(const EncodedRows& rows, std::vector<Found>& found);
    void compare_by_statement(const EncodedRows& rows, std::vector<Found>& found);

    IndexRoute* index_ = nullptr;  ///< in PostgreSQL's memory; null: the other route
    std::string statement_;
};

}  // namespace pgrepl::target
