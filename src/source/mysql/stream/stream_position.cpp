#include "source/mysql/stream/stream_position.hpp"

namespace pgrepl::mysql {
namespace {

/// file:offset; empty if it is not known.
std::string begin_of(const LogPlace& place) {
    return place.is_known() ? place.file + ":" + std::to_string(place.offset) : "";
}

}  // namespace

StreamPosition::StreamPosition(StateIdentity start)
    : identity_(std::move(start)), prepared_(PreparedTransactions::parse(identity_.prepared)) {
    std::string const gtid = identity_.gtid.value_or("");
    if (!identity_.is_mariadb) {
        mysql_ = MysqlGtidSet::parse(gtid);
        return;
    }
    maria_ = MariaGtidPosition::parse(gtid);
    seen_ = MariaGtidState::parse(identity_.seen);
    for (const MariaGtid& last : maria_.all()) {
        seen_.advance(last);
    }
}

void StreamPosition::set_server(const std::string& server, LogPlace place) {
    if (server != identity_.server) {
        identity_.server = server;
        identity_.binlog.clear();
    }
    identity_.place = std::move(place);
}

bool StreamPosition::has_passed(const std::string& place) const {
    return is_at_or_behind(identity_.passed, place).value_or(false) ||
           is_at_or_behind(identity_.binlog, place).value_or(false) ||
           is_at_or_behind(begin_of(identity_.place), place).value_or(false);
}

void StreamPosition::pass(const std::string& place) {
    if (!is_at_or_behind(identity_.passed, place).value_or(false)) {
        identity_.passed = place;
    }
}

bool StreamPosition::has_read(const LogPlace& place) const {
    return is_at_or_behind(begin_of(identity_.place), begin_of(place)).value_or(false);
}

void StreamPosition::begin(const MysqlGtidEvent& gtid, LogPlace place) {
    origin_ = gtid.origin;
    number_ = gtid.number;
    next_place_ = std::move(place);
    next_place_.time = gtid.original_time_us;
}

void StreamPosition::begin(const MariaGtid& gtid, LogPlace place) {
    maria_gtid_ = gtid;
    next_place_ = std::move(place);
}

void StreamPosition::commit(std::string end) {
    identity_.binlog = std::move(end);
    if (identity_.is_mariadb) {
        maria_.advance(maria_gtid_);
        seen_.advance(maria_gtid_);
    } else {
        mysql_.add(origin_, number_);
    }
    if (next_place_.is_known()) {
        next_place_.gtid = current();
        identity_.place = std::move(next_place_);
        next_place_ = {};
    }
}

void StreamPosition::commit_unnamed(const std::string& place, std::string end) {
    identity_.binlog = std::move(end);
    next_place_ = {};
    pass(place);
}

bool StreamPosition::add(const StateIdentity& logged) {
    std::string const before = text();
    std::string const gtid = logged.gtid.value_or("");
    if (!identity_.is_mariadb) {
        mysql_.add(MysqlGtidSet::parse(gtid));
    } else {
        for (const MariaGtid& last : MariaGtidPosition::parse(gtid).all()) {
            if (!seen_.contains(last)) {
                maria_.advance(last);
                seen_.advance(last);
            }
        }
    }
    return text() != before;
}

std::string StreamPosition::current() const {
    return identity_.is_mariadb ? maria_gtid_.text() : gtid_text(origin_, number_);
}

std::string StreamPosition::text() const {
    StateIdentity identity = identity_;
    identity.gtid = identity_.is_mariadb ? maria_.text() : mysql_.text();
    identity.seen = seen_.text() == *identity.gtid ? "" : seen_.text();
    identity.prepared = prepared_.text();
    return identity.to_text();
}

}  // namespace pgrepl::mysql
