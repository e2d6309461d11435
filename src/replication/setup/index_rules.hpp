#pragma once
// Indexes on target tables, as the rules of a source ask for them:
//
//   {"gin": "jsonb_path_ops"}                     a GIN index on data of every table; or {"gin": {"orders":
//   "jsonb_ops"}}
//   {"indexes": {"orders": ["data->>'customer'"]}} a B-tree index on an expression over data, for each that is listed
//
// Tables are named as in include_tables, patterns included.

#include <string>
#include <vector>

#include "catalog/source_config.hpp"
#include "catalog/tables.hpp"
#include "catalog/target_indexes.hpp"
#include "core/source.hpp"

namespace pgrepl::replication {

/// Throws SqlError for a rule that is not known or has the wrong form, and for an expression that CREATE INDEX would
/// not take from `owner`.
void check_rules(const std::string& rules, Oid owner);

/// Throws SqlError if a rule names a table that the source does not have.
void check_tables_of_rules(const std::string& rules, const std::vector<core::TableInfo>& discovered);

/// Makes the catalog's list of wanted indexes what the rules say, for every table of the source.
void apply_index_rules(const catalog::SourceConfig& config);
/// For one of them.
void apply_index_rules(const catalog::SourceConfig& config, const catalog::SourceTable& table);

/// Builds one index, without keeping anybody from writing. An INVALID leftover of an earlier try is dropped first. In a
/// worker, outside of a transaction.
void build_index(const catalog::TargetIndex& index, Oid owner);

/// Drops what a canceled build has left. The table may be gone.
void drop_invalid_index(const catalog::TargetIndex& index, Oid owner);

}  // namespace pgrepl::replication
