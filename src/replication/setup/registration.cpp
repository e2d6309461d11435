// Registration of tables.

#include "replication/setup/registration.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include "catalog/table_life.hpp"
#include "core/name_rules.hpp"
#include "core/url.hpp"
#include "pg/scoped_setting.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/access/source_locks.hpp"
#include "replication/setup/index_rules.hpp"

namespace pgrepl::replication {

namespace {

constexpr int kCopyPatienceMs = 300;

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
    row.followed = planned.info.followed;
    row.definition = planned.info.definition;
    row.structure = planned.info.structure;
    row.rows_expected = planned.info.estimated_rows;
    row.bytes_expected = planned.info.estimated_bytes;
    return row;
}

/// The table cannot have the name of its target.
void leave_out(PlannedTable& planned, std::string reason) {
    planned.state = catalog::TableState::kUnsupported;
    planned.reason = std::move(reason);
    planned.target_schema.clear();
    planned.target_name.clear();
}

/// What a worker waits for another transaction that is about to give a target's name to a table of its own. That one
/// can stay open for as long as its session likes; so only the first of such tables is waited for.
class NamePatience {
  public:
    explicit NamePatience(int milliseconds) : milliseconds_(milliseconds) {}

    /// Saves the table, or leaves it out, if its name is another's. False: whether it is will show when that
    /// transaction has ended.
    bool save(const catalog::SourceConfig& config, PlannedTable& planned) {
        std::string const timeout = std::to_string(milliseconds_) + "ms";
        std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] {
            pg::ScopedSetting const patience("lock_timeout", timeout.c_str());
            catalog::save_discovered_table(config.id, as_row(planned));
        });
        if (!error) {
            return true;
        }
        bool const waits = error->sqlstate() == ERRCODE_LOCK_NOT_AVAILABLE;
        if (waits) {
            milliseconds_ = 1;
            leave_out(planned, "another transaction is about to register a table with the target " +
                                   pg::quoted(planned.target_schema, planned.target_name));
        } else if (error->sqlstate() == ERRCODE_DUPLICATE_TABLE) {
            leave_out(planned, "its target is that of " +
                                   catalog::source_table_of_target(planned.target_schema, planned.target_name));
        } else {
            throw *error;
        }
        catalog::save_discovered_table(config.id, as_row(planned));
        return !waits;
    }

  private:
    int milliseconds_;
};

/// Whether the table gets a name for its target that it has not had.
bool takes_a_name(const PlannedTable& planned, const catalog::SourceTable* known) {
    bool const keeps = known != nullptr && (known->target_created || (known->target_schema == planned.target_schema &&
                                                                      known->target_name == planned.target_name));
    return planned.state == catalog::TableState::kPending && !keeps;
}

/// In a worker. False: the table is to be looked at again.
bool save_planned(const catalog::SourceConfig& config, PlannedTable& planned, const catalog::SourceTable* known,
                  NamePatience& patience) {
    if (!takes_a_name(planned, known)) {
        catalog::save_discovered_table(config.id, as_row(planned));
        return true;
    }
    bool const settled = patience.save(config, planned);
    if (!settled) {
        catalog::note_change(config.id, planned.info.name);
    }
    return settled;
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
    if (!ours && !pg::execute(R"(SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
                                 ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)",
                              {table.target_schema, table.target_name})
                      .empty()) {
        throw pg::SqlError(ERRCODE_DUPLICATE_TABLE,
                           "relation " + pg::quoted(table.target_schema, table.target_name) +
                               " exists and is not a target of this source",
                           "It would have become the target of \"" + table.info.name.qualified() + "\".",
                           "Choose another target_schema, or rename the existing relation.");
    }
}

/// Known tables that were not found.
std::vector<catalog::SourceTable> missing_tables(const catalog::SourceConfig& config,
                                                 const std::set<core::TableName>& found) {
    std::vector<catalog::SourceTable> missing = catalog::list_tables(config.id);
    std::erase_if(missing, [&](const catalog::SourceTable& known) { return found.contains(known.name); });
    return missing;
}

std::set<core::TableName> names_of(const std::vector<PlannedTable>& planned) {
    std::set<core::TableName> names;
    for (const PlannedTable& table : planned) {
        names.insert(table.info.name);
    }
    return names;
}

/// The databases that the URL names.
class DatabasesOfUrl {
  public:
    /// `planned`: of the source, whose `rules` say which names are the same.
    DatabasesOfUrl(const catalog::SourceConfig& config, const std::vector<PlannedTable>& planned,
                   const core::NameRules& rules)
        : rules_(rules) {
        core::SourceUrl const url = core::parse_source_url(config.url).url;
        std::istringstream path(url.is_file() ? std::string() : url.path);
        for (std::string name; std::getline(path, name, ',');) {
            names_.insert(rules_.comparable(name));
        }
        bool const has_others = std::any_of(planned.begin(), planned.end(), [&](const PlannedTable& table) {
            return !names_.contains(rules_.comparable(table.info.name.database));
        });
        if (has_others) {
            names_.clear();  // of this kind, the URL's path names something else
        }
    }

    /// It is, or the URL names none, and so all.
    [[nodiscard]] bool have(const std::string& database) const {
        return names_.empty() || names_.contains(rules_.comparable(database));
    }

  private:
    const core::NameRules& rules_;
    std::set<std::string> names_;
};

/// What happens to a database that the URL does not name any more no log tells us. Targets stay.
void leave_out_with_database(const catalog::SourceTable& table) {
    if (!table.target_created) {
        return catalog::forget_table(table.id);
    }
    catalog::leave_out(table.id, catalog::TableState::kExcluded, "its database is no part of the source");
    catalog::end_change(table.id);
}

void set_apart_as_denied(const catalog::SourceTable& table) {
    set_table_apart(table.id, pg::to_sql_error(table_denied(table.name)));
}

/// In a control call. What is missing in a database of a source that is followed is left to the log.
void settle_missing(const catalog::SourceConfig& config, const std::vector<PlannedTable>& planned,
                    const core::NameRules& names) {
    DatabasesOfUrl const databases(config, planned, names);
    for (const catalog::SourceTable& table : missing_tables(config, names_of(planned))) {
        bool const is_replicated = catalog::is_replicated(table.state);
        if (is_replicated && core::is_followed(config.plan) && !databases.have(table.name.database)) {
            leave_out_with_database(table);
        } else if (is_replicated && table.was_denied && databases.have(table.name.database)) {
            set_apart_as_denied(table);
        } else if (!core::is_followed(config.plan) || !(is_replicated || table.changed)) {
            catalog::mark_gone(table.id);
        }
    }
}

}  // namespace

void check_schema(const std::string& schema, const catalog::SourceConfig& config) {
    if (schema.empty() || schema.starts_with("pg_") || schema == "information_schema" || schema == "replicator") {
        throw pg::SqlError(ERRCODE_RESERVED_NAME, "schema \"" + schema + "\" cannot hold target tables",
                           "The name is reserved.", "Choose another target_schema.");
    }
    pg::QueryResult const row = pg::execute(
        R"(SELECT pg_catalog.has_schema_privilege($2, n.oid, 'CREATE') AND
           pg_catalog.has_schema_privilege($2, n.oid, 'USAGE') FROM pg_catalog.pg_namespace n
           WHERE n.nspname = $1)",
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
                                                     const std::vector<core::TableInfo>& discovered,
                                                     const core::NameRules& names) {
    std::vector<PlannedTable> planned = select_tables(config, discovered);
    for (const PlannedTable& table : planned) {
        catalog::save_discovered_table(config.id, as_row(table));
    }
    settle_missing(config, planned, names);
    apply_index_rules(config);
    return planned;
}

std::vector<PlannedTable> register_discovered_tables_in_worker(const catalog::SourceConfig& config,
                                                               const std::vector<core::TableInfo>& discovered) {
    std::vector<PlannedTable> planned = select_tables(config, discovered);
    std::map<core::TableName, catalog::SourceTable> known;
    for (catalog::SourceTable& table : catalog::list_tables(config.id)) {
        core::TableName const name = table.name;
        known.emplace(name, std::move(table));
    }
    NamePatience patience(kCopyPatienceMs);
    for (PlannedTable& table : planned) {
        auto const found = known.find(table.info.name);
        (void)save_planned(config, table, found == known.end() ? nullptr : &found->second, patience);
    }
    apply_index_rules(config);
    return planned;
}

bool lacks_tables(const catalog::SourceConfig& config, const std::vector<core::TableInfo>& discovered) {
    std::set<core::TableName> found;
    for (const core::TableInfo& table : discovered) {
        found.insert(table.name);
    }
    std::vector<catalog::SourceTable> const missing = missing_tables(config, found);
    return std::any_of(missing.begin(), missing.end(), [](const catalog::SourceTable& table) {
        return catalog::is_replicated(table.state) && table.target_created && !table.was_denied;
    });
}

std::vector<catalog::SourceTable> settle_missing_tables(const catalog::SourceConfig& config, const LookForTables& look,
                                                        const core::NameRules& names) {
    DatabasesOfUrl const databases(config, look.planned, names);
    bool const is_followed_for_good = core::is_followed(config.plan);
    std::vector<catalog::SourceTable> gone;
    for (catalog::SourceTable& table : missing_tables(config, names_of(look.planned))) {
        bool const is_looked_at = table.changed && look.is_followed;
        bool const is_of_url = databases.have(table.name.database);
        if (!catalog::is_replicated(table.state) || (!is_followed_for_good && !is_of_url)) {
            if (!is_looked_at) {
                catalog::mark_gone(table.id);
            }
        } else if (!is_of_url) {
            leave_out_with_database(table);
        } else if (is_looked_at && !table.target_created) {
            continue;  // it is new, and perhaps not shown yet
        } else if (look.missing == Missing::kOutOfSight || table.was_denied) {
            // Also of what has changed: by these rights the stream will look at it, and not find it either.
            set_apart_as_denied(table);
        } else if (look.is_followed &&
                   (look.missing == Missing::kNotYetHere || look.found_before.contains(table.name))) {
            catalog::note_change(config.id, table.name);
        } else if (is_looked_at) {
            continue;
        } else if (!is_followed_for_good) {
            catalog::mark_gone(table.id);
        } else {
            gone.push_back(std::move(table));
        }
    }
    return gone;
}

RegisteredTable register_table(const catalog::SourceConfig& config, const core::TableInfo& discovered) {
    PlannedTable planned = select_tables(config, {discovered}).at(0);
    if (planned.state == catalog::TableState::kPending) {
        std::string const other = catalog::source_table_of_target(planned.target_schema, planned.target_name);
        if (!other.empty() && other != config.name + ": " + planned.info.name.qualified()) {
            leave_out(planned, "its target is that of " + other);
        }
    }
    std::optional<catalog::SourceTable> const known = catalog::find_table(config.id, discovered.name);
    NamePatience patience(SourceLocks::kPatienceMs);
    bool const settled = save_planned(config, planned, known ? &*known : nullptr, patience);
    apply_index_rules(config, catalog::find_table(config.id, discovered.name).value());
    return {std::move(planned), settled};
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
