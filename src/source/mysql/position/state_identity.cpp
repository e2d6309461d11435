// Identities as text, and what can be concluded from two of them.

#include "source/mysql/position/state_identity.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "core/source_error.hpp"
#include "source/mysql/position/encoded_word.hpp"
#include "source/mysql/position/gtid_maria.hpp"
#include "source/mysql/position/gtid_mysql.hpp"

namespace pgrepl::mysql {
namespace {

/// Calls `take` for each part of `text` between separators.
template <typename Take>
void for_each_part(std::string_view text, char separator, Take take) {
    while (!text.empty()) {
        std::size_t const end = std::min(text.find(separator), text.size());
        take(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
        return std::nullopt;
    }
    return number;
}

/// file:offset, whatever the name of the file is.
std::string encoded_place(const std::string& place) {
    std::size_t const colon = std::min(place.rfind(':'), place.size());
    return encoded(std::string_view(place).substr(0, colon)) + place.substr(colon);
}

}  // namespace

std::string StateIdentity::to_text() const {
    std::string text = std::string(is_mariadb ? "mariadb" : "mysql") + " server=" + server;
    if (gtid) {
        text += " gtid=" + *gtid;
    }
    if (!owned.empty()) {
        text += " owned=" + owned;
    }
    if (!seen.empty()) {
        text += " seen=" + seen;
    }
    if (!binlog.empty()) {
        text += " binlog=" + encoded_place(binlog);
    }
    if (std::string const log = place.text(); !log.empty()) {
        text += " log=" + log;
    }
    if (!moment.empty()) {
        text += " moment=" + moment;
    }
    if (!passed.empty()) {
        text += " passed=" + encoded_place(passed);
    }
    if (is_lossy) {
        text += " commits=lossy";
    }
    if (!prepared.empty()) {
        text += " prepared=" + prepared;
    }
    return text;
}

StateIdentity StateIdentity::parse(const std::string& text) {
    StateIdentity identity;
    bool first = true;
    bool valid = true;
    for_each_part(text, ' ', [&](std::string_view word) {
        std::size_t const equals = word.find('=');
        std::string_view const name = word.substr(0, equals);
        std::string value(equals == std::string_view::npos ? "" : word.substr(equals + 1));
        if (first) {
            identity.is_mariadb = word == "mariadb";
            valid = word == "mariadb" || word == "mysql";
            first = false;
        } else if (name == "server") {
            identity.server = std::move(value);
        } else if (name == "gtid") {
            identity.gtid = std::move(value);
        } else if (name == "owned") {
            identity.owned = std::move(value);
        } else if (name == "seen") {
            identity.seen = std::move(value);
        } else if (name == "log") {
            identity.place = LogPlace::parse(value);
        } else if (name == "binlog") {
            identity.binlog = decoded(value);
        } else if (name == "moment") {
            identity.moment = std::move(value);
        } else if (name == "passed") {
            identity.passed = decoded(value);
        } else if (name == "commits") {
            identity.is_lossy = value == "lossy";
        } else if (name == "prepared") {
            identity.prepared = std::move(value);
        } else {
            valid = false;
        }
    });
    if (!valid || identity.server.empty()) {
        throw core::SourceError(core::SourceErrorKind::kInternal, 0,
                                "\"" + text.substr(0, 100) + "\" is no position of a MySQL source", false);
    }
    return identity;
}

bool is_same_state(const StateIdentity& a, const StateIdentity& b) {
    if (a.is_mariadb != b.is_mariadb || a.server != b.server || !a.moment.empty() || !b.moment.empty()) {
        return false;
    }
    if (a.is_mariadb) {
        bool const any_gtid = a.gtid && !a.gtid->empty();
        return (!a.binlog.empty() && a.binlog == b.binlog) || (any_gtid && a.gtid == b.gtid);
    }
    return a.gtid == b.gtid && a.owned.empty() && b.owned.empty();
}

bool is_older(StateIdentity state, StateIdentity other) {
    state.moment.clear();  // that or somewhat later
    other.moment.clear();
    return holds_all_of(other, state) && !holds_all_of(state, other);
}

bool is_same_server(const StateIdentity& a, const StateIdentity& b) {
    auto const server_id = [](const std::string& server) { return server.substr(server.rfind(':') + 1); };
    return a.is_mariadb == b.is_mariadb &&
           (a.is_mariadb ? server_id(a.server) == server_id(b.server) : a.server == b.server);
}

std::optional<bool> is_at_or_behind(const std::string& place, const std::string& other) {
    struct Place {
        std::string_view base;
        std::uint64_t file = 0;
        std::uint64_t offset = 0;
    };
    auto const parse = [](std::string_view text) -> std::optional<Place> {
        std::size_t const colon = text.rfind(':');
        std::size_t const dot = text.substr(0, colon).rfind('.');
        if (colon == std::string_view::npos || dot == std::string_view::npos) {
            return std::nullopt;
        }
        auto const file = parse_number(text.substr(dot + 1, colon - dot - 1));
        auto const offset = parse_number(text.substr(colon + 1));
        return file && offset ? std::optional(Place{text.substr(0, dot), *file, *offset}) : std::nullopt;
    };
    std::optional<Place> const a = parse(place);
    std::optional<Place> const b = parse(other);
    if (!a || !b || a->base != b->base) {
        return std::nullopt;
    }
    return std::pair(a->file, a->offset) >= std::pair(b->file, b->offset);
}

namespace {

bool holds_all_named(const StateIdentity& held, const StateIdentity& mark) {
    MysqlGtidSet has = MysqlGtidSet::parse(*held.gtid);
    has.add(MysqlGtidSet::parse(held.owned));
    MysqlGtidSet named = MysqlGtidSet::parse(*mark.gtid);
    if (!has.contains(named) || mark.owned.empty()) {
        return has.contains(named);
    }
    named.add(MysqlGtidSet::parse(mark.owned));
    bool const is_stream = held.owned.empty() && held.server == mark.server;
    return has.contains(named) || (is_stream && !named.contains(has));
}

}  // namespace

bool holds_all_of(const StateIdentity& held, const StateIdentity& mark) {
    if (held.to_text() == mark.to_text() || is_same_state(held, mark)) {
        return true;
    }
    if (held.is_mariadb && mark.is_mariadb && held.server == mark.server && mark.moment.empty() && !mark.gtid) {
        if (std::optional<bool> const is_behind = is_at_or_behind(held.binlog, mark.binlog)) {
            return *is_behind;  // a server does not tell the GTID of each place
        }
    }
    // A mark that is no exact state may hold more than its GTIDs say; what is held holds these at least.
    if (held.is_mariadb != mark.is_mariadb || !mark.moment.empty() || !held.gtid || !mark.gtid) {
        return false;
    }
    if (!held.is_mariadb) {
        return holds_all_named(held, mark);
    }
    MariaGtidState state = MariaGtidState::parse(held.seen);
    for (const MariaGtid& last : MariaGtidPosition::parse(*held.gtid).all()) {
        state.advance(last);
    }
    return !state.lacks(MariaGtidState::parse(*mark.gtid));
}

}  // namespace pgrepl::mysql
