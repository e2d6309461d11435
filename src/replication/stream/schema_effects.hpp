#pragma once
// What a statement in the source's log that changes tables does to us: docs/user/schema-changes.md lists the effects.
// Only the catalog and the targets are changed here; the stream then follows what the catalog says.
//
// What a table is after the statement the source is asked. Others may have locked it there for hours, or the source may
// not show the statement yet, and the stream waits for nobody: then the table is noted (catalog::note_change), read
// again, and settled when the source tells what it is.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "catalog/source_config.hpp"
#include "catalog/tables.hpp"
#include "core/source.hpp"
#include "core/stream.hpp"
#include "replication/access/locked_targets.hpp"

namespace pgrepl::replication {

/// The account may be allowed to read any other tables than before.
bool concerns_all_rights(const core::SchemaChange& change);

/// The tables that the statements may have made or changed, as the source has them now; asked for before the
/// transaction starts. All tables, if one of the statements is not understood, or concerns rights to any.
struct TablesNow {
    std::map<core::TableName, std::optional<core::TableInfo>> tables;
    std::set<core::TableName> unseen;  ///< of which the source does not tell it now
    bool all_unseen = false;           ///< nor of any other
};
/// `is_shown`: the source shows the statements. If not, and they may concern any table, or if others have locked a
/// table, catalog::discovery_due().
TablesNow look_up_changed_tables(core::Source& source, const std::vector<core::SchemaChange>& changes, bool is_shown);

/// In the transaction that reaches the statements. Together they wait for one patience of `locked`. Returns the tables
/// whose entries may have changed; nothing: any.
std::optional<std::set<std::int32_t>> apply_schema_changes(const catalog::SourceConfig& config,
                                                           const core::Source& source,
                                                           const std::vector<core::SchemaChange>& changes,
                                                           const TablesNow& now, LockedTargets& locked);

/// In a transaction. The log has rows of these tables, which the stream does not follow: those that the filters
/// include, and that nobody knows of, or that were gone or could not be replicated when they were last looked at, are
/// to be looked at again (catalog::note_change). Returns their entries.
std::set<std::int32_t> note_strangers(const catalog::SourceConfig& config, const core::Source& source,
                                      const std::vector<core::TableName>& names, LockedTargets& locked);

/// The table of that name, of catalog::changed_tables(), is `now` at the source, which shows what the stream has
/// applied; or may be there, and the account is `denied` to read it. In a transaction, in its turn. False: it is to be
/// looked at again.
bool settle_changed_table(const catalog::SourceConfig& config, const core::TableName& name,
                          const std::optional<core::TableInfo>& now, const std::optional<pg::SqlError>& denied);

/// The source shows `all`, after a statement that it did not show when it was met (catalog::discovery_due()).
void settle_all_tables(const catalog::SourceConfig& config, const core::Source& source, const std::string& statement,
                       const TablesNow& all, LockedTargets& locked);
/// Nothing: others have locked one of them.
std::optional<TablesNow> look_up_all_tables(core::Source& source);

}  // namespace pgrepl::replication
