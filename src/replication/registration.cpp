// Registration of tables.

#include "replication/registration.hpp"

#include <algorithm>
#include <set>

#include "catalog/table_life.hpp"
#include "pg/spi.hpp"
#include "replication/index_rules.hpp"

namespace pgrepl::replication {

namespace {

catalog::SourceTable as_row(const PlannedTable& planned) {
    catalog::SourceTable row;
    row.name = planned.info.name;
    row.kind = planned.info.kind;
    row.state = planned.state;
    row.reason = planned.reason;
    row.note = planned.note;
    row.target_schema = planned.target_schema;
    row.target_name = planned.target_name;
    row.key_columns = planned.info.key_names;
    row.keyless = planned.info.unsupported_reason.empty() && !planned.info.layout.has_key();
    row.definition = planned.info.definition;
    row.structure = planned.info.structure;
    row.rows_expected = planned.info.estimated_rows;
    row.bytes_expected = planned.info.estimated_bytes;
    return row;
}

void check_table(const catalog::SourceConfig& config, const PlannedTable& table, bool ours) {
    std::string const other = catalog::source_of_target(table.target_schema, table.target_name);
    if (!other.empty() && other != config.name) {
        throw pg::SqlError(ERRCODE_DUPLICATE_TABLE,
                           "table " + pg::quoted(table.target_schema, table.target_name) +
                               " is the target of source \"" + other + "\"",
                           "It would have become the target of \"" + table.info.name.qualified() + "\".",
                           "Choose another target_schema.");
    }
    if (!ours && !pg::execute("SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                              "ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
                              {table.target_schema, table.target_name})
                      .empty()) {
        throw pg::SqlError(ERRCODE_DUPLICATE_TABLE,
                           "relation " + pg::quoted(table.target_schema, table.target_name) +
                               " exists and is not a target of this source",
                           "It would have become the target of \"" + table.info.name.qualified() + "\".",
                           "Choose another target_schema, or rename the existing relation.");
    }
}

}  // namespace

void check_schema(const std::string& schema, const catalog::SourceConfig& config) {
    if (schema.empty() || schema.starts_with("pg_") || schema == "information_schema" || schema == "replicator") {
        throw pg::SqlError(ERRCODE_RESERVED_NAME, "schema \"" + schema + "\" cannot hold target tables",
                           "The name is reserved.", "Choose another target_schema.");
    }
    pg::QueryResult const row = pg::execute(
        "SELECT pg_catalog.has_schema_privilege($2, n.oid, 'CREATE') AND "
        "pg_catalog.has_schema_privilege($2, n.oid, 'USAGE') FROM pg_catalog.pg_namespace n "
        "WHERE n.nspname = $1",
        {schema, pg::Param::oid(config.owner)});
    if (!row.empty() && !row.boolean(0, 0)) {
        throw pg::SqlError(ERRCODE_INSUFFICIENT_PRIVILEGE,
                           "schema \"" + schema + "\" exists, and role \"" + config.owner_name +
                               "\" may not create tables in it, or not use them",
                           "It would hold the target tables of source \"" + config.name + "\".",
                           "Choose another target_schema, or GRANT CREATE, USAGE ON SCHEMA to the role.");
    }
    if (row.empty() &&
        !pg::execute("SELECT pg_catalog.has_database_privilege($1, pg_catalog.current_database(), 'CREATE')",
                     {pg::Param::oid(config.owner)})
             .boolean(0, 0)) {
        throw pg::SqlError(ERRCODE_INSUFFICIENT_PRIVILEGE,
                           "role \"" + config.owner_name + "\" may not create the schema \"" + schema + "\"",
                           "It would hold the target tables of source \"" + config.name + "\".",
                           "GRANT CREATE ON DATABASE to the role, or create the schema and grant CREATE on it.");
    }
}

std::vector<PlannedTable> register_discovered_tables(const catalog::SourceConfig& config,
                                                     const std::vector<core::TableInfo>& discovered) {
    std::vector<PlannedTable> planned = select_tables(config, discovered);
    for (const PlannedTable& table : planned) {
        catalog::save_discovered_table(config.id, as_row(table));
    }
    for (const catalog::SourceTable& known : catalog::list_tables(config.id)) {
        if (known.changed) {
            continue;  // the stream has yet to look at it
        }
        bool const found = std::any_of(planned.begin(), planned.end(),
                                       [&](const PlannedTable& table) { return table.info.name == known.name; });
        if (found) {
            continue;
        }
        if (known.state == catalog::TableState::kStreaming || known.state == catalog::TableState::kCatchingUp) {
            // The stream will come to the statement that dropped it, and knows what to do; but what happens to a
            // database that the URL does not name any more, it is not told.
            bool const has_database = std::any_of(planned.begin(), planned.end(), [&](const PlannedTable& table) {
                return table.info.name.database == known.name.database;
            });
            if (!has_database) {
                catalog::leave_out(known.id, catalog::TableState::kExcluded,
                                   "its database has no tables, or is no part of the source");
            }
        } else {
            catalog::mark_gone(known.id);
        }
    }
    apply_index_rules(config);
    return planned;
}

PlannedTable register_table(const catalog::SourceConfig& config, const core::TableInfo& discovered) {
    PlannedTable planned = select_tables(config, {discovered}).at(0);
    if (planned.state == catalog::TableState::kPending) {
        std::string const other = catalog::source_table_of_target(planned.target_schema, planned.target_name);
        if (!other.empty() && other != config.name + ": " + planned.info.name.qualified()) {
            planned.state = catalog::TableState::kUnsupported;
            planned.reason = "its target is that of " + other;
            planned.target_schema.clear();
            planned.target_name.clear();
        }
    }
    catalog::save_discovered_table(config.id, as_row(planned));
    apply_index_rules(config, catalog::find_table(config.id, discovered.name).value());
    return planned;
}

void check_targets(const catalog::SourceConfig& config, const std::vector<PlannedTable>& planned) {
    std::vector<catalog::SourceTable> const known = catalog::list_tables(config.id);
    std::set<std::string> schemas;
    for (const PlannedTable& table : planned) {
        if (table.state != catalog::TableState::kPending) {
            continue;
        }
        if (schemas.insert(table.target_schema).second) {
            check_schema(table.target_schema, config);
        }
        bool const ours = std::any_of(known.begin(), known.end(), [&](const catalog::SourceTable& row) {
            return row.target_created && row.target_schema == table.target_schema &&
                   row.target_name == table.target_name;
        });
        check_table(config, table, ours);
    }
}

}  // namespace pgrepl::replication
