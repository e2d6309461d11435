// Gaps of the log.

#include "source/mysql/log_gaps.hpp"

#include <string>

namespace pgrepl::mysql {
namespace {

constexpr std::string_view kDoing = "look for what is not logged at";

std::string setting(Connection& connection, const std::string& name) {
    TextRows const rows = connection.query("SHOW GLOBAL VARIABLES LIKE " + quote_text(name), kDoing);
    return rows.empty() ? std::string() : rows[0][1].value_or("");
}

}  // namespace

/// What a replica gets from its own source may be left out of its log. Whether a MySQL server is a replica takes more
/// rights to find out than we ask for.
bool logs_all_changes(Connection& connection) {
    return setting(connection, "log_slave_updates") != "OFF" ||
           (connection.is_mariadb() &&
            connection.query_value("SELECT @@global.gtid_slave_pos", kDoing).value_or("").empty());
}

}  // namespace pgrepl::mysql
