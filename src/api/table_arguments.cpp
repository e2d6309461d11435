// Finding tables by name.

#include "api/table_arguments.hpp"

#include <algorithm>

namespace pgrepl::api {

catalog::SourceTable require_table(const catalog::SourceConfig& config, const std::string& name) {
    std::vector<catalog::SourceTable> const tables = catalog::list_tables(config.id);
    std::vector<catalog::SourceTable> found;
    std::copy_if(tables.begin(), tables.end(), std::back_inserter(found), [&](const catalog::SourceTable& table) {
        return table.name.table == name || table.name.qualified() == name;
    });
    if (found.empty()) {
        throw pg::SqlError(ERRCODE_UNDEFINED_TABLE, "source \"" + config.name + "\" has no table \"" + name + "\"",
                           "It was not there when the source was last read.", "replicator_tables lists its tables.");
    }
    if (found.size() > 1) {
        throw pg::SqlError(
            ERRCODE_AMBIGUOUS_ALIAS, "source \"" + config.name + "\" has several tables \"" + name + "\"",
            "Two of them are \"" + found[0].name.qualified() + "\" and \"" + found[1].name.qualified() + "\".",
            "Write database.table.");
    }
    return found[0];
}

catalog::SourceTable require_replicated(const catalog::SourceConfig& config, const std::string& name) {
    catalog::SourceTable table = require_table(config, name);
    if (!catalog::is_replicated(table.state)) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                           "table \"" + name + "\" is " + std::string(name_of(table.state)) + ", not replicated",
                           table.reason + ".",
                           table.state == catalog::TableState::kExcluded ? "Call replicator_add_table first."
                                                                         : "Nothing can be done about it here.");
    }
    return table;
}

}  // namespace pgrepl::api
