// Checks of what following a server's log needs: settings, privileges, and how long it is kept.

#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include "source/mysql/server/crash_safety.hpp"
#include "source/mysql/server/prerequisites.hpp"

namespace pgrepl::mysql {
namespace {

using core::Check;

constexpr std::string_view kDoing = "look at the settings of";
constexpr std::uint64_t kSecondsPerDay = 86'400;

/// MariaDB needs most of it at once, and a restart.
constexpr const char* kMariaDbConfiguration =
    "Put this into the server's configuration (on Debian a file in /etc/mysql/mariadb.conf.d/) and restart it:\n"
    "[mariadb]\n"
    "log_bin = binlog\n"
    "server_id = 1  # another number on each server\n"
    "binlog_format = ROW\n"
    "binlog_row_image = FULL\n"
    "binlog_row_metadata = FULL\n"
    "expire_logs_days = 7";

class LogChecks {
  public:
    explicit LogChecks(Connection& connection) : connection_(connection) {
        for (TextRow& row : connection.query("SHOW GLOBAL VARIABLES", kDoing)) {
            settings_.emplace_back(row[0].value_or(""), row[1].value_or(""));
        }
    }

    std::vector<Check> run() {
        check_log();
        check_setting("binlog_format", "ROW", "rows are logged as statements that only the server can repeat");
        check_setting("binlog_row_image", "FULL", "changes lack columns");
        check_setting("binlog_row_metadata", "FULL", "changes lack the names, signs and charsets of columns");
        if (!connection_.is_mariadb()) {
            check_gtid_mode();
            check_partial_json();
        }
        check_server_id();
        check_crash_safety();
        check_privilege();
        check_expiry();
        return std::move(checks_);
    }

  private:
    [[nodiscard]] const std::string* find(std::string_view name) const {
        for (const auto& [known, value] : settings_) {
            if (known == name) {
                return &value;
            }
        }
        return nullptr;
    }
    [[nodiscard]] std::string setting(std::string_view name) const {
        const std::string* const value = find(name);
        return value == nullptr ? std::string() : *value;
    }
    [[nodiscard]] bool logs() const { return setting("log_bin") == "ON"; }

    void add(const char* name, bool ok, std::string detail, std::string hint,
             Check::Severity severity = Check::Severity::kError) {
        checks_.push_back({name, ok, severity, std::move(detail), std::move(hint)});
    }

    /// SET PERSIST (MySQL 8) also writes it down for the next start.
    [[nodiscard]] std::string set_statement(const std::string& name, const std::string& value) const {
        if (!connection_.is_mariadb() && connection_.version() >= 80000) {
            return "Run at the source: SET PERSIST " + name + " = '" + value + "';";
        }
        std::string const line = name + " = " + value;
        return "Run at the source: SET GLOBAL " + name + " = '" + value + "'; and put the line " + line +
               " into the section [" + (connection_.is_mariadb() ? "mariadb" : "mysqld") + "] of its configuration.";
    }

    void check_log() {
        add("log_bin", logs(), logs() ? "The binary log is on." : "The binary log is off: changes cannot be followed.",
            connection_.is_mariadb()
                ? std::string("MariaDB keeps no log unless it is told to (log_bin). ") + kMariaDbConfiguration
                : "Remove skip_log_bin (disable_log_bin) from the server's configuration, add "
                  "log_bin = binlog to its section [mysqld], and restart it.");
    }

    void check_setting(const char* name, const std::string& wanted, const std::string& otherwise) {
        const std::string* const value = find(name);
        if (value == nullptr) {
            add(name, false, std::string("The server has no ") + name + ": it is too old to be followed.",
                std::string(name) +
                    " came with MySQL 8.0.1 and MariaDB 10.5: upgrade the server, or use mode => "
                    "'periodic'.");
            return;
        }
        bool const ok = *value == wanted;
        std::string hint = set_statement(name, wanted) +
                           " Sessions that are open keep the old setting: let applications "
                           "reconnect.";
        if (connection_.is_mariadb() && !logs()) {
            hint = std::string("MariaDB's default is not ") + wanted + " for " + name + ". " + kMariaDbConfiguration;
        }
        add(name, ok, std::string(name) + " is " + *value + (ok ? "." : ": " + otherwise + "."), std::move(hint));
    }

    void check_gtid_mode() {
        std::string const mode = setting("gtid_mode");
        add("gtid_mode", mode == "ON", "gtid_mode is " + mode + (mode == "ON" ? "." : ": transactions have no names."),
            "Run at the source, one after the other: SET PERSIST enforce_gtid_consistency = 'WARN'; (and look at its "
            "error "
            "log for a while), SET PERSIST enforce_gtid_consistency = 'ON'; SET PERSIST gtid_mode = 'OFF_PERMISSIVE'; "
            "SET "
            "PERSIST gtid_mode = 'ON_PERMISSIVE'; SET PERSIST gtid_mode = 'ON';");
    }

    void check_partial_json() {
        std::string const options = setting("binlog_row_value_options");
        add("binlog_row_value_options", options.empty(),
            options.empty() ? "JSON values are logged whole."
                            : "binlog_row_value_options is " + options + ": changes hold parts of JSON values only.",
            set_statement("binlog_row_value_options", ""));
    }

    void check_server_id() {
        std::string const id = setting("server_id");
        add("server_id", id != "0", "server_id is " + id + (id != "0" ? "." : ": the server lets nobody read its log."),
            set_statement("server_id", "1"));
    }

    void check_privilege() {
        constexpr std::string_view kNames[] = {"REPLICATION SLAVE", "REPLICATION REPLICA", "ALL PRIVILEGES ON *.*"};
        bool granted = false;
        for (const TextRow& row : connection_.query("SHOW GRANTS", kDoing)) {
            std::string const grant = row[0].value_or("");
            for (std::string_view const name : kNames) {
                granted = granted || grant.find(name) != std::string::npos;
            }
        }
        granted = granted || (!connection_.is_mariadb() && may_list_replicas());
        std::string const user = connection_.query_value("SELECT CURRENT_USER()", kDoing).value_or("");
        std::size_t const at = user.rfind('@');
        add("replication_slave", granted,
            granted ? "The account may read the log." : "The account " + user + " may not read the log.",
            "Run at the source: GRANT REPLICATION SLAVE ON *.* TO " + quote_text(user.substr(0, at)) + "@" +
                quote_text(at == std::string::npos ? "%" : user.substr(at + 1)) + ";");
    }

    void check_crash_safety() {
        std::string const value = setting(kCommitSetting);
        bool const ok = keeps_commits(value);
        add(kCommitSetting, ok,
            value.empty() ? "The server has no InnoDB."
                          : std::string(kCommitSetting) + " is " + value +
                                (ok ? "."
                                    : ": a crash takes commits from tables that are in the log. After each crash all "
                                      "tables are compared with the source (option after_failover)."),
            set_statement(kCommitSetting, "1"), Check::Severity::kWarning);
    }

    /// MySQL does not show what a role grants; but this statement needs the same privilege.
    bool may_list_replicas() {
        try {
            connection_.execute(connection_.version() >= 80022 ? "SHOW REPLICAS" : "SHOW SLAVE HOSTS", kDoing);
            return true;
        } catch (const core::SourceError& error) {
            if (error.kind() != core::SourceErrorKind::kPermissionDenied) {
                throw;
            }
            return false;
        }
    }

    /// binlog_expire_logs_seconds; MariaDB before 10.6 and MySQL before 8.0 have days only.
    void check_expiry() {
        std::uint64_t seconds = number("binlog_expire_logs_seconds");
        if (seconds == 0) {
            seconds = number("expire_logs_days") * kSecondsPerDay;
        }
        if (seconds == 0) {
            add("binlog_expiry", true, "The log is kept without end: it fills the server's disk in time.",
                set_statement("binlog_expire_logs_seconds", "604800"), Check::Severity::kNote);
            return;
        }
        std::string const kept = seconds >= 2 * kSecondsPerDay ? std::to_string(seconds / kSecondsPerDay) + " days"
                                                               : std::to_string(seconds / 3600) + " hours";
        add("binlog_expiry", seconds >= kSecondsPerDay,
            "The log is kept for " + kept + ": after a longer interruption the source must be copied again.",
            set_statement("binlog_expire_logs_seconds", "604800"), Check::Severity::kWarning);
    }

    [[nodiscard]] std::uint64_t number(std::string_view name) const {
        std::string const text = setting(name);
        std::uint64_t value = 0;
        std::from_chars(text.data(), text.data() + text.size(), value);  // MariaDB's days have a fraction
        return value;
    }

    Connection& connection_;
    std::vector<std::pair<std::string, std::string>> settings_;
    std::vector<Check> checks_;
};

}  // namespace

std::vector<Check> check_log_settings(Connection& connection) { return LogChecks(connection).run(); }

}  // namespace pgrepl::mysql
