#pragma once
// Rows set aside: replicator.quarantine. An entry is the latest that is known of its key: a later copy or change that
// can be stored removes it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/target_relations.hpp"
#include "core/table_name.hpp"
#include "pg/refused_row.hpp"

namespace pgrepl::catalog {

/// Whose rows are set aside.
struct Quarantine {
    std::int32_t source_id = 0;
    std::int32_t table_id = 0;
    int most = 0;  ///< rows of the table: max_quarantined
};

/// Sets rows aside, in the transaction of their batch. Throws SqlError if more of the table's are then than may be.
void set_aside(const Quarantine& quarantine, const std::vector<pg::RefusedRow>& rows);

/// The same for rows of a staging table, whose data is taken from there; of these alone, whoever merges them
/// has checked how many they may be. `staging` is quoted for SQL.
void set_staged_aside(const Quarantine& quarantine, const std::vector<pg::RefusedRow>& rows,
                      const std::string& staging);

/// All rows are gone at the source.
void forget_quarantine(std::int32_t table_id);

/// Forgets entries of the table that the copy under way did not meet again.
void forget_stale_quarantine(std::int32_t table_id);

/// An entry that can be tried again.
struct QuarantinedRow {
    std::int64_t id = 0;
    std::int32_t table_id = 0;
    core::TableName table;
    std::string target_schema;
    std::string target_name;
    TargetRelation relation;
    std::string key;
    bool deletion = false;
    bool has_data = false;
    std::string reason;
};

/// Entries of a source, of one table and key if they are given, oldest first; locked until the transaction ends.
std::vector<QuarantinedRow> lock_quarantined_rows(std::int32_t source_id, const std::optional<std::int32_t>& table_id,
                                                  const std::optional<std::string>& key);

/// It has been stored.
void release_row(std::int64_t id);

/// It was tried again, in vain.
void record_vain_try(std::int64_t id, const pg::SqlError& error);

/// Keys of rows of the table that could not be deleted.
std::vector<std::string> refused_deletions(std::int32_t table_id);

/// The row of an entry, as the text of its jsonb.
std::string quarantined_data(std::int64_t id);

/// Which of these keys are set aside.
std::vector<std::string> quarantined_keys(std::int32_t table_id, const std::vector<std::string>& keys);

}  // namespace pgrepl::catalog
