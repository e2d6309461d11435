// The questions, and what is read of a log to answer them.

#include "source/mysql/stream/log_history.hpp"

#include <mysqld_error.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "source/mysql/binlog/gtid_events.hpp"
#include "source/mysql/server/marks.hpp"
#include "source/mysql/stream/log_ahead.hpp"
#include "source/mysql/stream/replication_connection.hpp"

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;
using Until = ReplicationConnection::Until;

/// Files of a MariaDB server that are looked into for the last transaction that was read.
constexpr int kMostFiles = 100;

[[noreturn]] void throw_diverged(const std::string& server, const std::string& what) {
    throw SourceError(
        SourceErrorKind::kDiverged, 0, "MySQL server " + server + " has another history than the one that was followed",
        false, what,
        "It lost transactions (a crash without sync_binlog = 1, a failover to a server that was behind, a "
        "restore, or a reset of its log), or the URL names another server. Correct the URL with replicator_alter, or "
        "copy the source again: replicator_resync(name).");
}

/// Where the transaction of a GTID event stands, with its name and time.
LogPlace place_of_gtid(ReplicationConnection& log, const Event& event) {
    LogPlace place = log.place_of(event);
    if (log.is_mariadb()) {
        place.gtid = parse_maria_gtid(event).gtid.text();
    } else {
        MysqlGtidEvent const gtid = parse_mysql_gtid(event);
        place.gtid = gtid_text(gtid.origin, gtid.number);
        place.time = gtid.original_time_us;
    }
    return place;
}

bool is_same(const LogPlace& a, const LogPlace& b) {
    return a.file == b.file && a.offset == b.offset && a.file_time == b.file_time && a.gtid == b.gtid &&
           a.time == b.time;
}

/// Reads up to the first transaction; what opens the file comes before it.
std::optional<LogPlace> first_transaction(ReplicationConnection& log) {
    while (std::optional<Event> const event = log.next_event()) {
        if (is_gtid_event(event->header.type)) {
            return place_of_gtid(log, *event);
        }
    }
    return std::nullopt;
}

/// The event that says when the file was begun is the first that comes of it.
LogPlace first_place(ReplicationConnection& log) {
    while (std::optional<Event> const event = log.next_event()) {
        if (event->header.type == EventType::kFormatDescription) {
            return {.file = log.file(),
                    .offset = kFirstOffset,
                    .file_time = event->header.timestamp_s,
                    .gtid = {},
                    .time = 0};
        }
    }
    return {};
}

/// What all files before one hold, by the first events of this one. Nothing if they do not say it.
std::optional<MysqlGtidSet> held_before(ReplicationConnection& log) {
    while (std::optional<Event> const event = log.next_event()) {
        if (event->header.type == EventType::kPreviousGtids) {
            return parse_previous_gtids(*event);
        }
        if (is_gtid_event(event->header.type)) {
            break;
        }
    }
    return std::nullopt;
}

/// The file ends before the place, or the server cannot read what stands there.
bool sends_nothing_there(const SourceError& error) {
    return error.code() == ER_MASTER_FATAL_ERROR_READING_BINLOG && error.kind() == SourceErrorKind::kUnreachable;
}

class History {
  public:
    History(std::unique_ptr<Connection> connection, const Connect& connect, StreamPosition& position,
            std::uint32_t reader_id, bool is_lossy)
        : connect_(connect),
          position_(position),
          reader_id_(reader_id),
          connection_(std::move(connection)),
          address_(connection_->server()),
          is_mariadb_(connection_->is_mariadb()),
          ahead_(position_, address_) {
        position_.set_lossy(position_.is_lossy() || is_lossy);
    }

    Continuation check() {
        if (position_.identity().is_mariadb != is_mariadb_) {
            throw_diverged(address_, std::string("It is ") + (is_mariadb_ ? "MariaDB" : "MySQL") +
                                         ", and the position is the other's: " + position_.text());
        }
        server_ = server_identity(*connection_);
        StateIdentity answers = position_.identity();
        answers.server = server_;
        bool const same_server = is_same_server(answers, position_.identity());
        bool same_log = false;
        std::string doubt;
        if (same_server && position_.place().is_known()) {
            doubt = look_for_another_log();
            same_log = doubt.empty();
        }
        is_another_ = !same_server || !doubt.empty();
        if (same_log && is_mariadb_) {
            forget_deleted_domains();
        }
        require_held(same_log);
        LogPlace place = same_server && doubt.empty() ? position_.place() : LogPlace();
        if (!same_server) {
            doubt = compare(place);
        }
        bool const is_new_place = !same_server && place.is_known();
        position_.set_server(server_, std::move(place));
        if (is_another_) {
            position_.forget_passed();
        }
        if (is_new_place) {
            (void)look_at(position_.place());
        }
        if (is_to_look_ahead_) {  // what the server does not have it cannot be asked to go on from
            look_ahead_of_stream(position_.place());
        }
        return {std::move(doubt), ahead_.found(), ahead_.passed(), same_log};
    }

  private:
    enum class Found : std::uint8_t { kThere, kNotThere, kNoFile };

    /// The connection on which the log is asked for serves for nothing else.
    ReplicationConnection take_log() {
        if (!connection_) {
            connection_ = connect_();
        }
        return {std::move(connection_), reader_id_};
    }

    Connection& server() {
        if (!connection_) {
            connection_ = connect_();
        }
        return *connection_;
    }

    // ---- is it the same log? ----

    /// Empty if it is; if it can be told neither way, what makes it doubtful. MariaDB: the nodes of a cluster may share
    /// a server_id, and a server may be restored on another machine; each has a log of its own.
    std::string look_for_another_log() {
        const LogPlace& place = position_.place();
        Found const found = look_at(place);
        if (found == Found::kThere) {
            return "";
        }
        std::string const last = place.gtid.empty() ? std::string("what was read") : "transaction " + place.gtid;
        std::string const where = "The log of MySQL server " + address_ + " is not the one in which " + last +
                                  " stood at " + place.file + ":" + std::to_string(place.offset) + ".";
        if (found == Found::kNoFile) {
            std::optional<MysqlGtidSet> held;
            LogPlace const next = begin_of_stream(&held);
            LogFileName const next_name = split_file_name(next.file);
            LogFileName const read_name = split_file_name(place.file);
            if (next_name.base != read_name.base) {
                return where + " It has another name, " + next.file + ": whether it goes on from there cannot be told.";
            }
            bool const goes_on =
                is_mariadb_ ? begins_with_all_domains() : held && held->contains(position_.mysql_set());
            if (next_name.number > read_name.number && goes_on) {
                look_after_purged_files(next);
                return "";  // the file was purged
            }
        }
        if (server_ != position_.identity().server) {
            return where + " Whether it is that of another server which goes on from there cannot be told.";
        }
        throw_diverged(address_, where);
    }

    /// Whether what has been read is what stood before the first file that is there. Of the domains that were deleted
    /// meanwhile nothing is said there.
    bool begins_with_all_domains() {
        MariaGtidPosition first;
        std::string file = current_log_file(server());
        while (auto const before = position_before(server(), file)) {
            first = MariaGtidPosition::parse(*before);
            file = file_before(file);
        }
        std::vector<MariaGtid> const read = position_.maria_position().all();
        bool const is_any = std::any_of(read.begin(), read.end(),
                                        [&](const MariaGtid& last) { return first.last_of(last.domain) == last; });
        return is_any == !read.empty() && std::all_of(read.begin(), read.end(), [&](const MariaGtid& last) {
                   MariaGtid const there = first.last_of(last.domain);
                   return there == last || there.sequence == 0;
               });
    }

    Found look_at(const LogPlace& place) {
        bool const is_first = place.gtid.empty();
        ReplicationConnection log = take_log();
        Found const found = look_at(place, log);
        if (found == Found::kThere && !is_mariadb_ && !is_first) {
            require_name(ahead_.read(log, true));
        }
        is_to_look_ahead_ = found == Found::kThere && (is_mariadb_ || is_first);
        return found;
    }

    /// The rest of a file with which the stream begins comes to the stream itself: it may hold a gigabyte of what was
    /// copied, or be a transaction of any size.
    void look_ahead_of_stream(const LogPlace& place) {
        std::string const begin = begin_of_stream().file;
        if (begin == place.file) {
            return;
        }
        (void)look_ahead_from(place.file, place.offset);  // what has no GTID may be older than the copy
        // MariaDB leaves what a crash has cut off where it is, and it is no transaction: the server does not count it.
        while (is_mariadb_ && is_file_before(ahead_.file(), begin)) {
            std::string const next = file_after(ahead_.file());
            ahead_.is_cut_off(next + ":" + std::to_string(kFirstOffset));
            (void)look_ahead_from(next);
        }
    }

    /// Where the server begins for a stream from the position on; MySQL: and what it has before that.
    LogPlace begin_of_stream(std::optional<MysqlGtidSet>* held = nullptr) {
        ReplicationConnection log = take_log();
        log.begin(position_, Until::kEnd);
        LogPlace place = first_place(log);
        if (held != nullptr && !is_mariadb_) {
            *held = held_before(log);
        }
        return place;
    }

    // ---- what does the log say before the next transaction? ----

    bool look_ahead_from(const std::string& file, std::uint32_t offset = kFirstOffset) {
        ReplicationConnection log = take_log();
        log.begin(file, offset);
        return ahead_.read(log);
    }

    /// Where the log goes on in `next`, files before that were not read to their ends, and are gone.
    void look_after_purged_files(const LogPlace& next) {
        std::string const& passed = position_.identity().passed;
        std::string const begin = next.file + ":" + std::to_string(kFirstOffset);
        if (position_.has_passed(begin)) {
            return require_name(look_ahead_from(passed.substr(0, passed.rfind(':'))));
        }
        ahead_.files_are_gone(begin);
        require_name(look_ahead_from(next.file));
    }

    /// By GTID a server begins with the file of the next transaction that has one.
    void require_name(bool has_name) const {
        if (has_name) {
            return;
        }
        throw SourceError(
            SourceErrorKind::kPositionLost, 0,
            "after the last transaction that was read, the log of MySQL server " + address_ + " has one without a GTID",
            false, "gtid_mode was not ON when it was logged.",
            "Set gtid_mode = ON and enforce_gtid_consistency = ON, and copy the source again: "
            "replicator_resync(name).");
    }

    Found look_at(const LogPlace& place, ReplicationConnection& log) {
        log.begin(place.file, place.offset);
        try {
            if (place.gtid.empty()) {
                return is_same(first_place(log), place) ? Found::kThere : Found::kNotThere;
            }
            std::optional<LogPlace> const there = first_transaction(log);
            return there && is_same(*there, place) ? Found::kThere : Found::kNotThere;
        } catch (const SourceError& error) {
            switch (error.kind()) {
                case SourceErrorKind::kPositionLost:
                    return Found::kNoFile;
                case SourceErrorKind::kCorrupt:  // no event begins there
                case SourceErrorKind::kUnsupported:
                case SourceErrorKind::kNotADatabase:
                    return Found::kNotThere;
                default:
                    if (sends_nothing_there(error)) {
                        return Found::kNotThere;
                    }
                    throw;
            }
        }
    }

    // ---- does it hold all that has been read? ----

    /// A file of later that begins without a domain says that it was deleted. What the log has of it is new, though its
    /// numbers may have come as far again as those that were read. (What a replica has applied it need not have
    /// logged.)
    void forget_deleted_domains() {
        MariaGtidPosition const applied = logged_state(server()).applied;
        LogFileName const read = split_file_name(position_.place().file);
        std::string file = current_log_file(server());
        for (LogFileName name = split_file_name(file); name.base == read.base && name.number > read.number;
             name = split_file_name(file)) {
            std::optional<std::string> const before = position_before(server(), file);
            if (!before) {
                return;  // purged, and those before it
            }
            MariaGtidPosition const held = MariaGtidPosition::parse(*before);
            for (const MariaGtid& last : position_.maria_position().all()) {
                if (held.last_of(last.domain).sequence == 0 && applied.last_of(last.domain).sequence == 0) {
                    position_.forget_domain(last.domain);
                }
            }
            file = file_before(file);
        }
    }

    void require_held(bool same_log) {
        if (is_mariadb_) {
            require_domains(same_log);
        } else if (StateIdentity const mark = high_mark(server()); !holds_all_of(mark, position_.identity())) {
            std::string const held = mark.gtid.value_or("");
            throw_lacking(held, !position_.mysql_set().contains(MysqlGtidSet::parse(held)));
        }
    }

    /// Another server that has nothing of its own may be a replica that catches up. One with transactions that we do
    /// not have goes on from somewhere else.
    [[noreturn]] void throw_lacking(const std::string& held, bool has_others) const {
        std::string const detail = "The position is " + position_.identity().gtid.value_or("") + "; the server has " +
                                   (held.empty() ? "nothing" : held) + ".";
        if (!is_another_ || has_others || held.empty()) {
            throw_diverged(address_, detail);
        }
        throw SourceError(SourceErrorKind::kUnreachable, 0,
                          "MySQL server " + address_ + " does not have all yet that was read from the one before it",
                          true, detail,
                          "A replica that is behind catches up; then the stream goes on by itself. If it was made the "
                          "primary before that, it has lost transactions: correct the URL with replicator_alter, or "
                          "copy the source again: replicator_resync(name).");
    }

    void require_domains(bool same_log) {
        LoggedState const logged = logged_state(server());
        for (const MariaGtid& last : position_.maria_position().all()) {
            MariaGtid const applied = logged.applied.last_of(last.domain);
            if (logged.state.contains(last) || applied == last) {
                continue;
            }
            if (applied.server == last.server && applied.sequence > last.sequence) {
                throw SourceError(SourceErrorKind::kPositionLost, 0,
                                  "MySQL server " + address_ + " has applied what follows transaction " + last.text() +
                                      ", and does not have it in its log",
                                  false,
                                  "It has applied " + applied.text() + ", and logged " + logged.state.text() + ".",
                                  "Copy the source again: replicator_resync(name).");
            }
            bool const is_deleted = !logged.state.knows_domain(last.domain) && applied.sequence == 0;
            if (!same_log || !is_deleted) {
                throw_lacking(logged.state.text(), position_.maria_state().lacks(logged.state).has_value());
            }
            position_.forget_domain(last.domain);
        }
    }

    // ---- has another server what was not read? ----

    [[nodiscard]] std::string missed(const std::string& gtid) const {
        return "MySQL server " + address_ + " has transaction " + gtid + " before " + position_.place().gtid +
               ", which was read from the server before it; " + gtid + " was not.";
    }

    [[nodiscard]] std::string cannot_be_told() const {
        return "Whether MySQL server " + address_ +
               " has transactions that were not read, before others that were, cannot be told.";
    }

    std::string compare(LogPlace& place) {
        try {
            return is_mariadb_ ? compare_mariadb(place) : compare_mysql(place);
        } catch (const SourceError& error) {
            if (!is_of_one_event(error) && !sends_nothing_there(error)) {
                throw;
            }
            return cannot_be_told();
        }
    }

    /// Also of one that has nothing else its place in the log is looked for: the server may have crashed after it.
    std::string compare_mysql(LogPlace& place) {
        MysqlGtidSet const executed = MysqlGtidSet::parse(value_or_empty(server(), "SELECT @@global.gtid_executed"));
        bool const has_others = !position_.mysql_set().contains(executed);
        const LogPlace& last = position_.place();
        if (last.gtid.empty()) {
            return has_others ? cannot_be_told() : "";
        }
        MysqlGtidSet const last_set = MysqlGtidSet::parse(last.gtid);
        if (MysqlGtidSet::parse(value_or_empty(server(), "SELECT @@global.gtid_purged")).contains(last_set)) {
            return "";  // its log begins after it
        }
        MysqlGtidSet wanted = position_.mysql_set();
        wanted.remove(last_set);
        ReplicationConnection log = take_log();
        log.begin(wanted, Until::kEnd);
        std::optional<LogPlace> const first = first_transaction(log);
        if (!first) {
            return has_others ? cannot_be_told() : "";
        }
        if (first->gtid != last.gtid) {
            return missed(first->gtid);
        }
        if (first->time != last.time) {
            throw_diverged(address_, "Its transaction " + last.gtid +
                                         " was committed at another time than the one that was read.");
        }
        place = *first;
        return "";
    }

    /// What was read of servers whose transactions this one has none of, or fewer. It may have them from a backup,
    /// before its log; or it was never given them, and the target holds more than it does.
    std::string forget_lacking(const LoggedState& logged) {
        std::string lacking;
        for (const MariaGtid& last : position_.maria_state().all()) {
            if (!logged.state.contains(last) && logged.applied.last_of(last.domain) != last) {
                lacking += (lacking.empty() ? "" : ", ") + last.text();
                position_.forget(last);
            }
        }
        return lacking.empty()
                   ? ""
                   : "MySQL server " + address_ + " does not have " + lacking +
                         " in its log, which was read from the server before it; whether it has that from a "
                         "backup cannot be told.";
    }

    std::string compare_mariadb(LogPlace& place) {
        LoggedState const logged = logged_state(server());
        if (std::string lacking = forget_lacking(logged); !lacking.empty()) {
            return lacking;
        }
        bool const has_others = position_.maria_state().lacks(logged.state).has_value();
        if (position_.place().gtid.empty()) {
            return has_others ? cannot_be_told() : "";
        }
        MariaGtid const last = MariaGtidState::parse(position_.place().gtid).all().at(0);
        if (!logged.state.contains(last)) {
            return "";  // it has it from a backup: its log begins after it
        }
        std::string file = current_log_file(server());
        MariaGtidState before;  // what the files before hold
        for (int i = 0; i < kMostFiles && !file.empty(); ++i) {
            try {
                if (std::optional<std::string> const found = search_file(file, last, place, before)) {
                    return has_others ? *found : "";
                }
            } catch (const SourceError& error) {
                if (error.kind() != SourceErrorKind::kPositionLost || i == 0) {
                    throw;
                }
                break;  // purged
            }
            file = file_before(file);
        }
        return position_.maria_state().lacks(before) ? cannot_be_told() : "";
    }

    /// Looks into a file for the transaction `last`. Nothing if it stands in one before.
    std::optional<std::string> search_file(const std::string& file, const MariaGtid& last, LogPlace& place,
                                           MariaGtidState& before) {
        ReplicationConnection log = take_log();
        log.begin(file, kFirstOffset);
        bool any_list = false;
        while (std::optional<Event> const event = log.next_event()) {
            if (event->header.type == EventType::kMariaGtidList && !any_list) {
                any_list = true;
                before = {};
                for (const MariaGtid& gtid : parse_gtid_list(*event)) {
                    before.advance(gtid);
                }
                if (before.contains(last)) {
                    return std::nullopt;
                }
                if (std::optional<MariaGtid> const lacking = position_.maria_state().lacks(before)) {
                    return missed(lacking->text());
                }
            } else if (event->header.type == EventType::kMariaGtid) {
                MariaGtid const gtid = parse_maria_gtid(*event).gtid;
                if (gtid == last) {
                    place = place_of_gtid(log, *event);
                    return "";
                }
                if (!position_.maria_state().contains(gtid)) {
                    return missed(gtid.text());
                }
            }
        }
        return cannot_be_told();
    }

    const Connect& connect_;
    StreamPosition& position_;
    std::uint32_t reader_id_;
    std::unique_ptr<Connection> connection_;  ///< null: the log was asked for on it
    std::string address_;
    std::string server_;  ///< what tells it from others
    bool is_mariadb_;
    bool is_another_ = false;  ///< than the one that was read, perhaps
    bool is_to_look_ahead_ = false;
    LogAhead ahead_;
};

}  // namespace

Continuation continue_history(std::unique_ptr<Connection> connection, const Connect& connect, StreamPosition& position,
                              std::uint32_t reader_id, bool is_lossy) {
    return History(std::move(connection), connect, position, reader_id, is_lossy).check();
}

bool holds_position(Connection& connection, const StreamPosition& position) {
    if (!connection.is_mariadb()) {
        return holds_all_of(high_mark(connection), position.identity());
    }
    LoggedState const logged = logged_state(connection);
    for (const MariaGtid& last : position.maria_position().all()) {
        if (!logged.state.contains(last) && logged.applied.last_of(last.domain) != last) {
            return false;
        }
    }
    return true;
}

LogPlace find_place(std::unique_ptr<Connection> connection, const StreamPosition& position, std::uint32_t reader_id) {
    ReplicationConnection log(std::move(connection), reader_id);
    log.begin(position, Until::kEnd);
    return first_place(log);
}

}  // namespace pgrepl::mysql
