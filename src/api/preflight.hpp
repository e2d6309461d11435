#pragma once
// What has to be true before a source is registered, step by step: replicator_init and replicator_alter stop at the
// first step that fails, replicator_validate reports them all.

#include <functional>
#include <string>
#include <vector>

#include "api/source_arguments.hpp"
#include "catalog/source_config.hpp"
#include "core/source.hpp"

namespace pgrepl::api {

class Preflight {
  public:
    using Report = std::function<void(const core::Check&)>;

    /// Without a report the first failing step throws its error.
    explicit Preflight(Report report = {}) : report_(std::move(report)) {}

    /// Runs a step; it returns what there is to say if all is well. False if it failed, and was reported.
    bool step(const char* name, const std::function<std::string()>& body);

    /// Reports what an adapter or a server says of itself. Without a report, an error of it is thrown, and a warning of
    /// it becomes a WARNING.
    void add(const core::Check& check);

  private:
    Report report_;
};

/// The steps that need no source: who calls, the arguments, the URL. Fills `config`.
bool check_arguments(const SourceArguments& arguments, Oid caller, catalog::SourceConfig& config, Preflight& preflight);

struct FoundTables {
    std::vector<core::TableInfo> tables;
    core::NameRules names;  ///< how the source compares names, also where it has no tables
};

/// The steps that ask the source: connection, its prerequisites, tables, rules, targets. Returns its tables.
FoundTables check_source(const catalog::SourceConfig& config, Preflight& preflight);

}  // namespace pgrepl::api
