// Gaps of the log.

#include "source/mysql/log_gaps.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace pgrepl::mysql {
namespace {

constexpr std::string_view kDoing = "look for what is not logged at";
constexpr unsigned long kLogsCascades = 90000;  ///< MySQL 9 has foreign keys in its SQL layer

std::string setting(Connection& connection, const std::string& name) {
    TextRows const rows = connection.query("SHOW GLOBAL VARIABLES LIKE " + quote_text(name), kDoing);
    return rows.empty() ? std::string() : rows[0][1].value_or("");
}

/// What a replica gets from its own source may be left out of its log. Whether a MySQL server is a replica takes more
/// rights to find out than we ask for.
bool leaves_out_replicated(Connection& connection) {
    if (setting(connection, "log_slave_updates") != "OFF") {
        return false;
    }
    return !connection.is_mariadb() ||
           !connection.query_value("SELECT @@global.gtid_slave_pos", kDoing).value_or("").empty();
}

/// By the table's own text: who may only read a table sees no foreign key of it in MariaDB's information_schema. A
/// comment with these words is taken for one, which costs nothing but the way that a copy takes; so is a table that
/// cannot be opened.
bool may_cascade(Connection& connection, const core::TableName& table) {
    constexpr std::array<std::string_view, 4> kActions{"ON DELETE CASCADE", "ON DELETE SET NULL", "ON UPDATE CASCADE",
                                                       "ON UPDATE SET NULL"};
    TextRows rows;
    try {
        rows = connection.query(
            "SHOW CREATE TABLE " + quote_identifier(table.database) + "." + quote_identifier(table.table), kDoing);
    } catch (const core::SourceError& error) {
        if (error.kind() == core::SourceErrorKind::kInterrupted ||
            error.kind() == core::SourceErrorKind::kUnreachable) {
            throw;
        }
        return true;
    }
    std::string const text = rows.empty() || rows[0].size() < 2 ? std::string() : rows[0][1].value_or("");
    return std::any_of(kActions.begin(), kActions.end(),
                       [&](std::string_view action) { return text.find(action) != std::string::npos; });
}

}  // namespace

bool logs_all_changes(Connection& connection, const std::vector<core::TableName>& tables) {
    if (leaves_out_replicated(connection)) {
        return false;
    }
    if (!connection.is_mariadb() && connection.version() >= kLogsCascades) {
        return true;
    }
    return std::none_of(tables.begin(), tables.end(),
                        [&](const core::TableName& table) { return may_cascade(connection, table); });
}

}  // namespace pgrepl::mysql
