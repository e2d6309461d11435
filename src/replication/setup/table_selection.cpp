// Filters and target names.

#include "replication/setup/table_selection.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "pg/error.hpp"
#include "pg/wait.hpp"
#include "targets/sha256.hpp"

namespace pgrepl::replication {

namespace {

constexpr std::size_t kListed = 20;
using Patterns = std::optional<std::vector<std::string>>;

/// As the source compares names.
std::string comparable(const core::TableInfo& table, const std::string& name) {
    return table.name_rules ? table.name_rules->comparable(name) : name;
}

/// The user says how many patterns there are, and the source how many names.
bool matches(const core::TableInfo& table, const std::string& pattern, const std::string& name) {
    pg::check_interrupts();
    return matches_pattern(comparable(table, pattern), comparable(table, name));
}
bool matches_table(const core::TableInfo& table, const std::string& pattern) {
    return matches(table, pattern, table.name.table) || matches(table, pattern, table.name.qualified());
}
bool matches_database(const core::TableInfo& table, const std::string& pattern) {
    return matches(table, pattern, table.name.database);
}

template <typename Match>
bool matches_any(const Patterns& patterns, const core::TableInfo& table, Match match) {
    return patterns && std::any_of(patterns->begin(), patterns->end(),
                                   [&](const std::string& pattern) { return match(table, pattern); });
}

std::string list_of(const std::vector<core::TableInfo>& tables, bool databases) {
    std::string text;
    std::size_t count = 0;
    std::string last;
    for (const core::TableInfo& table : tables) {
        const std::string& name = databases ? table.name.database : table.name.table;
        if (name == last) {
            continue;
        }
        last = name;
        if (++count > kListed) {
            return text + ", …";
        }
        text += (text.empty() ? "" : ", ") + name;
    }
    return text.empty() ? "nothing" : text;
}

bool is_pattern(const std::string& name) { return name.find_first_of("*?") != std::string::npos; }

/// Patterns of databases that the source does not have yet.
std::vector<std::string> patterns_to_come(const Patterns& databases, const std::vector<core::TableInfo>& tables) {
    std::vector<std::string> to_come;
    for (const std::string& pattern : databases.value_or(std::vector<std::string>{})) {
        bool const found = std::any_of(tables.begin(), tables.end(),
                                       [&](const core::TableInfo& table) { return matches_database(table, pattern); });
        if (!found && is_pattern(pattern)) {
            to_come.push_back(pattern);
        }
    }
    return to_come;
}

void check_matches(const char* parameter, const Patterns& patterns, const std::vector<core::TableInfo>& tables,
                   bool databases) {
    for (const std::string& pattern : patterns.value_or(std::vector<std::string>{})) {
        bool const found = std::any_of(tables.begin(), tables.end(), [&](const core::TableInfo& table) {
            return databases ? matches_database(table, pattern) : matches_table(table, pattern);
        });
        if (!found && !(databases && is_pattern(pattern))) {
            throw pg::SqlError(ERRCODE_UNDEFINED_TABLE,
                               std::string(parameter) + " matches nothing: \"" + pattern + "\"",
                               "The source has: " + list_of(tables, databases) + ".",
                               "Correct the pattern; * stands for any characters, and case counts.");
        }
    }
}

void check_contradiction(const char* included, const Patterns& include, const char* excluded, const Patterns& exclude) {
    std::vector<std::string> const excluding = exclude.value_or(std::vector<std::string>{});
    std::set<std::string> const others(excluding.begin(), excluding.end());
    for (const std::string& pattern : include.value_or(std::vector<std::string>{})) {
        if (others.contains(pattern)) {
            throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE,
                               "contradictory filters: \"" + pattern + "\" is both included and excluded",
                               std::string("It stands in ") + included + " and in " + excluded + ".",
                               "Remove it from one of them.");
        }
    }
}

void check_lengths(const char* parameter, const Patterns& patterns) {
    for (const std::string& pattern : patterns.value_or(std::vector<std::string>{})) {
        if (pattern.size() > kLongestPattern) {
            throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE,
                               std::string(parameter) + " has a pattern that is too long",
                               "It has " + std::to_string(pattern.size()) + " bytes; the most is " +
                                   std::to_string(kLongestPattern) + ".",
                               "Write * for a part of it.");
        }
    }
}

std::string exclusion_reason(const catalog::SourceConfig& config, const core::TableInfo& table) {
    if (matches_any(config.exclude_databases, table, matches_database)) {
        return "its database is named by exclude_databases";
    }
    if (config.include_databases && !matches_any(config.include_databases, table, matches_database)) {
        return "its database is not named by include_databases";
    }
    if (matches_any(config.exclude_tables, table, matches_table)) {
        return "named by exclude_tables";
    }
    if (config.include_tables && !matches_any(config.include_tables, table, matches_table)) {
        return "not named by include_tables";
    }
    return "";
}

/// `table`, or `database.table`.
bool is_name_of(const core::TableInfo& table, const std::string& name) {
    pg::check_interrupts();
    std::string const wanted = comparable(table, name);
    return wanted == comparable(table, table.name.table) || wanted == comparable(table, table.name.qualified());
}

/// Whether the table is named, and not just matched by a pattern.
bool is_named(const Patterns& patterns, const core::TableInfo& table) {
    if (patterns) {
        for (const std::string& pattern : *patterns) {
            if (is_name_of(table, pattern)) {
                return !is_pattern(pattern);
            }
        }
    }
    return false;
}

/// A view is copied where somebody asks for it by its name: to compute it may cost the source a lot.
void plan_view(const catalog::SourceConfig& config, PlannedTable& table) {
    if (core::is_followed(config.plan)) {
        table.state = catalog::TableState::kUnsupported;
        table.reason = "a view has no changes of its own in the log: replicate it with mode once or periodic";
    } else if (!is_named(config.include_tables, table.info)) {
        table.state = catalog::TableState::kExcluded;
        table.reason = "a view is copied if include_tables names it without * and ?";
    }
}

std::string note_of(const catalog::SourceConfig& config, const core::TableInfo& info) {
    if (!core::is_followed(config.plan) || info.unlogged_actions.empty()) {
        return info.note;
    }
    return info.note + (info.note.empty() ? "" : "; ") + "its foreign keys (" + info.unlogged_actions +
           ") change rows without a trace in the source's log: the target keeps the old rows until replicator_repair "
           "or replicator_resync mends them";
}

std::string filled_in(std::string text, const std::string& mark, const std::string& value) {
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size())) {
        text.replace(at, mark.size(), value);
    }
    return text;
}

void check_targets_differ(const std::vector<PlannedTable>& planned) {
    std::map<std::pair<std::string, std::string>, const PlannedTable*> targets;
    for (const PlannedTable& table : planned) {
        if (table.state != catalog::TableState::kPending) {
            continue;
        }
        auto const [other, fresh] = targets.emplace(std::pair(table.target_schema, table.target_name), &table);
        if (!fresh) {
            throw pg::SqlError(ERRCODE_DUPLICATE_TABLE,
                               "two tables of the source would become the target \"" + table.target_schema + "\".\"" +
                                   table.target_name + "\"",
                               "They are \"" + other->second->info.name.qualified() + "\" and \"" +
                                   table.info.name.qualified() + "\".",
                               "Use {database} or {schema} in target_schema, or exclude one of them.");
        }
    }
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view name) noexcept {
    std::size_t p = 0;
    std::size_t n = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = n;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
            ++p;
            ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

std::string target_identifier(const std::string& name) {
    constexpr std::size_t kMost = NAMEDATALEN - 1;
    constexpr std::size_t kKept = 54;
    if (name.size() <= kMost) {
        return name;
    }
    std::size_t cut = kKept;
    while (cut > 0 && (static_cast<unsigned char>(name[cut]) & 0xC0) == 0x80) {
        --cut;
    }
    return name.substr(0, cut) + "_" + target::sha256_hex(name).substr(0, 8);
}

void check_filters(const catalog::SourceConfig& config) {
    check_lengths("include_tables", config.include_tables);
    check_lengths("exclude_tables", config.exclude_tables);
    check_lengths("include_databases", config.include_databases);
    check_lengths("exclude_databases", config.exclude_databases);
    check_contradiction("include_tables", config.include_tables, "exclude_tables", config.exclude_tables);
    check_contradiction("include_databases", config.include_databases, "exclude_databases", config.exclude_databases);
}

std::vector<PlannedTable> select_tables(const catalog::SourceConfig& config,
                                        const std::vector<core::TableInfo>& discovered) {
    std::vector<PlannedTable> planned;
    for (const core::TableInfo& info : discovered) {
        PlannedTable table;
        table.info = info;
        table.note = note_of(config, info);
        table.reason = exclusion_reason(config, info);
        if (!table.reason.empty()) {
            table.state = catalog::TableState::kExcluded;
        } else if (info.is_view()) {
            plan_view(config, table);
        }
        if (table.state == catalog::TableState::kPending && !info.unsupported_reason.empty()) {
            table.state = catalog::TableState::kUnsupported;
            table.reason = info.unsupported_reason;
        }
        if (table.state == catalog::TableState::kPending && core::is_followed(config.plan) &&
            !info.not_in_log.empty()) {
            table.state = catalog::TableState::kUnsupported;
            table.reason = info.not_in_log + ": replicate it with mode once or periodic";
        }
        if (table.state == catalog::TableState::kPending) {
            table.target_schema = target_identifier(filled_in(
                filled_in(config.target_schema, "{database}", info.name.database), "{schema}", info.name.schema));
            table.target_name = target_identifier(info.name.table);
        }
        planned.push_back(std::move(table));
    }
    check_targets_differ(planned);
    return planned;
}

core::Check check_foreign_keys(const std::vector<PlannedTable>& planned) {
    core::Check check{"foreign_keys", true, core::Check::Severity::kWarning, "", ""};
    constexpr std::size_t kNamed = 5;
    std::size_t concerned = 0;
    std::string names;
    for (const PlannedTable& table : planned) {
        if (table.state == catalog::TableState::kPending && !table.info.unlogged_actions.empty() &&
            ++concerned <= kNamed) {
            names +=
                (names.empty() ? "" : ", ") + table.info.name.qualified() + " (" + table.info.unlogged_actions + ")";
        }
    }
    check.ok = concerned == 0;
    if (check.ok) {
        check.detail = "All that foreign keys change is in the source's log.";
        return check;
    }
    if (concerned > kNamed) {
        names += " and " + std::to_string(concerned - kNamed) + " more";
    }
    check.detail =
        "What these foreign keys change is not in the source's log, so the target keeps the old rows: " + names + ".";
    check.hint =
        "After rows of their parents were deleted, or keys changed, call replicator_repair(name, table) for these "
        "tables; "
        "or have the application change the child rows itself.";
    return check;
}

core::Check check_databases_to_come(const catalog::SourceConfig& config,
                                    const std::vector<core::TableInfo>& discovered) {
    core::Check check{"include_databases", true, core::Check::Severity::kWarning, "", ""};
    std::string patterns;
    for (const std::string& pattern : patterns_to_come(config.include_databases, discovered)) {
        patterns += (patterns.empty() ? "\"" : ", \"") + pattern + "\"";
    }
    check.ok = patterns.empty();
    check.detail = check.ok ? "Each pattern matches a database." : "No database matches " + patterns + " yet.";
    check.hint =
        check.ok ? "" : "The source has: " + list_of(discovered, true) + ". Others are taken when they are there.";
    return check;
}

void check_key_rules(const catalog::SourceConfig& config, const std::vector<PlannedTable>& planned) {
    for (auto const& [name, columns] : config.keys) {
        bool found = false;
        for (const PlannedTable& table : planned) {
            if (!is_name_of(table.info, name)) {
                continue;
            }
            found = true;
            if (table.state == catalog::TableState::kUnsupported) {
                throw pg::SqlError(ERRCODE_INVALID_COLUMN_REFERENCE,
                                   R"(rule "keys" does not go with table ")" + table.info.name.qualified() + "\"",
                                   "It is not supported: " + table.reason + ".",
                                   "Name columns of the table that are NOT NULL, and unique together.");
            }
        }
        if (!found) {
            throw pg::SqlError(ERRCODE_UNDEFINED_TABLE,
                               R"(rule "keys" names a table that the source does not have: ")" + name + "\"",
                               "It is the name of a table, or database.table.",
                               "Correct the name; replicator_discover lists the tables.");
        }
    }
}

void check_selection(const catalog::SourceConfig& config, const std::vector<core::TableInfo>& discovered,
                     const std::vector<PlannedTable>& planned) {
    check_matches("include_databases", config.include_databases, discovered, true);
    check_matches("include_tables", config.include_tables, discovered, false);
    bool any = false;
    for (const PlannedTable& table : planned) {
        any = any || table.state == catalog::TableState::kPending;
        if (table.state == catalog::TableState::kUnsupported && table.info.is_view() &&
            is_named(config.include_tables, table.info)) {
            throw pg::SqlError(ERRCODE_FEATURE_NOT_SUPPORTED,
                               "view \"" + table.info.name.qualified() + "\" cannot be replicated", table.reason + ".",
                               core::is_followed(config.plan)
                                   ? "Register it as a source of its own, with mode => 'periodic', or take it out of "
                                     "include_tables."
                                   : "Take it out of include_tables, or name other columns in the rule keys.");
        }
    }
    if (!any && !discovered.empty() && patterns_to_come(config.include_databases, discovered).empty()) {
        throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "nothing is left to replicate",
                           "The source has: " + list_of(discovered, false) +
                               ". All of it is excluded by the filters, or cannot be replicated.",
                           "Change the filters; replicator_discover says why a table cannot be replicated.");
    }
}

}  // namespace pgrepl::replication
