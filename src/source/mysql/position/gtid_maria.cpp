#include "source/mysql/position/gtid_maria.hpp"

#include <algorithm>
#include <charconv>

#include "core/source_error.hpp"

namespace pgrepl::mysql {
namespace {

[[noreturn]] void refuse(std::string_view text) {
    throw core::SourceError(core::SourceErrorKind::kInvalidValue, 0,
                            "\"" + std::string(text.substr(0, 200)) + "\" is not a GTID position", false);
}

/// Reads a number and, unless `after` is 0, the character that must follow it.
template <typename Number>
Number take_number(const char*& at, const char* end, char after, std::string_view whole) {
    Number number = 0;
    auto const [next, error] = std::from_chars(at, end, number);
    bool const good = error == std::errc() && (after == 0 || (next != end && *next == after));
    if (!good) {
        refuse(whole);
    }
    at = after == 0 ? next : next + 1;
    return number;
}

void skip_spaces(const char*& at, const char* end) {
    while (at != end && (*at == ' ' || *at == '\n')) {
        ++at;
    }
}

/// "0-1-100,1-2-7", or nothing.
std::vector<MariaGtid> parse_list(std::string_view text) {
    std::vector<MariaGtid> gtids;
    const char* at = text.data();
    const char* const end = at + text.size();
    skip_spaces(at, end);
    while (at != end) {
        MariaGtid gtid;
        gtid.domain = take_number<std::uint32_t>(at, end, '-', text);
        gtid.server = take_number<std::uint32_t>(at, end, '-', text);
        gtid.sequence = take_number<std::uint64_t>(at, end, 0, text);
        gtids.push_back(gtid);
        skip_spaces(at, end);
        if (at == end) {
            break;
        }
        if (*at++ != ',') {
            refuse(text);
        }
        skip_spaces(at, end);
        if (at == end) {
            refuse(text);
        }
    }
    return gtids;
}

std::string join(const std::vector<MariaGtid>& gtids) {
    std::string text;
    for (const MariaGtid& gtid : gtids) {
        text += (text.empty() ? "" : ",") + gtid.text();
    }
    return text;
}

}  // namespace

std::string MariaGtid::text() const {
    return std::to_string(domain) + "-" + std::to_string(server) + "-" + std::to_string(sequence);
}

MariaGtidPosition MariaGtidPosition::parse(std::string_view text) {
    MariaGtidPosition position;
    for (const MariaGtid& gtid : parse_list(text)) {
        if (position.domains_.contains(gtid.domain)) {
            refuse(text);
        }
        position.advance(gtid);
    }
    return position;
}

std::string MariaGtidPosition::text() const { return join(all()); }

std::vector<MariaGtid> MariaGtidPosition::all() const {
    std::vector<MariaGtid> gtids;
    for (auto const& [domain, last] : domains_) {
        gtids.push_back({domain, last.server, last.sequence});
    }
    return gtids;
}

bool MariaGtidPosition::contains(const MariaGtid& gtid) const {
    auto const entry = domains_.find(gtid.domain);
    return entry != domains_.end() && entry->second.sequence >= gtid.sequence;
}

bool MariaGtidPosition::contains(const MariaGtidPosition& other) const {
    return std::all_of(other.domains_.begin(), other.domains_.end(), [&](auto const& entry) {
        return contains(MariaGtid{entry.first, entry.second.server, entry.second.sequence});
    });
}

std::partial_ordering MariaGtidPosition::compare(const MariaGtidPosition& other) const {
    bool const ahead = contains(other);
    bool const behind = other.contains(*this);
    if (ahead && behind) {
        return std::partial_ordering::equivalent;
    }
    return ahead    ? std::partial_ordering::greater
           : behind ? std::partial_ordering::less
                    : std::partial_ordering::unordered;
}

MariaGtid MariaGtidPosition::last_of(std::uint32_t domain) const {
    auto const entry = domains_.find(domain);
    return entry == domains_.end() ? MariaGtid{domain, 0, 0}
                                   : MariaGtid{domain, entry->second.server, entry->second.sequence};
}

MariaGtidState MariaGtidState::parse(std::string_view text) {
    MariaGtidState state;
    for (const MariaGtid& gtid : parse_list(text)) {
        state.advance(gtid);
    }
    return state;
}

std::string MariaGtidState::text() const { return join(all()); }

std::vector<MariaGtid> MariaGtidState::all() const {
    std::vector<MariaGtid> gtids;
    for (auto const& [key, sequence] : servers_) {
        gtids.push_back({key.first, key.second, sequence});
    }
    return gtids;
}

bool MariaGtidState::contains(const MariaGtid& gtid) const {
    auto const entry = servers_.find({gtid.domain, gtid.server});
    return entry != servers_.end() && entry->second >= gtid.sequence;
}

std::optional<MariaGtid> MariaGtidState::lacks(const MariaGtidState& other) const {
    for (const MariaGtid& gtid : other.all()) {
        if (!contains(gtid)) {
            return gtid;
        }
    }
    return std::nullopt;
}

bool MariaGtidState::knows_domain(std::uint32_t domain) const {
    auto const entry = servers_.lower_bound({domain, 0});
    return entry != servers_.end() && entry->first.first == domain;
}

}  // namespace pgrepl::mysql
