#pragma once
// What a statement in the source's log that changes tables does to us: docs/user/schema-changes.md lists the effects.
// Only the catalog and the targets are changed here; the stream then follows what the catalog says.

#include <map>
#include <optional>
#include <vector>

#include "catalog/source_config.hpp"
#include "core/source.hpp"
#include "core/stream.hpp"

namespace pgrepl::replication {

/// The tables that the statements may have made or changed, as the source has them now; asked for before the
/// transaction starts. All tables, if one of the statements is not understood.
using TablesNow = std::map<core::TableName, std::optional<core::TableInfo>>;
TablesNow look_up_changed_tables(core::Source& source, const std::vector<core::SchemaChange>& changes);

/// In the transaction that reaches the statements.
void apply_schema_changes(const catalog::SourceConfig& config, const core::Source& source,
                          const std::vector<core::SchemaChange>& changes, const TablesNow& now);

}  // namespace pgrepl::replication
