#pragma once
// The arguments that replicator_init and replicator_alter share, and what they make of a source's configuration.

#include <optional>
#include <string>
#include <vector>

#include "api/arguments.hpp"
#include "api/control_call.hpp"
#include "catalog/source_config.hpp"
#include "core/source.hpp"

namespace pgrepl::api {

struct SourceArguments {
    std::optional<std::string> url;
    std::optional<std::string> name;
    std::optional<std::string> target_schema;
    std::optional<std::vector<std::string>> include_tables;
    std::optional<std::vector<std::string>> exclude_tables;
    std::optional<std::vector<std::string>> include_databases;
    std::optional<std::vector<std::string>> exclude_databases;
    std::optional<std::string> mode;
    std::optional<std::string> refresh_interval;
    std::optional<std::string> rules;
    std::optional<std::string> options;
    std::optional<std::string> owner;  ///< of replicator_alter
};

/// Reads them: the URL at `url`, the name at `name`, the others from position 2 on, in the order of the struct.
SourceArguments read_source_arguments(const Arguments& arguments, int url, int name);

/// As they are recorded; the URL without its secret.
RecordedArguments recorded(const SourceArguments& arguments);

/// Changes `config` by what was given, and checks the result: the mode, the URL and whether the caller may use it,
/// rules, options, filters.
void apply_arguments(const SourceArguments& arguments, Oid caller, catalog::SourceConfig& config);

/// The database's name, or the file's without its ending.
std::string default_name(const core::SourceUrl& url);

/// Opens the source, discovers its tables, checks the selection and the targets, and registers the tables.
void discover_and_register(const catalog::SourceConfig& config);

}  // namespace pgrepl::api
