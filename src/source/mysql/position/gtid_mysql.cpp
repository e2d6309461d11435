#include "source/mysql/position/gtid_mysql.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "core/hex.hpp"
#include "source/mysql/wire/varlen.hpp"

namespace pgrepl::mysql {
namespace {

constexpr int kTaggedFormat = 1;

[[noreturn]] void refuse(std::string_view text) {
    throw core::SourceError(core::SourceErrorKind::kInvalidValue, 0,
                            "\"" + std::string(text.substr(0, 200)) + "\" is not a set of GTIDs", false);
}

std::string_view trimmed(std::string_view text) {
    auto const is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

/// What stands before the next `separator`; `text` continues after it.
std::string_view next_part(std::string_view& text, char separator) {
    std::size_t const end = std::min(text.find(separator), text.size());
    std::string_view const part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return trimmed(part);
}

Uuid parse_uuid(std::string_view text) {
    Uuid uuid{};
    std::size_t digits = 0;
    for (char const c : text) {
        if (c == '-') {
            continue;
        }
        int const digit = std::isdigit(static_cast<unsigned char>(c)) != 0 ? c - '0'
                          : c >= 'a' && c <= 'f'                           ? c - 'a' + 10
                          : c >= 'A' && c <= 'F'                           ? c - 'A' + 10
                                                                           : -1;
        if (digit < 0 || digits == 32) {
            refuse(text);
        }
        uuid.at(digits / 2) = static_cast<std::uint8_t>(uuid.at(digits / 2) << 4 | digit);
        ++digits;
    }
    if (digits != 32) {
        refuse(text);
    }
    return uuid;
}

std::int64_t parse_number(std::string_view text) {
    std::int64_t number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > MysqlGtidSet::kLastNumber) {
        refuse(text);
    }
    return number;
}

MysqlGtidSet::Interval parse_interval(std::string_view text) {
    std::size_t const dash = text.find('-');
    std::int64_t const first = parse_number(trimmed(text.substr(0, dash)));
    std::int64_t const last = dash == std::string_view::npos ? first : parse_number(trimmed(text.substr(dash + 1)));
    if (last < first) {
        refuse(text);
    }
    return {first, last + 1};
}

std::string parse_tag(std::string_view text) {
    if (text.size() > MysqlGtidSet::kMaxTagBytes) {
        refuse(text);
    }
    std::string tag;
    for (char const c : text) {
        if (c != '_' && std::isalnum(static_cast<unsigned char>(c)) == 0) {
            refuse(text);
        }
        tag += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return tag;
}

void append_u64(std::string& out, std::uint64_t value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Number of origins, and whether each has a tag's length after its UUID.
std::pair<std::uint64_t, bool> decode_header(ByteReader& reader) {
    std::uint64_t const header = reader.u64();
    int const format = static_cast<int>(header >> 56);
    if (format != 0 && format != kTaggedFormat) {
        reader.fail("the format of a set of GTIDs is not known");
    }
    return format == kTaggedFormat ? std::pair{header >> 8 & 0xffffffffffffU, true} : std::pair{header, false};
}

}  // namespace

std::string uuid_text(const Uuid& uuid) {
    std::string text;
    for (std::size_t i = 0; i < uuid.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text += '-';
        }
        core::append_hex(text, uuid.at(i));
    }
    return text;
}

std::string gtid_text(const GtidOrigin& origin, std::int64_t number) {
    return uuid_text(origin.uuid) + ":" + (origin.tag.empty() ? "" : origin.tag + ":") + std::to_string(number);
}

MysqlGtidSet MysqlGtidSet::parse(std::string_view text) {
    MysqlGtidSet set;
    while (!text.empty()) {
        std::string_view const element = next_part(text, ',');
        if (!element.empty()) {
            set.parse_origin(element);
        }
    }
    return set;
}

/// "uuid:1-5:7:tag:1-3": a tag holds for what follows it.
void MysqlGtidSet::parse_origin(std::string_view element) {
    std::string_view left = element;
    GtidOrigin origin{.uuid = parse_uuid(next_part(left, ':')), .tag = {}};
    bool any = false;
    while (!left.empty()) {
        std::string_view const part = next_part(left, ':');
        if (part.empty()) {
            refuse(element);
        }
        if (std::isdigit(static_cast<unsigned char>(part.front())) != 0) {
            add(origin, parse_interval(part));
            any = true;
        } else {
            origin.tag = parse_tag(part);
            any = false;
        }
    }
    if (!any) {
        refuse(element);
    }
}

MysqlGtidSet MysqlGtidSet::decode(ByteReader& reader) {
    MysqlGtidSet set;
    auto const [count, tagged] = decode_header(reader);
    for (std::uint64_t i = 0; i < count; ++i) {
        GtidOrigin origin;
        ByteSpan const uuid = reader.bytes(origin.uuid.size());
        std::copy(uuid.begin(), uuid.end(), origin.uuid.begin());
        if (tagged) {
            std::uint64_t const size = read_varlen(reader);
            if (size > kMaxTagBytes) {
                reader.fail("the tag of a GTID is too long");
            }
            origin.tag = reader.text(size);
        }
        std::uint64_t const intervals = reader.u64();
        for (std::uint64_t k = 0; k < intervals; ++k) {
            std::uint64_t const first = reader.u64();
            std::uint64_t const end = reader.u64();
            if (first < 1 || end <= first || end > static_cast<std::uint64_t>(kLastNumber) + 1) {
                reader.fail("an interval of GTIDs is not valid");
            }
            set.add(origin, {static_cast<std::int64_t>(first), static_cast<std::int64_t>(end)});
        }
    }
    return set;
}

std::string MysqlGtidSet::text() const {
    std::string text;
    const Uuid* uuid = nullptr;
    for (auto const& [origin, intervals] : origins_) {
        if (uuid == nullptr || *uuid != origin.uuid) {
            text += (uuid == nullptr ? "" : ",") + uuid_text(origin.uuid);
            uuid = &origin.uuid;
        }
        if (!origin.tag.empty()) {
            text += ":" + origin.tag;
        }
        for (Interval const& interval : intervals) {
            text += ":" + std::to_string(interval.first);
            if (interval.end - interval.first > 1) {
                text += "-" + std::to_string(interval.end - 1);
            }
        }
    }
    return text;
}

std::string MysqlGtidSet::encode() const {
    bool const tagged =
        std::any_of(origins_.begin(), origins_.end(), [](auto const& entry) { return !entry.first.tag.empty(); });
    std::string out;
    std::uint64_t const count = origins_.size();
    append_u64(out, tagged ? std::uint64_t{kTaggedFormat} << 56 | count << 8 | kTaggedFormat : count);
    for (auto const& [origin, intervals] : origins_) {
        out.append(reinterpret_cast<const char*>(origin.uuid.data()), origin.uuid.size());
        if (tagged) {
            out += static_cast<char>(origin.tag.size() << 1);  // read_varlen's form of a number below 128
            out += origin.tag;
        }
        append_u64(out, intervals.size());
        for (Interval const& interval : intervals) {
            append_u64(out, static_cast<std::uint64_t>(interval.first));
            append_u64(out, static_cast<std::uint64_t>(interval.end));
        }
    }
    return out;
}

void MysqlGtidSet::add(const GtidOrigin& origin, Interval interval) {
    std::vector<Interval>& intervals = origins_[origin];
    // The first that the new one overlaps or touches; the common case is that the last one grows.
    auto const from = std::lower_bound(intervals.begin(), intervals.end(), interval.first,
                                       [](const Interval& i, std::int64_t first) { return i.end < first; });
    auto to = from;
    for (; to != intervals.end() && to->first <= interval.end; ++to) {
        interval.first = std::min(interval.first, to->first);
        interval.end = std::max(interval.end, to->end);
    }
    if (from == to) {
        intervals.insert(from, interval);
        return;
    }
    *from = interval;
    intervals.erase(from + 1, to);
}

void MysqlGtidSet::add(const MysqlGtidSet& other) {
    for (auto const& [origin, intervals] : other.origins_) {
        for (Interval const& interval : intervals) {
            add(origin, interval);
        }
    }
}

void MysqlGtidSet::remove(const MysqlGtidSet& other) {
    for (auto const& [origin, removed] : other.origins_) {
        auto const entry = origins_.find(origin);
        if (entry == origins_.end()) {
            continue;
        }
        for (Interval const& gone : removed) {
            std::vector<Interval> left;
            for (Interval const& interval : entry->second) {
                Interval const before{interval.first, std::min(interval.end, gone.first)};
                Interval const after{std::max(interval.first, gone.end), interval.end};
                for (Interval const& part : {before, after}) {
                    if (part.first < part.end) {
                        left.push_back(part);
                    }
                }
            }
            entry->second = std::move(left);
        }
        if (entry->second.empty()) {
            origins_.erase(entry);
        }
    }
}

bool MysqlGtidSet::contains(const GtidOrigin& origin, Interval interval) const {
    auto const entry = origins_.find(origin);
    if (entry == origins_.end()) {
        return false;
    }
    auto const& intervals = entry->second;
    auto const at = std::upper_bound(intervals.begin(), intervals.end(), interval.first,
                                     [](std::int64_t first, const Interval& i) { return first < i.end; });
    return at != intervals.end() && at->first <= interval.first && interval.end <= at->end;
}

bool MysqlGtidSet::contains(const MysqlGtidSet& other) const {
    return std::all_of(other.origins_.begin(), other.origins_.end(), [&](auto const& entry) {
        return std::all_of(entry.second.begin(), entry.second.end(),
                           [&](const Interval& interval) { return contains(entry.first, interval); });
    });
}

}  // namespace pgrepl::mysql
