// core::Snapshot for MySQL and MariaDB.

#include "source/mysql/copy/snapshot.hpp"

#include <chrono>
#include <random>
#include <utility>

#include "source/mysql/copy/chunk_plan.hpp"
#include "source/mysql/copy/chunk_reader.hpp"
#include "source/mysql/copy/read_session.hpp"
#include "source/mysql/position/state_identity.hpp"
#include "source/mysql/server/marks.hpp"
#include "source/mysql/server/mysql_error.hpp"
#include "source/mysql/tables/foreign_keys.hpp"
#include "source/mysql/tables/table_shape.hpp"

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;

/// How often a moment without a commit is looked for.
constexpr int kQuietAttempts = 20;

/// How long the description of a table that was asked for may serve the chunk that is then opened.
constexpr std::chrono::seconds kFreshFor{1};

std::string random_moment() {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::random_device device;
    std::string text;
    for (int i = 0; i < 4; ++i) {
        unsigned const bits = device();
        for (int shift = 28; shift >= 0; shift -= 4) {
            text += kDigits[bits >> shift & 15];
        }
    }
    return text;
}

/// One of which the server lists no columns.
SourceError unreadable_view(const core::TableName& view, const std::string& server) {
    return {SourceErrorKind::kUnsupported,
            0,
            "cannot read view " + quote_identifier(view.database) + "." + quote_identifier(view.table) +
                " of MySQL server " + server + ": the server knows no columns of it",
            false,
            "What it refers to has been dropped or changed, or is not to be seen with its rights.",
            kBrokenViewHint};
}

/// Takes the snapshot and finds out which state it is.
class StateTaker {
  public:
    explicit StateTaker(ReadSession& session) : session_(session), connection_(session.take(nullptr)) {
        identity_.is_mariadb = connection_.is_mariadb();
    }

    StateIdentity take() {
        if (connection_.is_mariadb()) {
            take_mariadb();
        } else if (has_log(connection_)) {
            take_mysql();
        } else {
            session_.begin();
            identity_.moment = random_moment();
        }
        // Within the transaction: even what shares statements out to several servers leaves one transaction to one.
        identity_.server = server_identity(connection_);
        return identity_;
    }

  private:
    void take_mysql() {
        for (int attempt = 1;; ++attempt) {
            std::string const before = executed();
            session_.begin();
            // In this order: a transaction goes from the one set to the other.
            bool const quiet = value_or_empty(connection_, "SELECT @@global.gtid_owned").empty();
            identity_.gtid = before;
            if (quiet && executed() == before) {
                return;
            }
            if (attempt == kQuietAttempts) {
                identity_.moment = random_moment();
                return;
            }
        }
    }

    std::string executed() { return without_space(value_or_empty(connection_, "SELECT @@global.gtid_executed")); }

    void take_mariadb() {
        session_.begin();
        (void)locate_snapshot(connection_, identity_);
        if (identity_.binlog.empty()) {
            identity_.moment = random_moment();
        }
    }

    ReadSession& session_;
    Connection& connection_;
    StateIdentity identity_;
};

class MysqlSnapshot final : public core::Snapshot {
  public:
    MysqlSnapshot(std::unique_ptr<Connection> connection, Scope scope, KeyRules keys,
                  const core::SnapshotRequest& request)
        : server_(connection->server()),
          scope_(std::move(scope)),
          keys_(std::move(keys)),
          at_a_time_(request.beside_stream),
          session_(std::move(connection), core::reads_beside_log(request.plan) ? ReadSession::Reads::kEachStatement
                                                                               : ReadSession::Reads::kOneState) {}

    /// Throws kStateLost if another state than `join` can be had only.
    void begin(const core::StateName& join, const core::StateName& not_older_than) {
        StateIdentity const taken = StateTaker(session_).take();
        if (!not_older_than.text.empty() && is_older(taken, StateIdentity::parse(not_older_than.text))) {
            throw SourceError(SourceErrorKind::kReplaced, 0,
                              "MySQL server " + server_ + " shows an older state than the one that was copied", true,
                              "Copied: " + not_older_than.text + "\nFound: " + taken.to_text(),
                              "It is a replica that lags behind, or was restored: replicator_sync(name) copies what it "
                              "shows now.");
        }
        if (join.text.empty()) {
            state_.text = taken.to_text();
            return;
        }
        if (!is_same_state(StateIdentity::parse(join.text), taken)) {
            throw SourceError(SourceErrorKind::kStateLost, 0,
                              "the state of MySQL server " + server_ + " that was being read cannot be joined", true,
                              "Wanted: " + join.text + "\nFound: " + taken.to_text(),
                              "It is read again, by one reader alone.");
        }
        state_ = join;
    }

    [[nodiscard]] core::StateName state() const override { return state_; }

    std::vector<core::TableInfo> discover() override {
        std::vector<core::TableInfo> tables;
        for (TableShape& shape : read_shapes(session_.take(nullptr), charsets_, scope_, keys_)) {
            tables.push_back(std::move(shape.info));
        }
        find_unlogged_actions(session_.take(nullptr), tables);
        return tables;
    }

    std::optional<core::TableInfo> find_table(const core::TableName& name) override {
        fresh_ = read_shape(session_.take(nullptr), charsets_, scope_, name, keys_);
        fresh_since_ = std::chrono::steady_clock::now();
        return fresh_ ? std::optional(fresh_->info) : std::nullopt;
    }

    std::vector<core::ChunkRange> plan_chunks(const core::TableInfo& table, int wanted) override {
        if (wanted <= 1) {
            return {core::ChunkRange{}};  // nothing need be asked: where there are many tables, most are small
        }
        TableShape const shape = shape_of(table);
        std::vector<core::ChunkRange> ranges = plan_ranges(session_.take(nullptr), shape, wanted);
        session_.release_definitions();
        return ranges;
    }

    std::optional<std::string> split_point(const core::TableInfo& table, const core::ChunkRange& range) override {
        TableShape const shape = shape_of(table);
        return split_range(session_.take(nullptr), shape, range);
    }

    std::unique_ptr<core::ChunkReader> open_chunk(const core::TableInfo& table,
                                                  const core::ChunkRange& range) override {
        TableShape shape = shape_of(table);
        if (shape.columns.empty()) {
            throw unreadable_view(table.name, server_);
        }
        return open_chunk_reader(session_, std::move(shape), range, at_a_time_);
    }

  private:
    /// The table's shape as it is now, if the table is still the one that was discovered.
    TableShape shape_of(const core::TableInfo& table) {
        std::string const name = quote_identifier(table.name.database) + "." + quote_identifier(table.name.table);
        std::optional<TableShape> shape = take_fresh(table.name);
        if (!shape) {
            shape = read_shape(session_.take(nullptr), charsets_, scope_, table.name, keys_);
        }
        if (!shape) {
            throw SourceError(SourceErrorKind::kTableChanged, 0,
                              "table " + name + " is no longer at MySQL server " + server_, true);
        }
        if (shape->info.definition != table.definition) {
            throw SourceError(SourceErrorKind::kTableChanged, 0,
                              "the structure of table " + name + " at MySQL server " + server_ + " has changed", true,
                              "It is now:\n" + shape->info.definition, "The table is copied again.");
        }
        if (!shape->info.unsupported_reason.empty()) {
            throw SourceError(SourceErrorKind::kUnsupported, 0,
                              "table " + name + " cannot be copied: " + shape->info.unsupported_reason, false);
        }
        return std::move(*shape);
    }

    /// What find_table() has just read. An ALTER can come between this and the read of the rows, as it can anyway.
    std::optional<TableShape> take_fresh(const core::TableName& name) {
        bool const is_good =
            fresh_ && fresh_->info.name == name && std::chrono::steady_clock::now() - fresh_since_ < kFreshFor;
        return is_good ? std::exchange(fresh_, std::nullopt) : std::nullopt;
    }

    std::string server_;
    Scope scope_;
    KeyRules keys_;
    core::StateName state_;  ///< empty of reads that the log mends: any reader can join them
    Charsets charsets_;
    std::optional<core::BatchLimits> at_a_time_;
    ReadSession session_;
    std::optional<TableShape> fresh_;
    std::chrono::steady_clock::time_point fresh_since_;
};

}  // namespace

std::unique_ptr<core::Snapshot> take_snapshot(std::unique_ptr<Connection> connection, const Scope& scope,
                                              const KeyRules& keys, const core::SnapshotRequest& request) {
    auto snapshot = std::make_unique<MysqlSnapshot>(std::move(connection), scope, keys, request);
    if (!core::reads_beside_log(request.plan)) {
        snapshot->begin(request.join, request.not_older_than);
    }
    return snapshot;
}

}  // namespace pgrepl::mysql
