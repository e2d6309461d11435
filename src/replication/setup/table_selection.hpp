#pragma once
// Which tables of a source are replicated, and into which target tables.

#include <string>
#include <vector>

#include "catalog/source_config.hpp"
#include "catalog/states.hpp"
#include "core/source.hpp"

namespace pgrepl::replication {

/// What is to become of one table of the source.
struct PlannedTable {
    core::TableInfo info;
    catalog::TableState state = catalog::TableState::kPending;  ///< or excluded, or unsupported
    std::string reason;                                         ///< why it is not pending
    std::string note;                                           ///< what a user should know about it
    std::string target_schema;                                  ///< empty unless pending
    std::string target_name;
};

/// Applies the source's filters, and names the targets. Throws SqlError for two tables with one target.
std::vector<PlannedTable> select_tables(const catalog::SourceConfig& config,
                                        const std::vector<core::TableInfo>& discovered);

/// What a person who gives filters should be told: throws SqlError for an include pattern that matches nothing
/// (its DETAIL lists what there is), and if nothing is left to replicate; but databases may come later.
void check_selection(const catalog::SourceConfig& config, const std::vector<core::TableInfo>& discovered,
                     const std::vector<PlannedTable>& planned);

/// Patterns of include_databases that match nothing are of databases that are to come, unless they are mistaken.
core::Check check_databases_to_come(const catalog::SourceConfig& config,
                                    const std::vector<core::TableInfo>& discovered);

/// What a source that is followed would miss, because foreign keys change rows without a trace in its log. Ok if there
/// is no such table among those that are replicated.
core::Check check_foreign_keys(const std::vector<PlannedTable>& planned);

/// Throws SqlError if the rule `keys` names a table that the source does not have, or one that cannot have that key.
void check_key_rules(const catalog::SourceConfig& config, const std::vector<PlannedTable>& planned);

/// Checks what can be checked of the filters without the source: throws for contradictory ones.
void check_filters(const catalog::SourceConfig& config);

/// To compare a long pattern with a long name takes the product of their lengths, and cannot be interrupted.
constexpr std::size_t kLongestPattern = 1024;

/// `*` stands for any characters, `?` for one. Case counts.
bool matches_pattern(std::string_view pattern, std::string_view name) noexcept;

/// A name of at most 63 bytes: itself, or its first 54 bytes (cut at a character), `_`, and 8 hex digits of its
/// SHA-256.
std::string target_identifier(const std::string& name);

}  // namespace pgrepl::replication
