// Reading, checking and carrying out the rules on indexes.

#include "replication/setup/index_rules.hpp"

#include <algorithm>

#include "catalog/tables.hpp"
#include "pg/index_statement.hpp"
#include "pg/json_object.hpp"
#include "pg/progress.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "replication/access/own_target.hpp"
#include "replication/setup/table_selection.hpp"
#include "targets/sha256.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::replication {

namespace {

struct IndexRule {
    std::string table;  ///< pattern
    std::string method;
    std::string definition;
};

constexpr const char* kExample =
    R"(Write rules => '{"gin": "jsonb_path_ops", "indexes": {"orders": ["data->>''customer''"]}}'.)";

[[noreturn]] void throw_wrong_form(const std::string& what, const std::string& detail) {
    throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, what, detail, kExample);
}

std::string type_of(const std::string& json) {
    return pg::execute("SELECT pg_catalog.jsonb_typeof($1::jsonb)", {json}).text(0, 0);
}

std::vector<std::pair<std::string, std::string>> members(const std::string& json) {
    pg::QueryResult const rows =
        pg::execute("SELECT key, value::text FROM pg_catalog.jsonb_each($1::jsonb) ORDER BY key", {json});
    std::vector<std::pair<std::string, std::string>> result;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        result.emplace_back(rows.text(i, 0), rows.text(i, 1));
    }
    return result;
}

std::string string_value(const std::string& json, const std::string& rule) {
    if (type_of(json) != "string") {
        throw_wrong_form("rule \"" + rule + "\" must hold texts", "It holds " + json + ".");
    }
    return pg::execute("SELECT $1::jsonb #>> '{}'", {json}).text(0, 0);
}

IndexRule gin_rule(const std::string& table, const std::string& value) {
    std::string const opclass = string_value(value, "gin");
    if (opclass != "jsonb_path_ops" && opclass != "jsonb_ops") {
        throw_wrong_form("rule \"gin\" names an unknown operator class: " + opclass,
                         "There are jsonb_path_ops (smaller, for @>, @? and @@) and jsonb_ops (for the key operators, "
                         "too).");
    }
    return {table, "gin", "data " + opclass};
}

void read_gin(const std::string& value, std::vector<IndexRule>& rules) {
    if (type_of(value) == "string") {
        rules.push_back(gin_rule("*", value));
        return;
    }
    if (type_of(value) != "object") {
        throw_wrong_form("rule \"gin\" must be a text, or an object of tables", "It is " + value + ".");
    }
    for (auto const& [table, opclass] : members(value)) {
        rules.push_back(gin_rule(table, opclass));
    }
}

void read_indexes(const std::string& value, std::vector<IndexRule>& rules) {
    if (type_of(value) != "object") {
        throw_wrong_form("rule \"indexes\" must be an object of tables", "It is " + value + ".");
    }
    for (auto const& [table, expressions] : members(value)) {
        if (type_of(expressions) != "array") {
            throw_wrong_form(
                R"(rule "indexes" must give each table an array of expressions)",
                std::string("That of table ").append(table).append(" is ").append(expressions).append("."));
        }
        pg::QueryResult const rows =
            pg::execute("SELECT value::text FROM pg_catalog.jsonb_array_elements($1::jsonb)", {expressions});
        for (std::size_t i = 0; i < rows.rows(); ++i) {
            // The line break ends a comment that the expression may end in.
            rules.push_back({table, "btree", "(" + string_value(rows.text(i, 0), "indexes") + "\n)"});
        }
    }
}

/// Without a statement, whose plan may be logged: what is refused may be a password in the wrong argument.
void require_known_rules(const std::string& rules) {
    std::vector<std::pair<std::string, std::string>> const none;
    for (auto const& [name, value] : pg::read_json_object(rules).value_or(none)) {
        if (name != "gin" && name != "indexes" && name != "keys") {
            throw pg::SqlError(ERRCODE_FEATURE_NOT_SUPPORTED, "unknown rule \"" + name + "\"",
                               "Known rules: gin, indexes, keys.", kExample);
        }
    }
}

std::vector<IndexRule> read_rules(const std::string& rules) {
    require_known_rules(rules);
    if (type_of(rules) != "object") {
        throw_wrong_form("rules must be a JSON object", "It is of type " + type_of(rules) + ".");
    }
    std::vector<IndexRule> result;
    for (auto const& [name, value] : members(rules)) {
        if (name == "gin") {
            read_gin(value, result);
        } else if (name == "indexes") {
            read_indexes(value, result);
        }  // "keys": catalog/key_rules.hpp
    }
    for (const IndexRule& rule : result) {
        if (rule.table.size() > kLongestPattern) {
            throw_wrong_form("rules name a table by a pattern that is too long",
                             "It has " + std::to_string(rule.table.size()) + " bytes; the most is " +
                                 std::to_string(kLongestPattern) + ".");
        }
    }
    return result;
}

/// As the user wrote it.
std::string expression_of(const IndexRule& rule) {
    constexpr std::size_t kAround = 3;  // "(" and "\n)"
    return rule.method == "btree" ? rule.definition.substr(1, rule.definition.size() - kAround) : rule.definition;
}

/// Thrown to leave a subtransaction that is not to stay.
struct RollBack {};

/// Tries the definition on an empty table of the owner's, which is gone again afterwards: only CREATE INDEX knows what
/// it takes.
std::optional<pg::SqlError> try_definition(const IndexRule& rule, Oid owner) {
    try {
        return pg::run_in_subtransaction([&] {
            target::TargetName const name{"replicator", "index_check_" + std::to_string(MyProcPid)};
            std::string const table = name.sql();
            pg::QueryResult const role =
                pg::execute("SELECT rolname FROM pg_catalog.pg_roles WHERE oid = $1", {pg::Param::oid(owner)});
            pg::execute("CREATE TABLE " + table +
                        " (id text COLLATE pg_catalog.\"C\", data jsonb, _synced_at timestamptz)");
            pg::execute("ALTER TABLE " + table + " OWNER TO " + pg::quoted(role.text(0, 0)));
            pg::create_index(target::find_table(name).value_or(InvalidOid),
                             {"index_check", rule.method, rule.definition}, owner);
            throw RollBack{};
        });
    } catch (const RollBack&) {
        return std::nullopt;
    }
}

bool names_table(const IndexRule& rule, const core::TableName& name) {
    pg::check_interrupts();
    return matches_pattern(rule.table, name.table) || matches_pattern(rule.table, name.qualified());
}

std::string index_name(const std::string& target_name, const IndexRule& rule) {
    constexpr std::size_t kKept = 48;
    std::size_t cut = std::min(kKept, target_name.size());
    while (cut > 0 && cut < target_name.size() && (static_cast<unsigned char>(target_name[cut]) & 0xC0) == 0x80) {
        --cut;
    }
    return target_name.substr(0, cut) + "_" + target::sha256_hex(rule.method + rule.definition).substr(0, 8) + "_idx";
}

void want_indexes(const std::vector<IndexRule>& rules, const catalog::SourceTable& table) {
    std::vector<catalog::WantedIndex> wanted;
    for (const IndexRule& rule : rules) {
        // What is not replicated any more waits for no index.
        if (!table.target_name.empty() && table.state != catalog::TableState::kExcluded &&
            names_table(rule, table.name)) {
            wanted.push_back({index_name(table.target_name, rule), rule.method, rule.definition});
        }
    }
    catalog::set_wanted_indexes(table.id, wanted);
}

/// What is there under an index's name.
enum class Existing { kNothing, kValid, kInvalid };

Existing look_for_index(const catalog::TargetIndex& index, Oid target) {
    pg::Transaction transaction;
    pg::QueryResult const row = pg::execute(
        R"(SELECT x.indrelid IS NOT DISTINCT FROM t.oid, x.indisvalid FROM pg_catalog.pg_class t
           JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace
           LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid WHERE t.oid = $1 AND c.relname = $2)",
        {pg::Param::oid(target), index.index.name});
    transaction.commit();
    if (row.empty()) {
        return Existing::kNothing;
    }
    if (!row.boolean(0, 0)) {
        throw pg::SqlError(ERRCODE_DUPLICATE_TABLE,
                           "relation \"" + index.target_schema + "\".\"" + index.index.name + "\" exists already",
                           "It is not an index of the target table.", "Rename it.");
    }
    return row.boolean(0, 1) ? Existing::kValid : Existing::kInvalid;
}

/// The relation that is the target, and fit to be one.
Oid open(const catalog::TargetIndex& index, Oid owner) {
    pg::Transaction transaction;
    Oid target = InvalidOid;
    {
        pg::RoleScope const as_owner(owner, pg::RoleScope::Restriction::kRestrictedOperation);
        target = open_own_target(own_target(index, index.table_id, owner), target::TargetUse::kFill).relid;
    }
    // Its rows, and its indexes, are in the shards: what we build by OID would be an index of the empty shell.
    bool const distributed = target::is_distributed(target);
    transaction.commit();
    if (distributed) {
        throw pg::SqlError(ERRCODE_WRONG_OBJECT_TYPE, "the target table is distributed",
                           "Indexes that rules ask for are built on plain tables.",
                           "Create an index of this name on it by yourself, or take it out of the rules.");
    }
    return target;
}

}  // namespace

void check_rules(const std::string& rules, Oid owner) {
    for (const IndexRule& rule : read_rules(rules)) {
        std::optional<pg::SqlError> error =
            pg::run_in_subtransaction([&] { pg::require_one_index_element(rule.definition); });
        if (!error) {
            error = try_definition(rule, owner);
        }
        if (error) {
            throw pg::SqlError(error->sqlstate(),
                               "index expression of table \"" + rule.table + "\" is not valid: " + error->what(),
                               "The expression is " + expression_of(rule) + ".",
                               "Write an immutable expression over data, such as data->>'name'; functions that are not "
                               "in pg_catalog need their schema.");
        }
    }
}

void check_tables_of_rules(const std::string& rules, const std::vector<core::TableInfo>& discovered) {
    for (const IndexRule& rule : read_rules(rules)) {
        bool const found = std::any_of(discovered.begin(), discovered.end(),
                                       [&](const core::TableInfo& table) { return names_table(rule, table.name); });
        if (!found && rule.table != "*") {
            throw pg::SqlError(ERRCODE_UNDEFINED_TABLE,
                               "rules name a table that matches nothing: \"" + rule.table + "\"",
                               "The source has no such table.",
                               "Correct the name; replicator_discover lists the tables, * stands for any characters.");
        }
    }
}

void apply_index_rules(const catalog::SourceConfig& config) {
    std::vector<IndexRule> const rules = read_rules(config.rules);
    for (const catalog::SourceTable& table : catalog::list_tables(config.id)) {
        want_indexes(rules, table);
    }
}

void apply_index_rules(const catalog::SourceConfig& config, const catalog::SourceTable& table) {
    want_indexes(read_rules(config.rules), table);
}

void drop_invalid_index(const catalog::TargetIndex& index, Oid owner) {
    if (look_for_index(index, index.relation.relid) != Existing::kInvalid) {
        return;
    }
    pg::begin_phase(pg::WorkerPhase::kDroppingIndex, index.source_id, index.table_id, 0,
                    "dropping the invalid index " + pg::quoted(index.target_schema, index.index.name));
    pg::drop_invalid_index_concurrently(index.relation.relid, index.index.name, owner);
}

void build_index(const catalog::TargetIndex& index, Oid owner) {
    drop_invalid_index(index, owner);
    Oid const target = open(index, owner);
    if (look_for_index(index, target) == Existing::kValid) {
        return;
    }
    pg::begin_phase(pg::WorkerPhase::kCreatingIndex, index.source_id, index.table_id, 0,
                    "creating index " + pg::quoted(index.target_schema, index.index.name));
    if (!pg::create_index_concurrently(target, {index.index.name, index.index.method, index.index.definition}, owner)) {
        throw pg::SqlError(ERRCODE_UNDEFINED_TABLE,
                           "target table " + pg::quoted(index.target_schema, index.target_name) + " does not exist",
                           "It has been dropped.", "Call replicator_resync to copy it again.");
    }
}

}  // namespace pgrepl::replication
