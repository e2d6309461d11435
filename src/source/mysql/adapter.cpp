// The MySQL and MariaDB adapter's factory and its core::Source: a server, to which each snapshot has a connection of
// its own.

#include <chrono>
#include <cstdlib>
#include <optional>
#include <random>
#include <utility>

#include "core/source.hpp"
#include "source/mysql/copy/aside_snapshot.hpp"
#include "source/mysql/copy/snapshot.hpp"
#include "source/mysql/position/gtid_mysql.hpp"
#include "source/mysql/position/state_identity.hpp"
#include "source/mysql/server/connect_options.hpp"
#include "source/mysql/server/connection.hpp"
#include "source/mysql/server/connector.hpp"
#include "source/mysql/server/crash_safety.hpp"
#include "source/mysql/server/log_gaps.hpp"
#include "source/mysql/server/marks.hpp"
#include "source/mysql/server/prerequisites.hpp"
#include "source/mysql/server/rights.hpp"
#include "source/mysql/stream/change_stream.hpp"
#include "source/mysql/stream/log_history.hpp"
#include "source/mysql/stream/log_walk.hpp"
#include "source/mysql/tables/foreign_keys.hpp"
#include "source/mysql/tables/table_shape.hpp"

namespace pgrepl::mysql {
namespace {

/// Marks are asked for while a stream runs, which must not hang on a server that is stuck.
constexpr int kMostPatienceForMarkMs = 30'000;
/// What is in the log is given as soon as its end is reached.
constexpr std::chrono::seconds kMostTimeInLog{4};

constexpr std::chrono::seconds kLookForGapsEvery{30};

class MysqlSource final : public core::Source, public core::Log {
  public:
    MysqlSource(const core::OpenRequest& config, core::Interrupts& interrupts)
        : options_(connect_options(config)),
          connector_(options_, config.password, config.connect_timeout_ms),
          keys_(config.keys),
          interrupts_(interrupts) {
        ask([&](Connection& server) {
            look_at(server);
            scope_ = {.names = std::make_shared<const NameRules>(read_name_rules(server)),
                      .databases = options_.databases};
        });  // finds out at once what is wrong with the URL, the server or the account
    }

    [[nodiscard]] const core::NameRules& name_rules() const override { return *scope_.names; }

    [[nodiscard]] bool survives_crash(const std::string& definition) const override {
        return mysql::survives_crash(definition);
    }

    core::SourceInfo describe() override { return info_; }

    std::vector<core::Check> check_prerequisites(bool continuous) override {
        return ask([&](Connection& server) { return check_server(server, continuous, options_.databases); });
    }

    std::vector<core::TableInfo> discover() override { return discover(Scope::Missing::kThrow); }
    std::vector<core::TableInfo> discover_what_is_left() override { return discover(Scope::Missing::kPassOver); }

    std::unique_ptr<core::Snapshot> open_snapshot(const core::SnapshotRequest& request) override {
        if (!(core::reads_beside_log(request.plan) ? request.join.text : request.mark.text).empty()) {
            throw core::SourceError(core::SourceErrorKind::kInternal, 0,
                                    "a state is joined beside the log, or a place in the log without it", false);
        }
        if (request.beside_stream) {
            return open_aside(interrupts_, [this, request](core::Interrupts& interrupts) {
                std::unique_ptr<Connection> connection = connect(interrupts);
                connection->be_patient();
                return take_snapshot(std::move(connection), scope_, keys_, request);
            });
        }
        const std::string& at = core::reads_beside_log(request.plan) ? request.mark.text : request.join.text;
        if (at.empty()) {
            return take_snapshot(take_connection(), scope_, keys_, request);
        }
        stay_with(StateIdentity::parse(at).server);
        try {
            return take_snapshot(take_connection(), scope_, keys_, request);
        } catch (const core::SourceError&) {
            server_.clear();  // whoever starts over may do so at another
            throw;
        }
    }

    void set_lock_patience(std::optional<int> patience_ms) override {
        lock_patience_ms_ = patience_ms;
        if (idle_) {
            ask([&](Connection& server) { server.set_lock_patience(patience_ms); });
        }
    }

    core::Log* log() override { return this; }

    core::Position low_mark() override {
        server_.clear();
        StateIdentity const mark = ask([&](Connection& server) {
            Connection::Patience const patience(server, kMostPatienceForMarkMs);
            return mysql::low_mark(server, log_reader());
        });
        stay_with(mark.server);
        return core::Position{mark.to_text()};
    }

    bool is_visible(const core::Position& position) override {
        StateIdentity const identity = StateIdentity::parse(position.text);
        stay_with(identity.server);
        return ask([&](Connection& server) {
            Connection::Patience const patience(server, kMostPatienceForMarkMs);
            // A moment was read, not logged.
            return !identity.moment.empty() || mysql::is_visible(server, identity, log_reader());
        });
    }

    core::Position high_mark() override {
        if (looked_for_gaps_at_ && std::chrono::steady_clock::now() - *looked_for_gaps_at_ > kLookForGapsEvery) {
            look_for_gaps();
        }
        return core::Position{ask([](Connection& server) {
            Connection::Patience const patience(server, kMostPatienceForMarkMs);
            return mysql::high_mark(server).to_text();
        })};
    }

    /// The log is looked into only where it holds little, or nothing, that was not read.
    core::Position settled_mark(const core::Position& read) override {
        core::Position position = high_mark();
        StateIdentity mark = StateIdentity::parse(position.text);
        StateIdentity const held = StateIdentity::parse(read.text);
        if (mark.owned.empty() || held.is_mariadb || held.server != mark.server || !held.gtid) {
            return position;
        }
        MysqlGtidSet logged = MysqlGtidSet::parse(*held.gtid);
        if (!logged.contains(MysqlGtidSet::parse(*mark.gtid))) {
            return position;
        }
        logged.add(logged_beside(connect(), logged, random_reader_id()));
        mark.gtid = logged.text();
        mark.owned.clear();
        return core::Position{mark.to_text()};
    }

    core::Position anchored(const core::Position& position) override {
        StreamPosition anchored(StateIdentity::parse(position.text));
        stay_with(anchored.identity().server);
        anchored.set_place(find_place(connect(), anchored, random_reader_id()));
        return core::Position{anchored.text()};
    }

    bool is_intact(const core::Position& position, bool at_end) override {
        StreamPosition const read(StateIdentity::parse(position.text));
        std::string const resets = ask([this](Connection& server) {
            Connection::Patience const patience(server, kMostPatienceForMarkMs);
            require_open_log(server);
            *is_lossy_ = !keeps_commits(server);
            return count_resets(server);
        });
        if (resets != resets_ && !is_where_it_was(read)) {
            return false;
        }
        resets_ = resets;
        return ask([&](Connection& server) {
            Connection::Patience const patience(server, kMostPatienceForMarkMs);
            return holds_position(server, read) && !(at_end && holds_back(server, read));
        });
    }

    bool holds_all_changes() override {
        return ask([&](Connection& server) { return mysql::logs_all_changes(server, options_.databases); });
    }

    std::optional<core::TableInfo> find_table(const core::TableName& name) override {
        return ask([&](Connection& server) {
            std::optional<TableShape> shape = read_shape(server, charsets_, scope_, name, keys_);
            return shape ? std::optional(with_unlogged_actions(server, std::move(shape->info))) : std::nullopt;
        });
    }

    std::string rights() override {
        auto const look = [&] {
            return ask([](Connection& server) {
                Connection::Patience const patience(server, kMostPatienceForMarkMs);
                return read_rights(server);
            });
        };
        std::string now = look();
        if (rights_ && *rights_ != now) {
            idle_.reset();  // a session goes on with the roles, and with the rights to all and to databases, of its
                            // beginning
            now = look();
        }
        return *(rights_ = std::move(now));
    }

    std::unique_ptr<core::ChangeStream> open_stream(const core::StreamRequest& request) override {
        std::unique_ptr<Connection> first =
            connector_.prefer(StateIdentity::parse(request.position.text).server, interrupts_);
        require_log(*first);
        require_open_log(*first);  // what it says of its log would be reached at once
        stay_with(server_identity(*first));
        look_for_gaps();
        resets_ = ask([](Connection& server) { return count_resets(server); });
        awaited_.reset();
        *is_lossy_ = ask([](Connection& server) { return !keeps_commits(server); });
        Connect const connect_again = [this] { return connect(); };
        LostNames::Ask const logged = [this] {
            return ask([](Connection& server) {
                Connection::Patience const patience(server, kMostPatienceForMarkMs);
                return logged_mark(server);
            });
        };
        return open_change_stream(std::move(first), connect_again, *scope_.names, scope_.databases, request, is_lossy_,
                                  logged);
    }

    void discard_snapshots(const core::StateName& /*keep*/) override {}  // none of them leaves anything behind

    [[nodiscard]] bool has_reached(const core::Position& held, const core::Position& mark) const override {
        return provably_holds(held.text, mark.text);
    }

    [[nodiscard]] bool has_all_of(const core::StateName& held, const core::StateName& state) const override {
        return provably_holds(held.text, state.text);
    }

    std::optional<int> connection_limit() override {
        return ask([](Connection& server) -> std::optional<int> {
            std::optional<std::string> const most =
                server.query_value("SELECT @@session.max_user_connections", "look at the settings of");
            int const limit = most ? std::atoi(most->c_str()) : 0;
            return limit > 0 ? std::optional(limit) : std::nullopt;
        });
    }

  private:
    using Clock = std::chrono::steady_clock;

    static bool provably_holds(const std::string& held, const std::string& wanted) {
        try {
            return holds_all_of(StateIdentity::parse(held), StateIdentity::parse(wanted));
        } catch (const core::SourceError&) {
            return false;  // a text that cannot be understood proves nothing
        }
    }

    std::vector<core::TableInfo> discover(Scope::Missing missing) {
        return ask([&](Connection& server) {
            std::vector<core::TableInfo> tables;
            for (TableShape& shape : read_shapes(server, charsets_, scope_, keys_, missing)) {
                tables.push_back(std::move(shape.info));
            }
            find_unlogged_actions(server, tables);
            return tables;
        });
    }

    /// Servers count RESETs of all kinds alike: of their query cache, of replicas, of settings.
    bool is_where_it_was(StreamPosition read) {
        if (!read.place().is_known()) {
            return false;
        }
        try {
            Connect const connect_again = [this] { return connect(); };
            Continuation const found = continue_history(connect(), connect_again, read, random_reader_id(), *is_lossy_);
            return found.doubt.empty() && found.found.empty();
        } catch (const core::SourceError& error) {
            if (error.kind() == core::SourceErrorKind::kDiverged ||
                error.kind() == core::SourceErrorKind::kPositionLost) {
                return false;  // opening the stream says so
            }
            throw;
        }
    }

    /// Whether the log has not given, though its end was seen, what the server said some time ago to have: it never
    /// will (MySQL: gtid_purged was set; either: the log was reset while it was read).
    bool holds_back(Connection& server, const StreamPosition& read) {
        if (!awaited_ || holds_all_of(read.identity(), *awaited_)) {
            awaited_ = logged_mark(server);
            awaited_since_ = Clock::now();
            return false;
        }
        return Clock::now() - awaited_since_ > kMostTimeInLog;
    }

    /// While a stream is open: a server may become a replica that does not log what it replicates.
    void look_for_gaps() {
        ask([&](Connection& server) { require_log_without_gaps(server, options_.databases); });
        looked_for_gaps_at_ = Clock::now();
    }

    /// Reads the log for what the server does not tell.
    [[nodiscard]] LogReader log_reader() {
        return [this](const StateIdentity& place) {
            return position_at(connector_.connect_to(place.server, interrupts_), place, random_reader_id());
        };
    }

    /// For a look into the log, beside a stream of ours, which a second reader with its id would end.
    static std::uint32_t random_reader_id() {
        constexpr std::uint32_t kBeyondThoseOfServers = 1U << 31;
        return std::random_device()() | kBeyondThoseOfServers;
    }

    static ConnectOptions connect_options(const core::OpenRequest& config) {
        ConnectOptions options = parse_options(config.url);
        options.keepalive_idle_s = config.keepalive_idle_s;
        options.keepalive_interval_s = config.keepalive_interval_s;
        return options;
    }

    /// What is asked and read from now on comes from that server.
    void stay_with(const std::string& server) {
        if (server_ == server) {
            return;
        }
        server_ = server;
        if (idle_ && ask([](Connection& connection) { return server_identity(connection); }) != server) {
            idle_.reset();
        }
    }

    std::unique_ptr<Connection> connect() { return connect(interrupts_); }
    std::unique_ptr<Connection> connect(core::Interrupts& interrupts) {
        std::unique_ptr<Connection> connection =
            server_.empty() ? connector_.connect(interrupts) : connector_.connect_to(server_, interrupts);
        if (lock_patience_ms_) {
            connection->set_lock_patience(lock_patience_ms_);
        }
        return connection;
    }

    /// For a snapshot: the one that is idle, if the server has not closed it in the meantime.
    std::unique_ptr<Connection> take_connection() {
        ask([](Connection& server) { server.execute("DO 1", "reach"); });
        return std::move(idle_);
    }

    /// Asks on the connection that no snapshot has taken. The server may have closed it since it was last used, hours
    /// ago: then on a new one.
    template <typename Question>
    auto ask(Question question) -> decltype(question(std::declval<Connection&>())) {
        bool const is_new = !idle_;
        if (is_new) {
            idle_ = connect();
        }
        try {
            return question(*idle_);
        } catch (const core::SourceError& error) {
            idle_.reset();  // whatever it was: a transaction or half an answer may be left on it
            if (is_new || error.kind() != core::SourceErrorKind::kUnreachable) {
                throw;
            }
        }
        return ask(std::move(question));
    }

    void look_at(Connection& connection) {
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
    Connector connector_;
    std::string server_;  ///< that everything is to come from (server_identity()); empty: from any that answers
    Scope scope_;
    KeyRules keys_;
    std::optional<int> lock_patience_ms_;
    std::optional<std::chrono::steady_clock::time_point> looked_for_gaps_at_;
    core::Interrupts& interrupts_;
    core::SourceInfo info_;
    Charsets charsets_;
    std::unique_ptr<Connection> idle_;
    std::optional<std::string> rights_;                               ///< when they were last looked at
    std::shared_ptr<bool> is_lossy_ = std::make_shared<bool>(false);  ///< as StreamPosition's, now
    std::string resets_;                    ///< that the server had counted before the stream was opened
    std::optional<StateIdentity> awaited_;  ///< what the server's log held at some time
    Clock::time_point awaited_since_;
};

std::unique_ptr<core::Source> open_source(const core::OpenRequest& config, core::Interrupts& interrupts) {
    return std::make_unique<MysqlSource>(config, interrupts);
}

constexpr core::Capabilities kCapabilities = {
    .plan = core::CopyPlan::kBesideLog,
    .why_not_followed = "",
    .why_no_key_rules = "",
    .target_schema = "{database}",
    .default_port = 3306,
};

}  // namespace
}  // namespace pgrepl::mysql

extern "C" __attribute__((visibility("default"))) const pgrepl::core::Adapter* pg_replicator_adapter() {
    static const pgrepl::core::Adapter adapter = {.abi_version = pgrepl::core::kAdapterAbiVersion,
                                                  .kind = "mysql",
                                                  .library_version = MARIADB_PACKAGE_VERSION,
                                                  .capabilities = pgrepl::mysql::kCapabilities,
                                                  .open = pgrepl::mysql::open_source};
    return &adapter;
}
