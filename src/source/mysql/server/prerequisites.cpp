// Checks of a server's settings.

#include "source/mysql/server/prerequisites.hpp"

#include <string>
#include <utility>

#include "source/mysql/server/log_gaps.hpp"

namespace pgrepl::mysql {
namespace {

using core::Check;

constexpr std::string_view kDoing = "look at the settings of";

std::string setting(Connection& connection, const std::string& name) {
    TextRows const rows = connection.query("SHOW GLOBAL VARIABLES LIKE '" + name + "'", kDoing);
    return rows.empty() ? std::string() : rows[0][1].value_or("");
}

/// Several readers share one state of the server only where a log proves that nothing was committed in between.
Check check_log(Connection& connection) {
    Check check{"binary_log", true, Check::Severity::kNote, "", ""};
    bool const logs = setting(connection, "log_bin") == "ON";
    std::string const gtid_mode = connection.is_mariadb() ? "" : setting(connection, "gtid_mode");
    check.ok = logs && (connection.is_mariadb() || gtid_mode == "ON");
    check.detail = logs ? "The binary log is on" : "The binary log is off";
    check.detail += gtid_mode.empty() ? "." : ", gtid_mode is " + gtid_mode + ".";
    check.hint = connection.is_mariadb()
                     ? "With it several workers can copy at once. Add to the server's configuration and restart it: "
                       "[mariadb] log_bin, server_id = 1, binlog_format = ROW."
                     : "With both several workers can copy at once. Add to the server's configuration and restart it: "
                       "[mysqld] log_bin, gtid_mode = ON, enforce_gtid_consistency = ON.";
    return check;
}

Check check_encryption(Connection& connection) {
    bool const encrypted = !connection.cipher().empty();
    return {
        "encryption", encrypted, Check::Severity::kWarning,
        encrypted ? "The connection is encrypted: " + connection.cipher() + "." : "The connection is not encrypted.",
        "Add ?sslmode=verify-full&sslrootcert=/path/ca.pem, or ?sslmode=require, to the URL."};
}

/// Versions of rows are kept for long transactions: a copy that runs for hours makes the undo log grow.
Check check_isolation(Connection& connection) {
    std::string const engine = setting(connection, "default_storage_engine");
    return {"storage_engine", engine == "InnoDB", Check::Severity::kNote,
            "The default storage engine is " + engine + ".",
            "Only InnoDB tables are copied in one state; replicator_discover names the others."};
}

}  // namespace

std::vector<Check> check_server(Connection& connection, bool continuous, const std::vector<std::string>& databases) {
    if (!continuous) {
        return {check_encryption(connection), check_log(connection), check_isolation(connection)};
    }
    std::vector<Check> checks = {check_encryption(connection)};
    for (Check& check : check_log_settings(connection)) {
        checks.push_back(std::move(check));
    }
    for (Check& check : check_log_gaps(connection, databases)) {
        checks.push_back(std::move(check));
    }
    return checks;
}

}  // namespace pgrepl::mysql
