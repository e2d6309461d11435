// Gaps of the log.

#include "source/mysql/server/log_gaps.hpp"

#include <algorithm>
#include <utility>

#include "core/source_error.hpp"

namespace pgrepl::mysql {
namespace {

using core::Check;
using core::SourceError;
using core::SourceErrorKind;

constexpr std::string_view kDoing = "look for what is not logged at";

/// Empty for a variable that the server does not have.
std::string setting(Connection& connection, const std::string& name) {
    TextRows const rows = connection.query("SHOW GLOBAL VARIABLES LIKE " + quote_text(name), kDoing);
    return rows.empty() ? std::string() : rows[0][1].value_or("");
}

/// Nothing if the account may not see it.
std::optional<TextRows> query_if_allowed(Connection& connection, std::string_view sql) {
    try {
        return connection.query(sql, kDoing);
    } catch (const SourceError& error) {
        if (error.kind() != SourceErrorKind::kPermissionDenied) {
            throw;
        }
        return std::nullopt;
    }
}

/// Of MariaDB, where a server that was made a primary keeps gtid_slave_pos.
bool may_be_replica(Connection& connection) {
    if (auto const replicas = query_if_allowed(connection, "SHOW ALL SLAVES STATUS")) {
        return !replicas->empty();
    }
    TextRows const running = connection.query("SHOW GLOBAL STATUS LIKE 'Slaves_running'", kDoing);
    return !connection.query_value("SELECT @@global.gtid_slave_pos", kDoing).value_or("").empty() ||
           (!running.empty() && running[0][1] != "0");
}

/// What a replica gets from its own source it logs if it is told to, which MariaDB is not by default. Whether a MySQL
/// server is a replica takes more rights to find out than we ask for; there nobody needs the setting to be off.
Check check_replica(Connection& connection) {
    std::string name = "log_replica_updates";
    std::string value = setting(connection, name);
    if (value.empty()) {
        name = "log_slave_updates";
        value = setting(connection, name);
    }
    Check check{name, true, Check::Severity::kError, name + " is " + value + ".", ""};
    if (value != "OFF") {
        return check;
    }
    check.ok = connection.is_mariadb() && !may_be_replica(connection);
    check.detail = check.ok ? name + " is OFF, and the server is no replica."
                            : name + " is OFF: what the server replicates from another one is not in its log.";
    check.hint = "Follow the primary instead; or set " + name +
                 " = ON in the server's configuration and restart it, then copy the source again if it is registered "
                 "already: replicator_resync(name).";
    if (connection.is_mariadb()) {
        check.hint +=
            " A server that was a replica once looks like one to this account: run RESET SLAVE ALL and GRANT REPLICA "
            "MONITOR ON *.* to it, or SET GLOBAL gtid_slave_pos = ''.";
    }
    return check;
}

std::vector<std::string> split_list(const std::string& list) {
    std::vector<std::string> items;
    for (std::size_t begin = 0; begin < list.size();) {
        std::size_t const end = std::min(list.find(',', begin), list.size());
        items.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return items;
}

bool is_among(const std::vector<std::string>& items, const std::string& name) {
    return std::find(items.begin(), items.end(), name) != items.end();
}

/// `only`: binlog_do_db; `but`: binlog_ignore_db.
Check check_filters(const std::string& only, const std::string& but, const std::vector<std::string>& databases) {
    Check check{"binlog_filters", only.empty() && but.empty(), Check::Severity::kWarning, "All databases are logged.",
                "Take binlog_do_db and binlog_ignore_db out of the server's configuration and restart it."};
    if (check.ok) {
        return check;
    }
    std::vector<std::string> const logged = split_list(only);
    std::vector<std::string> const ignored = split_list(but);
    check.detail = "The server logs only some databases (" + (only.empty() ? "" : "binlog_do_db = " + only) +
                   (only.empty() || but.empty() ? "" : ", ") + (but.empty() ? "" : "binlog_ignore_db = " + but) +
                   "): changes of the others do not arrive; nor do statements that change tables of any database while "
                   "one of the others is the session's default.";
    for (const std::string& database : databases) {
        if (is_among(ignored, database) || (!logged.empty() && !is_among(logged, database))) {
            check.severity = Check::Severity::kError;
            check.detail += " Not logged is " + quote_identifier(database) + ".";
        }
    }
    check.hint += " Or leave the databases that are not logged out: exclude_databases.";
    return check;
}

Check look_at_filters(Connection& connection, const std::vector<std::string>& databases) {
    bool const has_new_name = !connection.is_mariadb() && connection.version() >= 80200;
    auto const status = query_if_allowed(connection, has_new_name ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
    if (!status) {
        return {"binlog_filters", false, Check::Severity::kNote,
                "Whether the server leaves databases out of its log (binlog_do_db, binlog_ignore_db) cannot be seen "
                "by this account.",
                std::string("To have it looked at: GRANT ") +
                    (connection.is_mariadb() ? "BINLOG MONITOR" : "REPLICATION CLIENT") + " ON *.* TO the account."};
    }
    constexpr std::size_t kDoDb = 2;
    constexpr std::size_t kIgnoreDb = 3;
    bool const logs = !status->empty() && (*status)[0].size() > kIgnoreDb;
    return check_filters(logs ? (*status)[0][kDoDb].value_or("") : "", logs ? (*status)[0][kIgnoreDb].value_or("") : "",
                         databases);
}

}  // namespace

std::vector<Check> check_log_gaps(Connection& connection, const std::vector<std::string>& databases) {
    return {check_replica(connection), look_at_filters(connection, databases)};
}

bool logs_all_changes(Connection& connection, const std::vector<std::string>& databases) {
    std::vector<Check> const checks = check_log_gaps(connection, databases);
    return std::all_of(checks.begin(), checks.end(),
                       [](const Check& check) { return check.ok || check.severity == Check::Severity::kNote; });
}

void require_log_without_gaps(Connection& connection, const std::vector<std::string>& databases) {
    for (const Check& check : check_log_gaps(connection, databases)) {
        if (!check.ok && check.severity == Check::Severity::kError) {
            throw SourceError(SourceErrorKind::kUnsupported, 0,
                              "the log of MySQL server " + connection.server() + " lacks changes", false, check.detail,
                              check.hint);
        }
    }
}

}  // namespace pgrepl::mysql
