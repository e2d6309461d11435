// Parsing of the rule `keys`.

#include "catalog/key_rules.hpp"

#include <algorithm>

#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

// A row per column, and one without a column for a table that does not have an array of texts.
constexpr const char* kColumns = R"(
    SELECT k.key, k.value::text,
           CASE WHEN pg_catalog.jsonb_typeof(c.value) = 'string' THEN c.value #>> '{}' END
    FROM pg_catalog.jsonb_each($1::jsonb -> 'keys') k
    LEFT JOIN LATERAL pg_catalog.jsonb_array_elements(
        CASE WHEN pg_catalog.jsonb_typeof(k.value) = 'array' THEN k.value ELSE '[]' END) WITH ORDINALITY
        AS c(value, number) ON true
    ORDER BY k.key, c.number)";

[[noreturn]] void throw_wrong_form(const std::string& what, const std::string& detail) {
    throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, what, detail,
                       R"(Write rules => '{"keys": {"orders": ["customer", "day"]}}'.)");
}

}  // namespace

KeyRules parse_key_rules(const std::string& rules_json) {
    pg::QueryResult const kind = pg::execute(
        R"(SELECT pg_catalog.jsonb_typeof($1::jsonb -> 'keys'), ($1::jsonb -> 'keys')::text WHERE
           pg_catalog.jsonb_typeof($1::jsonb) = 'object' AND $1::jsonb ? 'keys')",
        {rules_json});
    KeyRules rules;
    if (kind.empty()) {
        return rules;
    }
    if (kind.text(0, 0) != "object") {
        throw_wrong_form("rule \"keys\" must be an object of tables", "It is " + kind.text(0, 1) + ".");
    }
    pg::QueryResult const rows = pg::execute(kColumns, {rules_json});
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        std::string const table = rows.text(i, 0);
        std::vector<std::string>& columns = rules[table];
        std::string const column = rows.text(i, 2);
        if (column.empty()) {
            throw_wrong_form(R"(rule "keys" must give each table an array of its columns)",
                             "That of table " + table + " is " + rows.text(i, 1) + ".");
        }
        if (std::find(columns.begin(), columns.end(), column) != columns.end()) {
            throw_wrong_form(
                "rule \"keys\" names a column twice",
                std::string("It is column ").append(column).append(" of table ").append(table).append("."));
        }
        columns.push_back(column);
    }
    return rules;
}

}  // namespace pgrepl::catalog
