#pragma once
// Tables of a source, as arguments name them: by their own name, or by database.table.

#include <string>
#include <vector>

#include "catalog/source_config.hpp"
#include "catalog/tables.hpp"

namespace pgrepl::api {

/// Throws SqlError if the source has no such table, or several.
catalog::SourceTable require_table(const catalog::SourceConfig& config, const std::string& name);

/// The same, and that it is replicated.
catalog::SourceTable require_replicated(const catalog::SourceConfig& config, const std::string& name);

}  // namespace pgrepl::api
