#include "source/mysql/wire/event_place.hpp"

namespace pgrepl::mysql {
namespace {

std::string detail_of(const EventPlace& place) {
    return "Binary log " + (place.file.empty() ? std::string("(no name)") : std::string(place.file)) + ", position " +
           std::to_string(place.position) + ".";
}

}  // namespace

core::SourceError corrupt(const EventPlace& place, std::string_view what) {
    return {core::SourceErrorKind::kCorrupt, 0,
            "a binlog event (" + event_name(place.type) + ") is damaged: " + std::string(what), false,
            detail_of(place)};
}

void throw_corrupt(const EventPlace& place, std::string_view what) { throw corrupt(place, what); }

void throw_table_changed(const EventPlace& place, std::string_view what) {
    throw core::SourceError(
        core::SourceErrorKind::kTableChanged, 0,
        "a binlog event (" + event_name(place.type) + ") is of another structure: " + std::string(what), false,
        detail_of(place));
}

void throw_unsupported(const EventPlace& place, std::string_view what, std::string_view hint) {
    throw core::SourceError(core::SourceErrorKind::kUnsupported, 0,
                            "a binlog event (" + event_name(place.type) + ") cannot be read: " + std::string(what),
                            false, detail_of(place), std::string(hint));
}

}  // namespace pgrepl::mysql
