// core::ChangeStream for MySQL and MariaDB.

#include "source/mysql/stream/change_stream.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include "source/mysql/binlog/control_events.hpp"
#include "source/mysql/binlog/gtid_events.hpp"
#include "source/mysql/binlog/query_event.hpp"
#include "source/mysql/binlog/transaction_payload.hpp"
#include "source/mysql/server/marks.hpp"
#include "source/mysql/stream/held_transactions.hpp"
#include "source/mysql/stream/log_ahead.hpp"
#include "source/mysql/stream/replication_connection.hpp"
#include "source/mysql/stream/statement_reader.hpp"
#include "source/mysql/stream/stream_position.hpp"
#include "source/mysql/stream/stream_tables.hpp"
#include "source/mysql/stream/transaction_batch.hpp"

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;
/// Of distributed transactions that are prepared, all together.
constexpr std::size_t kMostHeldBytes = 16 << 20;

class MysqlChangeStream final : public core::ChangeStream {
  public:
    MysqlChangeStream(std::unique_ptr<Connection> connection, const NameRules& names,
                      const std::vector<std::string>& databases, const core::StreamRequest& request,
                      StreamPosition position, Continuation found, std::shared_ptr<const bool> is_lossy,
                      LostNames::Ask logged)
        : position_(std::move(position)),
          start_(position_),
          found_(std::move(found)),
          is_lossy_(std::move(is_lossy)),
          statements_(connection->is_mariadb(), names, databases),
          connection_(std::move(connection), request.reader_id),
          tables_(connection_.is_mariadb(), names),
          names_(std::move(logged), position_) {
        for (const core::FollowedTable& table : request.tables) {
            tables_.follow(table);
        }
        bool const is_strict = !found_.is_same_log;  // else what it would find out is known
        connection_.begin(position_, ReplicationConnection::Until::kClosed, is_strict);
    }

    [[nodiscard]] core::Position start() const override { return core::Position{position_.text()}; }
    [[nodiscard]] std::string doubt() const override { return found_.doubt; }

    void read(core::ChangeBatch& batch, const core::StreamLimits& limits) override {
        batch.clear();
        if (has_failed_) {
            throw SourceError(SourceErrorKind::kUnreachable, 0,
                              "the stream of MySQL server " + connection_.server() + " has failed before", true);
        }
        has_failed_ = true;  // until this read has ended well
        if (failure_) {
            throw SourceError(*failure_);
        }
        fill(batch, limits);
        has_failed_ = false;
    }

    void follow(const core::FollowedTable& table) override { tables_.follow(table); }
    void forget(const core::TableName& table) override { tables_.forget(table); }

  private:
    void fill(core::ChangeBatch& batch, const core::StreamLimits& limits) {
        batch_.open(batch);
        position_.set_lossy(position_.is_lossy() || *is_lossy_);
        tell_what_was_found();
        std::uint64_t const bytes_before = connection_.bytes_read();
        auto const deadline = Clock::now() + std::chrono::milliseconds(limits.wait_ms);
        while (!is_full(batch, limits, deadline)) {
            if (!wait_for_event(batch, deadline)) {
                batch.at_end_of_log = is_at_end();
                break;
            }
            if (!has_stepped(batch)) {
                break;
            }
        }
        batch.bytes_read = connection_.bytes_read() - bytes_before;
        if (names_.any()) {
            look_for_lost_names(batch);
        }
        if (batch.at_end_of_log && position_.is_lossy() && !*is_lossy_) {
            position_.set_lossy(false);  // elsewhere the setting of now says nothing of what the log tells
            has_passed_ = true;
        }
        bool const has_passed = std::exchange(has_passed_, false);  // before a transaction that is open by now
        if (batch.transactions != 0 || has_passed) {
            batch.position.text = position_.text();
        }
    }

    /// What has been read is not told to be all before the position says so.
    void look_for_lost_names(core::ChangeBatch& batch) {
        names_.ask();
        if (batch.at_end_of_log) {
            has_passed_ = names_.come_before_end() || has_passed_;
            batch.at_end_of_log = !names_.any();
        }
    }

    /// Not before the first read: what is known of the position until then must not be taken for told.
    void tell_what_was_found() {
        if (!found_.passed.empty()) {
            pass(std::exchange(found_.passed, {}));
        }
        for (core::SchemaChange& change : std::exchange(found_.found, {})) {
            batch_.tell(std::move(change));
        }
    }

    /// Between transactions: what the log says before the place is told once.
    void pass(const std::string& place) {
        position_.pass(place);
        has_passed_ = true;
    }

    /// Whole transactions are preferred: at the end of one, half of what may be in a batch is enough.
    bool is_full(const core::ChangeBatch& batch, const core::StreamLimits& limits, Clock::time_point deadline) {
        bool const is_boundary = !in_transaction_ || !passed_maps_;
        if (!is_boundary && !batch_.has_changes()) {
            return false;  // the caller may follow a table from here on, of which rows have been passed over already
        }
        std::size_t const part = is_boundary && batch.transactions != 0 ? 2 : 1;
        if (!batch.schema_changes.empty() || batch.changes.size() >= std::max<std::size_t>(limits.changes / part, 1) ||
            batch_.bytes() >= limits.bytes / part) {
            return true;
        }
        if (batch.transactions == 0 || !is_boundary) {
            return false;
        }
        // The position is to move on, too, while nothing that we follow is changed.
        bool const will_not_fit =
            in_transaction_ && !batch.changes.empty() && batch_.bytes() + transaction_bytes_ > limits.bytes;
        return will_not_fit || Clock::now() >= deadline;
    }

    /// False if there is nothing to be read at once, and the batch is not to wait for it.
    bool wait_for_event(const core::ChangeBatch& batch, Clock::time_point deadline) {
        if (payload_open_ || in_transaction_ || connection_.has_input(0)) {
            return true;
        }
        auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        return batch.transactions == 0 && left > 0 && connection_.has_input(static_cast<int>(left));
    }

    /// Nothing to be read may mean that the network is slower than we are; and that what came was committed just now is
    /// said by clocks of others, and of their sessions. Heartbeats come at the end of the log alone.
    [[nodiscard]] bool is_at_end() const { return connection_.is_alive() && quiet_; }

    /// Transactions that came before an error are told first: from behind them the next stream may get on, as one from
    /// before them never will where the log of MariaDB ends within an event, after a crash.
    bool has_stepped(const core::ChangeBatch& batch) {
        try {
            step();
        } catch (const SourceError& error) {
            if (batch.transactions == 0) {
                throw;
            }
            failure_.emplace(error);
        }
        return !failure_;
    }

    /// What is damaged, or not known, within a transaction is passed, and told at its end: the next event is found
    /// whatever this one holds.
    void step() {
        try {
            next_event();
        } catch (const SourceError& error) {
            bool const is_of_server = error.code() != 0;  // which says something instead of an event
            if (is_of_server || !concerns_one_table(error) || !(in_transaction_ || may_be_passed_outside(error))) {
                throw;
            }
            if (!is_header_certain_) {
                names_.note();
            }
            if (!in_transaction_) {
                return pass_outside(error);
            }
            note_lost(error);
            if (std::exchange(payload_open_, false)) {  // with the end of the transaction
                end_transaction(last_header_);
            }
        }
    }

    /// Between transactions: what cannot be read and was no part of one, or the name of one. Not even the type of what
    /// is damaged is certain: what comes next says which it was. A name of another kind than those that are known is
    /// not damaged.
    [[nodiscard]] bool may_be_passed_outside(const SourceError& error) const noexcept {
        bool const is_damaged_name = is_gtid_event(last_header_.type) && error.kind() == SourceErrorKind::kCorrupt;
        return !is_header_certain_ || is_damaged_name || !is_of_transaction(last_header_.type);
    }

    /// It names one, is a part of one, or says how all events are to be read.
    static bool is_of_transaction(EventType type) noexcept {
        switch (type) {
            case EventType::kMysqlGtid:
            case EventType::kAnonymousGtid:
            case EventType::kGtidTagged:
            case EventType::kMariaGtid:
            case EventType::kFormatDescription:
            case EventType::kRotate:
                return true;
            default:
                return is_part_of_transaction(type);
        }
    }

    void next_event() {
        if (!payload_open_) {
            is_header_certain_ = false;
            quiet_ = false;
            Event const event = connection_.read_event();
            is_header_certain_ = true;
            last_header_ = event.header;
            last_start_ = event.place.position;
            if (is_part_of_transaction(event.header.type)) {
                require_begun(event);
            }
            quiet_ = event.header.type == EventType::kHeartbeat || event.header.type == EventType::kHeartbeatV2;
            if (quiet_) {
                end_what_has_lost_its_end();
                pass_end_of_log();
            }
            if (event.header.type == EventType::kTransactionPayload) {
                payload_open_ = true;
                payload_.open(event);
            } else {
                handle(event);
            }
            return;
        }
        Event event;
        payload_open_ = payload_.next(event);
        if (!payload_open_) {
            return;
        }
        if (event.header.type == EventType::kTransactionPayload) {
            throw_corrupt(event.place, "a payload within a payload");
        }
        handle(event);
    }

    void handle(const Event& event) {
        if (use_of(event) == EventUse::kPassOver) {
            return;
        }
        if (is_rows_event(event.header.type) || event.header.type == EventType::kTableMap || is_query(event)) {
            held_.add(event);
        }
        switch (event.header.type) {
            case EventType::kTableMap:
                passed_maps_ = true;
                return read_map(event);
            case EventType::kMysqlGtid:
            case EventType::kAnonymousGtid:
            case EventType::kGtidTagged:
                return begin_mysql(parse_mysql_gtid(event), connection_.place_of(event));
            case EventType::kMariaGtid:
                return begin_mariadb(parse_maria_gtid(event), connection_.place_of(event));
            case EventType::kQuery:
            case EventType::kQueryCompressed:
            case EventType::kExecuteLoadQuery:
                return read_query(event);
            case EventType::kXid:
                return end_transaction(event);
            case EventType::kXaPrepare:
                return read_xa_prepare(event);
            case EventType::kFormatDescription:
                return begin_file();
            default:
                if (is_rows_event(event.header.type)) {
                    read_rows(event);
                }
        }
    }

    static bool is_query(const Event& event) noexcept {
        return event.header.type == EventType::kQuery || event.header.type == EventType::kQueryCompressed ||
               event.header.type == EventType::kExecuteLoadQuery;
    }

    /// Rows were changed, of tables that cannot be told; `named` is the one that a statement names.
    void note_lost(const SourceError& error, std::string statement = {}, core::TableName named = {}) {
        if (lost_) {
            lost_->table = {};
        } else if (tables_.follows_any()) {
            lost_ = unread_rows(error, std::move(statement), std::move(named));
        }
    }

    /// Between transactions stands what the server itself has to say, for instance that something is missing. MariaDB
    /// sends it also where it looks for our place in a file.
    void pass_outside(const SourceError& error) {
        if (!is_header_certain_ || is_gtid_event(last_header_.type)) {
            names_.note();
            // MariaDB does not say what it has left out before; but where it comes to what was read, nothing after
            // that.
            bool const was_told = !connection_.is_mariadb() && start_.has_passed(connection_.place_within());
            if (!was_told && !passed_outside_) {
                passed_outside_.emplace(error);
            }
            return;
        }
        if (position_.has_passed(connection_.place())) {
            return;
        }
        pass(connection_.place());
        if (tables_.follows_any()) {
            batch_.tell(unread_rows(error));
        }
    }

    /// Nothing comes for now that says what it was.
    void pass_end_of_log() {
        if (!passed_outside_ || in_transaction_ || position_.has_passed(connection_.place())) {
            return;  // or the server does not say where it stands
        }
        pass(connection_.place());
        if (tables_.follows_any()) {
            batch_.tell(unread_rows(*passed_outside_));
        }
        passed_outside_.reset();
    }

    // ---- transactions ----

    void begin_transaction() {
        end_what_has_lost_its_end();
        drop_what_is_cut_off();
        lost_.reset();
        if (passed_outside_) {
            if (!start_.has_passed(connection_.file() + ":" + std::to_string(last_start_))) {
                note_lost(*passed_outside_);  // it may have told that something is missing
            }
            passed_outside_.reset();
        }
        held_.discard();
        in_transaction_ = true;
        is_named_ = true;
        is_again_ = false;
        passed_maps_ = false;
        commit_time_us_ = 0;
        transaction_bytes_ = 0;
        bytes_before_transaction_ = connection_.bytes_read();
        tables_.begin_transaction();
        batch_.begin_transaction();
    }

    /// A part of a transaction, where none has begun: its name was among what could not be read. What it changed is
    /// read as ever; of the position it is a place in the log alone. A query may be none.
    void require_begun(const Event& event) {
        if (!in_transaction_ && (passed_outside_ || !is_query(event))) {
            begin_unnamed(event);
        }
        if (!is_named_) {
            unnamed_end_ = connection_.place();
        }
    }

    void begin_unnamed(const Event& event) {
        if (!passed_outside_) {
            passed_outside_.emplace(corrupt(event.place, "it is part of a transaction, and none has begun"));
        }
        names_.note();
        begin_transaction();
        is_named_ = false;
        is_again_ = start_.has_passed(connection_.place());
        unnamed_end_ = connection_.place();
        is_statement_ = !connection_.is_mariadb();  // which says it with the name
    }

    /// Transactions do not cross files: one that is open has been cut off by a crash, before it was committed; or it
    /// was committed, and its end cannot be read.
    void drop_what_is_cut_off() {
        if (in_transaction_) {
            in_transaction_ = false;
            batch_.withdraw();
            if (lost_ && !is_again_) {
                batch_.tell(*std::exchange(lost_, std::nullopt));
            }
        }
    }

    /// A transaction stands in the log as a whole. What comes after it says that its end was among what could not be
    /// read.
    void end_what_has_lost_its_end() {
        if (in_transaction_ && (lost_ || !is_named_)) {
            end_transaction(last_header_);
        }
    }

    void begin_file() {
        if (!connection_.is_mariadb() || !connection_.follows_crash()) {
            end_what_has_lost_its_end();  // MySQL leaves nothing in its log that a crash has cut off
        }
        drop_what_is_cut_off();
        pass_end_of_file();
        if (!position_.place().is_known()) {
            position_.set_place({.file = connection_.file(),
                                 .offset = kFirstOffset,
                                 .file_time = connection_.file_time(),
                                 .gtid = {},
                                 .time = 0});
        }
    }

    void pass_end_of_file() {
        std::string const place = connection_.file_place();
        std::optional<SourceError> const damage = std::exchange(passed_outside_, std::nullopt);
        if (position_.has_passed(place)) {
            return;
        }
        if (damage) {  // it was perhaps the file's end
            batch_.tell(unread_rows(*damage));
        } else if (connection_.follows_crash()) {
            batch_.tell(crash_of(connection_.server(), place, !position_.is_lossy()));
        }
        pass(place);
    }

    void begin_mysql(const MysqlGtidEvent& gtid, LogPlace place) {
        if (gtid.anonymous) {
            throw SourceError(SourceErrorKind::kUnsupported, 0,
                              "a transaction in the log of MySQL server " + connection_.server() + " has no GTID",
                              false, "gtid_mode was not ON when it was logged.",
                              "Set gtid_mode = ON and enforce_gtid_consistency = ON, and copy the source again: "
                              "replicator_resync(name).");
        }
        begin_transaction();
        has_passed_ = names_.come_before(gtid) || has_passed_;
        position_.begin(gtid, std::move(place));
        is_statement_ = true;  // until BEGIN comes
        commit_time_us_ = static_cast<std::int64_t>(gtid.commit_time_us);
        transaction_bytes_ = gtid.transaction_bytes;
    }

    void begin_mariadb(const MariaGtidEvent& gtid, LogPlace place) {
        begin_transaction();
        has_passed_ = names_.come_before(gtid.gtid) || has_passed_;
        is_again_ = found_.is_same_log && start_.has_read(place);
        position_.begin(gtid.gtid, std::move(place));
        is_statement_ = (gtid.flags & MariaGtidEvent::kStandalone) != 0;
        if (!is_again_ && (gtid.flags & MariaGtidEvent::kPreparedXa) != 0) {
            begin_distributed();
        }
    }

    void end_transaction(const Event& event) {
        if (!in_transaction_) {
            throw_corrupt(event.place, "a transaction ends that did not begin");
        }
        end_transaction(event.header);
    }

    void end_transaction(const EventHeader& header) {
        in_transaction_ = false;
        held_.discard();
        if (is_again_) {
            return batch_.withdraw();
        }
        if (lost_) {
            batch_.add_schema_changes({*std::exchange(lost_, std::nullopt)});
        }
        for (const core::TableName& table : tables_.doubtful()) {
            batch_.add_schema_changes(
                {{.kind = core::SchemaChange::Kind::kRedefined, .table = table, .renamed_to = {}, .statement = ""}});
        }
        is_named_ ? position_.commit(place_behind()) : position_.commit_unnamed(unnamed_end_, place_behind());
        // MariaDB tells the time of the session, which may have set it to anything.
        bool const is_told = commit_time_us_ != 0;
        batch_.end_transaction(is_told ? commit_time_us_ : header.timestamp_s * kMicrosecondsPerSecond);
        for (core::TableName& stranger : tables_.take_strangers()) {
            statements_.is_of_interest(stranger) ? batch_.tell_stranger(std::move(stranger)) : void();
        }
    }

    /// MariaDB tells of its snapshots by place. A file holds a gigabyte and the transaction that it ends with.
    [[nodiscard]] std::string place_behind() const {
        constexpr std::uint64_t kOffsetsAreTold = 2ULL << 30;
        bool const told = connection_.bytes_read() - bytes_before_transaction_ < kOffsetsAreTold;
        if (!connection_.is_mariadb() || !told) {
            return "";
        }
        return is_named_ ? connection_.place() : unnamed_end_;
    }

    // ---- statements ----

    void read_query(const Event& event) {
        QueryEvent const query = parse_query(event, storage_);
        if (!in_transaction_ && (query.sql == "BEGIN" || query.sql == "COMMIT")) {
            begin_unnamed(event);
        }
        if (query.sql == "BEGIN") {
            is_statement_ = false;
            return;
        }
        if (query.sql == "COMMIT") {
            return end_transaction(event);
        }
        LoggedStatement statement = statements_.read(query);
        using Kind = LoggedStatement::Kind;
        if (!in_transaction_ && statement.kind != Kind::kNothing) {
            begin_unnamed(event);
        }
        switch (statement.kind) {
            case Kind::kXaStart:
                begin_distributed();
                is_statement_ = false;
                return;
            case Kind::kBegin:
                is_statement_ = false;
                return;
            case Kind::kCommit:
                return end_transaction(event);
            case Kind::kRollback:
                require_rolled_back(batch_.roll_back());
                return end_transaction(event);
            case Kind::kSavepoint:
                return batch_.set_savepoint(statement.name);
            case Kind::kRollbackTo:
                return roll_back_to(statement.name);
            case Kind::kXaEnd:
                return;
            case Kind::kXaCommit:
            case Kind::kXaRollback:
                complete_xa(statement);
                break;
            case Kind::kRows:
                take_statement(statement, query);
                break;
            case Kind::kSchema:
                if ((event.header.flags & EventHeader::kOfThread) != 0 || query.error_code != 0) {
                    require_a_look(statement.changes);
                }
                note_others(statement.changes);
                batch_.add_schema_changes(std::move(statement.changes));
                break;
            case Kind::kNothing:
            case Kind::kUnknown:  // said as a change of tables
                break;
        }
        if (is_statement_) {
            end_transaction(event);
        }
    }

    /// Tables may have come, or gone, that are not followed.
    void note_others(const std::vector<core::SchemaChange>& changes) {
        for (const core::SchemaChange& change : changes) {
            tables_.may_be_another(change.table);
            change.renamed_to.table.empty() ? void() : tables_.may_be_another(change.renamed_to);
        }
    }

    /// A temporary table may have been truncated that hides another, or some of the rows only.
    static void require_a_look(std::vector<core::SchemaChange>& changes) {
        for (core::SchemaChange& change : changes) {
            if (change.kind == core::SchemaChange::Kind::kTruncated) {
                change.kind = core::SchemaChange::Kind::kAltered;
            }
        }
    }

    void roll_back_to(const std::string& savepoint) {
        if (!batch_.can_find(savepoint)) {
            throw SourceError(
                SourceErrorKind::kUnsupported, 0,
                "transaction " + position_.current() + " was rolled back to a savepoint that is not known", false,
                "It is \"" + savepoint + "\"; letters beyond ASCII are compared by the server alone.",
                "Name savepoints in ASCII, or write their names alike.");
        }
        require_rolled_back(batch_.roll_back_to(savepoint));
    }

    void require_rolled_back(bool done) const {
        if (!done) {
            throw SourceError(SourceErrorKind::kUnsupported, 0,
                              "transaction " + position_.current() +
                                  " was rolled back in part, after changes that have "
                                  "been read already",
                              false, "It changed tables with and without transactions (MyISAM, Aria, MEMORY).",
                              "Give its tables the engine InnoDB.");
        }
    }

    /// Rows were changed, and the log does not say how; nor what triggers, functions, views and foreign keys have
    /// changed besides. What a server logs without a transaction is its own: a table in memory is empty after a
    /// restart.
    void take_statement(const LoggedStatement& statement, const QueryEvent& query) {
        bool const names_table = statement.tables.size() == 1;
        if (is_statement_ && names_table) {
            if (const core::TableName* const followed = tables_.followed_name(statement.tables[0])) {
                batch_.add_schema_changes({{.kind = core::SchemaChange::Kind::kAltered,
                                            .table = *followed,
                                            .renamed_to = {},
                                            .statement = statements_.shown(query)}});
            }
            return;
        }
        note_lost(
            SourceError(SourceErrorKind::kUnsupported, 0,
                        "transaction " + position_.current() + " changed rows, but its log holds the statement only",
                        false, "",
                        "Set binlog_format = ROW (SET GLOBAL binlog_format = 'ROW', and in the server's "
                        "configuration), and let sessions reconnect."),
            statements_.shown(query), names_table ? statement.tables[0] : core::TableName());
    }

    // ---- XA ----

    /// One that may be prepared: what it changes may be wanted again.
    void begin_distributed() {
        tables_.note_changed();
        held_.begin();
    }

    /// What becomes of it is not known yet. What is lost of it may concern any table by then, as if it were not known.
    void read_xa_prepare(const Event& event) {
        XaPrepareEvent const prepare = parse_xa_prepare(event);
        if (!prepare.one_phase && !is_again_) {
            std::string const xid = xid_text(prepare.format_id, prepare.gtrid, prepare.bqual);
            if (!std::exchange(lost_, std::nullopt)) {
                position_.prepared().prepare(xid, tables_.changed());
                if (batch_.concerns_us()) {
                    held_.keep(xid);
                }
            }
            batch_.withdraw();
        }
        end_transaction(event);
    }

    /// What was prepared is given now, if it is held; else the tables that it has changed are to be read again. What
    /// was prepared before the first position of this stream may have changed anything.
    void complete_xa(const LoggedStatement& statement) {
        is_statement_ = true;
        auto const changed = position_.prepared().complete(statement.name);
        std::optional<HeldTransactions::Events> const events = held_.take(statement.name);
        if (statement.kind != LoggedStatement::Kind::kXaCommit) {
            return;
        }
        if (events) {
            return give_held(*events);
        }
        std::vector<core::SchemaChange> read_again;
        for (core::TableName& table : tables_.followed_of(changed)) {
            read_again.push_back({.kind = core::SchemaChange::Kind::kAltered,
                                  .table = std::move(table),
                                  .renamed_to = {},
                                  .statement = "XA COMMIT " + statement.name});
        }
        batch_.add_schema_changes(std::move(read_again));
    }

    /// No table has been changed meanwhile: the transaction has kept it from that.
    void give_held(const HeldTransactions::Events& events) {
        for (const HeldTransactions::HeldEvent& held : events) {
            try {
                handle(held.event());
            } catch (const SourceError& error) {
                if (!concerns_one_table(error)) {
                    throw;
                }
                note_lost(error);
            }
        }
        is_statement_ = true;  // whatever was said within it
    }

    // ---- rows ----

    void read_map(const Event& event) {
        if (std::optional<core::UnreadTable> unread = tables_.read_map(event)) {
            batch_.add_unread(std::move(*unread));
        }
    }

    void read_rows(const Event& event) {
        constexpr std::size_t kIdBytes = 6;
        if (event.body.size() < kIdBytes) {
            throw_corrupt(event.place, "it ends too early");
        }
        StreamedTable* const table = tables_.find(event.reader().u48());
        if (table == nullptr) {
            return;
        }
        if (!in_transaction_) {
            throw_corrupt(event.place, "rows stand outside of a transaction");
        }
        try {
            batch_.add_rows(*table, parse_rows_event(event, storage_));
        } catch (const SourceError& error) {
            if (!concerns_one_table(error)) {
                throw;
            }
            batch_.add_unread(unread_table(table->name, error));
        }
    }

    StreamPosition position_;
    StreamPosition const start_;  ///< what is before it was told by another stream
    Continuation found_;
    std::shared_ptr<const bool> is_lossy_;
    StatementReader statements_;
    ReplicationConnection connection_;
    StreamTables tables_;
    TransactionBatch batch_;
    LostNames names_;
    HeldTransactions held_{kMostHeldBytes};
    std::optional<core::SchemaChange> lost_;     ///< of the open transaction: what of it could not be read
    std::optional<SourceError> passed_outside_;  ///< between transactions: what could not be read there
    EventHeader last_header_;                    ///< of the last event that came
    std::uint64_t last_start_ = 0;               ///< where it stands in its file
    bool is_header_certain_ = false;             ///< it is that of the event in hand
    PayloadReader payload_;
    bool payload_open_ = false;
    std::string storage_;
    bool has_failed_ = false;
    std::optional<SourceError> failure_;  ///< of the next read
    bool has_passed_ = false;             ///< the position has moved on without a transaction since it was last told
    bool quiet_ = false;                  ///< the last that came was a heartbeat
    bool in_transaction_ = false;
    bool is_named_ = true;       ///< its name was read
    bool is_again_ = false;      ///< it was read before, and what comes of it is void
    std::string unnamed_end_;    ///< of one without: the end of what has come of it (file:offset)
    bool passed_maps_ = false;   ///< the transaction has changed tables, followed or not
    bool is_statement_ = false;  ///< the transaction is one statement: its end
    std::int64_t commit_time_us_ = 0;
    std::uint64_t transaction_bytes_ = 0;
    std::uint64_t bytes_before_transaction_ = 0;
};

}  // namespace

std::unique_ptr<core::ChangeStream> open_change_stream(std::unique_ptr<Connection> first, const Connect& connect,
                                                       const NameRules& names,
                                                       const std::vector<std::string>& databases,
                                                       const core::StreamRequest& request,
                                                       std::shared_ptr<const bool> is_lossy, LostNames::Ask logged) {
    StreamPosition position(StateIdentity::parse(request.position.text));
    Continuation found = continue_history(std::move(first), connect, position, request.reader_id, *is_lossy);
    return std::make_unique<MysqlChangeStream>(connect(), names, databases, request, std::move(position),
                                               std::move(found), std::move(is_lossy), std::move(logged));
}

}  // namespace pgrepl::mysql
