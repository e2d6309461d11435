// The MySQL and MariaDB adapter's factory and its core::Source: a server, to which each snapshot has a connection of
// its own.

#include <utility>

#include "core/source.hpp"
#include "source/mysql/connect_options.hpp"
#include "source/mysql/connection.hpp"
#include "source/mysql/prerequisites.hpp"
#include "source/mysql/snapshot.hpp"
#include "source/mysql/state_identity.hpp"
#include "source/mysql/table_shape.hpp"

namespace pgrepl::mysql {
namespace {

class MysqlSource final : public core::Source {
  public:
    MysqlSource(const core::SourceConfig& config, core::Interrupts& interrupts)
        : options_(parse_options(config.url)),
          password_(config.password),
          connect_timeout_ms_(config.connect_timeout_ms),
          interrupts_(interrupts) {
        auto const reads = config.options.find("consistent_reads");
        if (reads != config.options.end() && reads->second == "off") {
            reads_ = ReadSession::Reads::kEachStatement;
        }
        describe(connection());  // finds out at once what is wrong with the URL, the server or the account
    }

    core::SourceInfo describe() override { return info_; }

    std::vector<core::Check> check_prerequisites(bool /*continuous*/) override { return check_server(connection()); }

    std::vector<core::TableInfo> discover() override {
        std::vector<core::TableInfo> tables;
        for (TableShape& shape : read_shapes(connection(), charsets_, options_.databases)) {
            tables.push_back(std::move(shape.info));
        }
        return tables;
    }

    std::unique_ptr<core::Snapshot> open_snapshot(const core::SnapshotRequest& request) override {
        (void)connection();
        return take_snapshot(std::move(idle_), options_.databases, reads_, request.join);
    }

    void discard_snapshots(const core::Position& /*keep*/) override {}  // none of them leaves anything behind

    [[nodiscard]] bool has_reached(const core::Position& held, const core::Position& mark) const override {
        try {
            return holds_all_of(StateIdentity::parse(held.text), StateIdentity::parse(mark.text));
        } catch (const core::SourceError&) {
            return false;  // a text that cannot be understood proves nothing
        }
    }

  private:
    /// The connection that no snapshot has taken.
    Connection& connection() {
        if (!idle_) {
            idle_ = std::make_unique<Connection>(options_, password_, connect_timeout_ms_, interrupts_);
        }
        return *idle_;
    }

    void describe(Connection& connection) {
        constexpr std::string_view kDoing = "look at the settings of";
        auto const setting = [&](const char* name) {
            TextRows const rows = connection.query("SHOW GLOBAL VARIABLES LIKE " + quote_text(name), kDoing);
            return rows.empty() ? std::string() : rows[0][1].value_or("");
        };
        bool const logs = setting("log_bin") == "ON";
        std::string description = "binary log off";
        if (logs) {
            description = "binary log " + setting("binlog_format") + ", row image " + setting("binlog_row_image");
            std::string const gtid_mode = setting("gtid_mode");
            description += gtid_mode.empty() ? "" : ", gtid_mode " + gtid_mode;
        }
        description += connection.cipher().empty() ? ", connection not encrypted" : ", " + connection.cipher();
        std::string const product = connection.is_mariadb() ? "MariaDB " : "MySQL ";
        std::string const version = connection.version_text();
        info_ = {.server_version = product + version.substr(0, version.find('-')),
                 .description = std::move(description)};
    }

    ConnectOptions options_;
    std::string password_;
    int connect_timeout_ms_;
    core::Interrupts& interrupts_;
    ReadSession::Reads reads_ = ReadSession::Reads::kOneState;
    core::SourceInfo info_;
    Charsets charsets_;
    std::unique_ptr<Connection> idle_;
};

std::unique_ptr<core::Source> open_source(const core::SourceConfig& config, core::Interrupts& interrupts) {
    return std::make_unique<MysqlSource>(config, interrupts);
}

}  // namespace
}  // namespace pgrepl::mysql

extern "C" __attribute__((visibility("default"))) const pgrepl::core::Adapter* pg_replicator_adapter() {
    static const pgrepl::core::Adapter adapter = {.abi_version = pgrepl::core::kAdapterAbiVersion,
                                                  .kind = "mysql",
                                                  .library_version = MARIADB_PACKAGE_VERSION,
                                                  .open = pgrepl::mysql::open_source};
    return &adapter;
}
