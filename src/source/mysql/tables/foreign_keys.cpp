// The questions about foreign keys. information_schema.REFERENTIAL_CONSTRAINTS would answer them in one go, but MariaDB
// shows it to no account that has only SELECT: so the tables with foreign keys are found first, and then their
// definitions are read.

#include "source/mysql/tables/foreign_keys.hpp"

#include <map>
#include <set>
#include <string>

#include "source/mysql/server/information_schema.hpp"
#include "source/mysql/sql/word_reader.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::string_view kDoing = "read the foreign keys at";

/// MySQL 9.6 moved foreign keys into the SQL layer, which logs what they do; this setting moves them back.
bool logs_what_they_change(Connection& connection) {
    TextRows const rows = connection.query("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'", kDoing);
    return !rows.empty() && rows[0][1] == "OFF";
}

/// What follows ON DELETE or ON UPDATE, if it changes rows; a column's ON UPDATE CURRENT_TIMESTAMP does not.
std::string read_action(WordReader& words) {
    if (words.accept("CASCADE")) {
        return "CASCADE";
    }
    return words.accept_both("SET", "NULL") ? "SET NULL" : words.accept_both("SET", "DEFAULT") ? "SET DEFAULT" : "";
}

/// "ON DELETE CASCADE, ON UPDATE SET NULL", of all foreign keys of a CREATE TABLE statement.
std::string actions_of(const std::string& create_table) {
    std::set<std::string> actions;
    WordReader words(create_table, {});
    while (words.word().kind != SqlWord::Kind::kEnd) {
        if (!words.accept("ON")) {
            words.skip();
            continue;
        }
        std::string const event = words.accept("DELETE") ? "ON DELETE " : words.accept("UPDATE") ? "ON UPDATE " : "";
        std::string const action = event.empty() ? "" : read_action(words);
        if (!action.empty()) {
            actions.insert(event + action);
        }
    }
    std::string text;
    for (const std::string& action : actions) {
        text += (text.empty() ? "" : ", ") + action;
    }
    return text;
}

std::string condition_for(const std::vector<core::TableInfo>& tables) {
    std::set<std::string> databases;
    for (const core::TableInfo& table : tables) {
        databases.insert(table.name.database);
    }
    std::string list;
    for (const std::string& database : databases) {
        list += (list.empty() ? "" : ", ") + quote_text(database);
    }
    return " WHERE TABLE_SCHEMA IN (" + list + ")" +
           (tables.size() == 1 ? " AND TABLE_NAME = " + quote_text(tables[0].name.table) : "");
}

}  // namespace

void find_unlogged_actions(Connection& connection, std::vector<core::TableInfo>& tables) {
    if (tables.empty() || logs_what_they_change(connection)) {
        return;
    }
    std::set<std::pair<std::string, std::string>> with_foreign_keys;
    TextRows const rows = connection.query("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE" +
                                               condition_for(tables) + " AND REFERENCED_TABLE_NAME IS NOT NULL",
                                           kDoing);
    connection.throw_if_locked_out(kDoing);
    for (const TextRow& row : rows) {
        with_foreign_keys.emplace(row[0].value_or(""), row[1].value_or(""));
    }
    for (core::TableInfo& table : tables) {
        if (with_foreign_keys.contains({table.name.database, table.name.table})) {
            table.unlogged_actions = actions_of(create_statement(connection, table.name));
        }
    }
}

core::TableInfo with_unlogged_actions(Connection& connection, core::TableInfo table) {
    std::vector<core::TableInfo> tables;
    tables.push_back(std::move(table));
    find_unlogged_actions(connection, tables);
    return std::move(tables[0]);
}

}  // namespace pgrepl::mysql
