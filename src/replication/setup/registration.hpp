#pragma once
// Keeping the catalog's list of tables in step with what discovery finds.

#include <vector>

#include "catalog/source_config.hpp"
#include "core/source.hpp"
#include "replication/setup/table_selection.hpp"

namespace pgrepl::replication {

/// Selects among the discovered tables and writes the result: new tables appear, changed ones are updated; nothing of a
/// copy's progress changes. Tables that are gone fail, if the source is not continuous: a person is to say what becomes
/// of their targets. If it is, the log, or the next copy, says what has become of them.
std::vector<PlannedTable> register_discovered_tables(const catalog::SourceConfig& config,
                                                     const std::vector<core::TableInfo>& discovered);

/// The same for a worker, which waits for nobody: a table whose target's name another transaction is about to take is
/// left out until that has ended. Tables that are gone are left to settle_missing_tables().
std::vector<PlannedTable> register_discovered_tables_in_worker(const catalog::SourceConfig& config,
                                                               const std::vector<core::TableInfo>& discovered);

/// Known tables that are not among those that a worker has found which begins a copy. In a continuous source nothing
/// else will say what has become of them, for the statements that took them away may stand before the place where the
/// log is followed from: they are let go (gone_table.hpp), unless `rights_are_others`, by which they may be there, but
/// out of sight. In a transaction, in its turn.
void settle_missing_tables(const catalog::SourceConfig& config, const std::vector<PlannedTable>& planned,
                           bool rights_are_others);

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
