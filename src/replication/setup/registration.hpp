#pragma once
// Keeping the catalog's list of tables in step with what discovery finds.

#include <cstdint>
#include <set>
#include <vector>

#include "catalog/source_config.hpp"
#include "catalog/tables.hpp"
#include "core/source.hpp"
#include "replication/setup/table_selection.hpp"

namespace pgrepl::replication {

/// Selects among the discovered tables and writes the result: new tables appear, changed ones are updated; nothing of a
/// copy's progress changes. Tables that are gone fail, if the source is not continuous: a person is to say what becomes
/// of their targets. If it is, the log, or the next copy, says what has become of them.
/// `names`: how the source compares names.
std::vector<PlannedTable> register_discovered_tables(const catalog::SourceConfig& config,
                                                     const std::vector<core::TableInfo>& discovered,
                                                     const core::NameRules& names);

/// The same for a worker, which waits for nobody: a table whose target's name another transaction is about to take is
/// left out until that has ended. Tables that are missing are left to settle_missing_tables().
std::vector<PlannedTable> register_discovered_tables_in_worker(const catalog::SourceConfig& config,
                                                               const std::vector<core::TableInfo>& discovered);

/// Known tables that are wanted, and not among `discovered`, though nothing is known that explains it: the account
/// could read them the last time.
bool lacks_tables(const catalog::SourceConfig& config, const std::vector<core::TableInfo>& discovered);

/// What it says of a table that a worker which begins a copy does not find it.
enum class Missing : std::uint8_t {
    kGone,
    kOutOfSight,  ///< perhaps: the account may read other tables than before
    kNotYetHere,  ///< perhaps: another server answers than before, which may be behind
};

/// What a worker that begins a copy has seen of the tables.
struct LookForTables {
    std::vector<PlannedTable> planned;  ///< those that it has found
    /// Those that it had found a moment before, if one was missing then: whatever is missing now has been there, and is
    /// looked at again.
    std::set<core::TableName> found_before;
    Missing missing = Missing::kGone;
    bool is_followed = false;  ///< the log, after the copy
};

/// Settles what has become of known tables that were not found, as far as nobody is waited for, and returns
/// those that are to be let go (gone_table.hpp). In a continuous source nothing else will say that they are gone, for
/// the statements that took them away may stand before the place where the log is followed from. What has changed is
/// left to the stream where the log is followed after the copy. What the account could not read when it was last looked
/// for is not taken for gone in any mode. In a transaction, in its turn. `names`: how the source compares names.
[[nodiscard]] std::vector<catalog::SourceTable> settle_missing_tables(const catalog::SourceConfig& config,
                                                                      const LookForTables& look,
                                                                      const core::NameRules& names);

struct RegisteredTable {
    PlannedTable planned;
    bool settled = true;  ///< false: it is to be looked at again, as one that was changed
};

/// The same for one table that was met later, by a worker; nothing is said about the others.
RegisteredTable register_table(const catalog::SourceConfig& config, const core::TableInfo& discovered);

/// Throws SqlError unless every target that is to be created can be: the schema exists and the owner may create in it,
/// or the owner may create it; no relation of that name exists that is not this source's own.
void check_targets(const catalog::SourceConfig& config, const std::vector<PlannedTable>& planned);

/// Throws SqlError unless the owner may create tables in this schema, and use them.
void check_schema(const std::string& schema, const catalog::SourceConfig& config);

}  // namespace pgrepl::replication
