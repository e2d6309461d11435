#include "source/mysql/stream/log_ahead.hpp"

#include <mysqld_error.h>

#include <string_view>
#include <utility>

#include "source/mysql/binlog/gtid_events.hpp"
#include "source/mysql/binlog/query_event.hpp"
#include "source/mysql/binlog/rows_event.hpp"
#include "source/mysql/server/crash_safety.hpp"
#include "source/mysql/stream/stream_tables.hpp"

namespace pgrepl::mysql {
namespace {

using core::SourceError;

std::string file_of(const std::string& place) { return place.substr(0, place.rfind(':')); }

}  // namespace

core::SchemaChange crash_of(const std::string& server, const std::string& place, bool keeps_commits) {
    std::string const setting = keeps_commits ? " is 1." : " is not 1, or was not.";
    return {.kind = core::SchemaChange::Kind::kCrashed,
            .table = {},
            .renamed_to = {},
            .statement = "",
            .note = "MySQL server " + server + " has not ended its log before " + file_of(place) +
                    ", as after a crash; " + kCommitSetting + setting,
            .keeps_commits = keeps_commits};
}

bool LogAhead::read(ReplicationConnection& log, bool within) {
    within_ = is_begin_ = within;
    is_single_ = !log.is_mariadb();
    has_unread_ = false;
    bool const all_named = look_for_unread(log);
    file_ = log.file();
    return all_named;
}

/// What is damaged may have been the end that the server gave a file: then it is taken for one without.
bool LogAhead::look_for_unread(ReplicationConnection& log) {
    bool all_named = true;
    while (true) {
        try {
            std::optional<Event> const event = log.next_event();
            if (!event || is_next(*event, log)) {
                return all_named;
            }
            all_named = all_named && event->header.type != EventType::kAnonymousGtid;
            if (event->header.type == EventType::kFormatDescription) {
                note_file(log);
            } else if (event->header.type == EventType::kIncident) {
                note_incident(log, *event);
            }
        } catch (const SourceError& error) {
            if (is_of_one_event(error)) {
                has_unread_ = true;
                continue;
            }
            if (error.code() != ER_MASTER_FATAL_ERROR_READING_BINLOG) {
                throw;
            }
            return error.text().find("anonymous transaction") == std::string::npos;  // the stream will meet the others
        }
    }
}

/// Here the stream goes on. What comes after that is not to be told before it: whoever has put it down would take the
/// transaction for one that was read.
bool LogAhead::is_next(const Event& event, const ReplicationConnection& log) {
    if (!is_gtid_event(event.header.type)) {
        return has_lost_its_name(event) && !position_.has_passed(log.place());
    }
    within_ = is_begin_ = true;
    is_single_ = !log.is_mariadb() || (parse_maria_gtid(event).flags & MariaGtidEvent::kStandalone) != 0;
    has_unread_ = false;
    return !was_read(event, log.is_mariadb());
}

/// A part of a transaction, and no name has come before it; or another name before that one's end. A query may be none.
bool LogAhead::has_lost_its_name(const Event& event) {
    if (!is_part_of_transaction(event.header.type)) {
        return false;
    }
    bool const is_query = event.header.type == EventType::kQuery || event.header.type == EventType::kQueryCompressed ||
                          event.header.type == EventType::kExecuteLoadQuery;
    std::string storage;
    std::string_view const sql = is_query ? parse_query(event, storage).sql : std::string_view();
    bool const begins = sql == "BEGIN" || sql.starts_with("XA START");
    if (begins && has_unread_ && !is_begin_) {
        within_ = false;
    }
    if (!within_) {
        return has_unread_ || !is_query;
    }
    bool const is_whole = std::exchange(is_begin_, false) && is_single_ && is_query && !begins;
    bool const ends = event.header.type == EventType::kXid || event.header.type == EventType::kXaPrepare ||
                      event.header.type == EventType::kTransactionPayload || sql == "COMMIT" || sql == "ROLLBACK";
    within_ = !is_whole && !ends;
    return false;
}

bool LogAhead::was_read(const Event& event, bool from_mariadb) const {
    if (from_mariadb) {
        return position_.maria_state().contains(parse_maria_gtid(event).gtid);
    }
    MysqlGtidEvent const gtid = parse_mysql_gtid(event);
    return position_.mysql_set().contains(gtid.origin, gtid.number);
}

void LogAhead::note_file(const ReplicationConnection& log) {
    std::string const place = log.file_place();
    if (position_.has_passed(place)) {
        return;
    }
    if (log.follows_crash()) {
        return note_crash(place);
    }
    passed_ = place;
}

void LogAhead::note_incident(const ReplicationConnection& log, const Event& event) {
    if (position_.has_passed(log.place())) {
        return;
    }
    passed_ = log.place();
    try {
        (void)use_of(event);
    } catch (const SourceError& error) {
        incidents_.push_back(unread_rows(error));
    }
}

void LogAhead::files_are_gone(const std::string& place) {
    note_crash(place, "Files of the log of MySQL server " + server_ + " before " + file_of(place) +
                          " were purged: whether it has crashed meanwhile cannot be told.");
}

void LogAhead::is_cut_off(const std::string& place) {
    if (!position_.has_passed(place)) {
        note_crash(place);
    }
}

void LogAhead::note_crash(const std::string& place, const std::string& note) {
    if (!crash_) {
        crash_ = crash_of(server_, place, !position_.is_lossy());
        crash_->note = note.empty() ? crash_->note : note;
    }
    passed_ = place;
}

std::vector<core::SchemaChange> LogAhead::found() const {
    std::vector<core::SchemaChange> found = incidents_;
    if (crash_) {
        found.push_back(*crash_);
    }
    return found;
}

}  // namespace pgrepl::mysql
