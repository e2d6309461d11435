#pragma once
// The gate: no row of a target is added, changed or removed but here. Whatever must learn of each change of a target
// belongs here, and nothing else does. What is above it decides what is written, and what becomes of rows that are
// refused: row_repair and table_changes (by id), bulk_load (first copies), merge (refreshes). That a target is made,
// gets its primary key or goes is in target_table.hpp. test/lint/layers.sh checks that nothing else writes to targets.

#include <cstdint>
#include <string>
#include <vector>

#include "pg/spi.hpp"
#include "targets/open_target.hpp"
#include "targets/row_encoder.hpp"

namespace pgrepl::target {

class HeapAppend;

/// What is done about a row that the target holds already, byte for byte.
enum class WhereSame : std::uint8_t {
    kRewrite,
    kLeave,  ///< costs a comparison of each row
};

/// Writes to one target, which is opened for it, with the rights of its owner: call all of it as the owner. An error is
/// thrown, whether it concerns a row or more; then nothing of the call is written, if the caller takes the
/// subtransaction back. Returned is the number of rows.
class TargetWriter {
  public:
    explicit TargetWriter(const OpenTarget& target) : table_(target.sql()), rows_(target.rows_sql()) {}

    /// Makes the target hold `count` rows from `first` on.
    void put(const EncodedRows& rows, std::size_t first, std::size_t count, WhereSame where_same) const;
    /// The same for one row, whose data is the text of a jsonb.
    void put(const std::string& id, const std::string& data) const;

    /// Adds rows whose ids it does not hold: by a statement, or straight into its heap, on which `heap` is open.
    void add(const EncodedRows& rows, std::size_t first, std::size_t count, TimestampTz synced_at) const;
    void add(const EncodedRows& rows, HeapAppend& heap, TimestampTz synced_at) const;

    std::int64_t remove(const std::vector<std::string>& ids) const;
    /// Rows `t` that meet the condition.
    std::int64_t remove_where(const std::string& condition) const;
    /// All of them, and their files: for a target that nobody was told to read.
    void truncate() const;

    // From a staging table `staging`, as it is named in SQL: rows with the same id and other data, and rows with an id
    // that the target does not have; of the ids of `group` alone, if it is given. A staging row without data stands for
    // a row that was set aside: its old version stays.
    std::int64_t remove_differing(const std::string& staging) const;
    std::int64_t update_differing(const std::string& staging, const std::vector<std::string>* group = nullptr) const;
    std::int64_t add_missing(const std::string& staging, const std::vector<std::string>* group = nullptr) const;

  private:
    std::string table_;  ///< its name, to add to
    std::string rows_;   ///< the same, for its own rows
};

}  // namespace pgrepl::target
