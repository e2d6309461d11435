#include "source/mysql/binlog/event_framer.hpp"

#include <libdeflate.h>

#include <array>

namespace pgrepl::mysql {
namespace {

constexpr std::size_t kChecksumBytes = 4;
constexpr std::size_t kFlagsOffset = 17;

/// The checksum covers the event without the flag that says that the file is in use: it is set and removed in
/// place, without a new checksum. By libdeflate, since zlib's crc32 took a seventh of the whole apply.
std::uint32_t checksum_of(ByteSpan bytes, EventType type) {
    if (type != EventType::kFormatDescription) {
        return libdeflate_crc32(0, bytes.data(), bytes.size());
    }
    std::array<std::uint8_t, EventHeader::kBytes> header{};
    std::memcpy(header.data(), bytes.data(), header.size());
    header[kFlagsOffset] &= static_cast<std::uint8_t>(~EventHeader::kInUse);
    std::uint32_t const crc = libdeflate_crc32(0, header.data(), header.size());
    return libdeflate_crc32(crc, bytes.data() + header.size(), bytes.size() - header.size());
}

}  // namespace

EventHeader parse_event_header(ByteSpan bytes, EventPlace& place) {
    ByteReader reader(bytes, place);
    EventHeader header;
    header.timestamp_s = reader.u32();
    header.type = static_cast<EventType>(reader.u8());
    place.type = header.type;
    header.server_id = reader.u32();
    header.length = reader.u32();
    header.next_position = reader.u32();
    header.flags = reader.u16();
    if (header.length < EventHeader::kBytes) {
        reader.fail("its length is " + std::to_string(header.length));
    }
    return header;
}

Event EventFramer::open(ByteSpan bytes, std::string_view file, std::uint64_t position) {
    Event event{.header = {}, .place = {file, position, EventType::kUnknown}, .body = {}};
    event.header = parse_event_header(bytes, event.place);
    if (event.header.length != bytes.size()) {
        throw_corrupt(event.place, "its length is " + std::to_string(event.header.length) + ", but " +
                                       std::to_string(bytes.size()) + " bytes came");
    }
    bool const describes_format = event.header.type == EventType::kFormatDescription;
    FormatDescription described;
    if (describes_format) {
        described = parse_format_description(bytes, event.place);
    }
    bool const has_crc = (describes_format ? described.checksum : format_.checksum) == ChecksumAlgorithm::kCrc32;
    std::size_t const tail = has_crc || describes_format ? kChecksumBytes : 0;
    if (bytes.size() < EventHeader::kBytes + tail) {
        throw_corrupt(event.place, "it ends too early");
    }
    ByteSpan const content = bytes.first(bytes.size() - tail);
    if (has_crc) {
        std::uint32_t stored = 0;
        std::memcpy(&stored, content.data() + content.size(), kChecksumBytes);
        if (checksum_of(content, event.header.type) != stored) {
            throw_corrupt(event.place, "its checksum does not match its bytes");
        }
    }
    if (describes_format) {
        format_ = std::move(described);
    }
    event.body = content.subspan(EventHeader::kBytes);
    return event;
}

}  // namespace pgrepl::mysql
