#include "source/mysql/position/log_place.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/source_error.hpp"
#include "source/mysql/position/encoded_word.hpp"

namespace pgrepl::mysql {
namespace {

[[noreturn]] void refuse(std::string_view text) {
    throw core::SourceError(core::SourceErrorKind::kInternal, 0,
                            "\"" + std::string(text.substr(0, 200)) + "\" is no place in a log", false);
}

template <typename Number>
Number number_in(std::string_view part, std::string_view whole) {
    Number number = 0;
    auto const [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    if (error != std::errc() || end != part.data() + part.size() || part.empty()) {
        refuse(whole);
    }
    return number;
}

}  // namespace

/// file:offset:file_time, and :time:gtid if there is one; a GTID may have colons itself.
std::string LogPlace::text() const {
    if (file.empty()) {
        return "";
    }
    std::string place = encoded(file) + ":" + std::to_string(offset) + ":" + std::to_string(file_time);
    return gtid.empty() ? place : place + ":" + std::to_string(time) + ":" + gtid;
}

LogPlace LogPlace::parse(std::string_view text) {
    LogPlace place;
    if (text.empty()) {
        return place;
    }
    std::array<std::string_view, 5> parts{};
    std::size_t count = 0;
    for (std::string_view left = text; count < parts.size(); ++count) {
        bool const is_last = count + 1 == parts.size();
        std::size_t const end = is_last ? left.size() : std::min(left.find(':'), left.size());
        parts.at(count) = left.substr(0, end);
        if (end == left.size()) {
            ++count;
            break;
        }
        left.remove_prefix(end + 1);
    }
    if ((count != 3 && count != 5) || parts[0].empty() || (count == 5 && parts[4].empty())) {
        refuse(text);
    }
    place.file = decoded(parts[0]);
    place.offset = number_in<std::uint32_t>(parts[1], text);
    place.file_time = number_in<std::uint32_t>(parts[2], text);
    if (count == 5) {
        place.time = number_in<std::uint64_t>(parts[3], text);
        place.gtid = parts[4];
    }
    return place;
}

LogFileName split_file_name(std::string_view file) {
    std::size_t const dot = file.rfind('.');
    LogFileName name{file.substr(0, dot), 0};
    if (dot != std::string_view::npos) {
        std::string_view const digits = file.substr(dot + 1);
        auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), name.number);
        name.number = error == std::errc() && end == digits.data() + digits.size() ? name.number : 0;
    }
    return name;
}

namespace {

std::string file_name(std::string_view base, std::uint64_t number) {
    constexpr std::size_t kFewestDigits = 6;
    std::string digits = std::to_string(number);
    digits.insert(0, kFewestDigits - std::min(kFewestDigits, digits.size()), '0');
    return std::string(base) + "." + digits;
}

}  // namespace

std::string file_before(const std::string& file) {
    LogFileName const name = split_file_name(file);
    return name.number <= 1 ? "" : file_name(name.base, name.number - 1);
}

std::string file_after(const std::string& file) {
    LogFileName const name = split_file_name(file);
    return file_name(name.base, name.number + 1);
}

bool is_file_before(const std::string& file, const std::string& other) {
    LogFileName const a = split_file_name(file);
    LogFileName const b = split_file_name(other);
    return a.base == b.base && a.number < b.number;
}

}  // namespace pgrepl::mysql
