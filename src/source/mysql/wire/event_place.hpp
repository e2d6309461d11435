#pragma once
// Where an event stands in the binlog, and the errors that name that place.

#include <cstdint>
#include <string_view>

#include "core/source_error.hpp"
#include "source/mysql/wire/event_type.hpp"

namespace pgrepl::mysql {

/// `file` is the caller's: it outlives every reader of the event. An event inside a TRANSACTION_PAYLOAD has the
/// position of the payload.
struct EventPlace {
    std::string_view file;
    std::uint64_t position = 0;  ///< bytes from the start of the file to the event's header
    EventType type = EventType::kUnknown;
};

/// "a binlog event (WRITE_ROWS) is damaged: <what>"; kCorrupt.
[[nodiscard]] core::SourceError corrupt(const EventPlace& place, std::string_view what);
[[noreturn]] void throw_corrupt(const EventPlace& place, std::string_view what);

/// "a binlog event (WRITE_ROWS) is of another structure: <what>"; kTableChanged.
[[noreturn]] void throw_table_changed(const EventPlace& place, std::string_view what);

/// "a binlog event (WRITE_ROWS) cannot be read: <what>"; kUnsupported.
[[noreturn]] void throw_unsupported(const EventPlace& place, std::string_view what, std::string_view hint = {});

}  // namespace pgrepl::mysql
