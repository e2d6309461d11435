#pragma once
// One event, framed: its header (MySQL source code documentation, "Binary Log Event Header", version 4: 19
// bytes) and its body without header and checksum.

#include <cstddef>
#include <cstdint>

#include "source/mysql/wire/byte_reader.hpp"

namespace pgrepl::mysql {

struct EventHeader {
    static constexpr std::size_t kBytes = 19;
    static constexpr std::uint16_t kInUse = 0x0001;       ///< the file is being written (FORMAT_DESCRIPTION only)
    static constexpr std::uint16_t kOfThread = 0x0004;    ///< the statement is about temporary tables of its session
    static constexpr std::uint16_t kArtificial = 0x0020;  ///< made by the dump thread, not in the file
    static constexpr std::uint16_t kIgnorable = 0x0080;   ///< a reader that does not know the type may pass over it

    std::uint32_t timestamp_s = 0;  ///< seconds since 1970, UTC
    EventType type = EventType::kUnknown;
    std::uint32_t server_id = 0;
    std::uint32_t length = 0;         ///< bytes, header and checksum included
    std::uint32_t next_position = 0;  ///< low 32 bits of the next event's position; 0 where it does not apply
    std::uint16_t flags = 0;

    [[nodiscard]] bool artificial() const noexcept { return (flags & kArtificial) != 0; }
};

/// No packet is larger (max_allowed_packet), so no event that comes in the clear either; and no row of that size could
/// be stored.
constexpr std::size_t kMostEventBytes = std::size_t{1} << 30;

/// The bytes are the caller's and must outlive the event.
struct Event {
    EventHeader header;
    EventPlace place;
    ByteSpan body;

    /// The event must outlive the reader.
    [[nodiscard]] ByteReader reader() const noexcept { return {body, place}; }
};

/// What a reader that follows row changes does with an event.
enum class EventUse : std::uint8_t {
    kDecode,    ///< one of the functions of this folder reads it
    kPassOver,  ///< it says nothing about rows, or is marked as ignorable
};

/// Throws kUnsupported for a type that cannot be left out: an unknown one without the ignorable flag, an
/// INCIDENT (the server lost events).
EventUse use_of(const Event& event);

}  // namespace pgrepl::mysql
