#include "source/mysql/binlog/control_events.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::size_t kMaxXidPart = 64;

std::string hex_literal(std::string_view bytes) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text = "X'";
    for (char const c : bytes) {
        text += kDigits[static_cast<unsigned char>(c) >> 4];
        text += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return text + "'";
}

/// Fields of a type, a length and a value each (MySQL source, Heartbeat_event_v2); type 0 ends them.
HeartbeatEvent parse_heartbeat_v2(ByteReader reader) {
    constexpr std::uint64_t kEnd = 0;
    constexpr std::uint64_t kFile = 1;
    constexpr std::uint64_t kPosition = 2;
    HeartbeatEvent heartbeat;
    while (!reader.at_end()) {
        std::uint64_t const type = reader.lenenc();
        if (type == kEnd) {
            break;
        }
        ByteReader value(reader.bytes(reader.lenenc()), reader.place());
        if (type == kFile) {
            heartbeat.file = value.text(value.left());
        } else if (type == kPosition) {
            heartbeat.position = value.lenenc();
        }
    }
    return heartbeat;
}

}  // namespace

RotateEvent parse_rotate(const Event& event) {
    ByteReader reader = event.reader();
    RotateEvent rotate;
    rotate.next_position = reader.u64();
    rotate.next_file = reader.text(reader.left());
    if (rotate.next_file.empty()) {
        reader.fail("it names no file");
    }
    return rotate;
}

HeartbeatEvent parse_heartbeat(const Event& event) {
    ByteReader reader = event.reader();
    if (event.header.type == EventType::kHeartbeatV2) {
        return parse_heartbeat_v2(reader);
    }
    HeartbeatEvent heartbeat;
    heartbeat.position = event.header.next_position;
    // MariaDB puts a position beyond 4 GB before the name.
    if (heartbeat.position == 0 && reader.left() > sizeof(std::uint64_t)) {
        heartbeat.position = reader.u64();
    }
    heartbeat.file = reader.text(reader.left());
    return heartbeat;
}

std::uint64_t parse_xid(const Event& event) { return event.reader().u64(); }

XaPrepareEvent parse_xa_prepare(const Event& event) {
    ByteReader reader = event.reader();
    XaPrepareEvent prepare;
    prepare.one_phase = reader.u8() != 0;
    prepare.format_id = reader.u32();
    std::uint32_t const gtrid_bytes = reader.u32();
    std::uint32_t const bqual_bytes = reader.u32();
    if (gtrid_bytes > kMaxXidPart || bqual_bytes > kMaxXidPart) {
        reader.fail("its xid is too long");
    }
    prepare.gtrid = reader.text(gtrid_bytes);
    prepare.bqual = reader.text(bqual_bytes);
    return prepare;
}

std::string xid_text(std::uint32_t format_id, std::string_view gtrid, std::string_view bqual) {
    return hex_literal(gtrid) + "," + hex_literal(bqual) + "," + std::to_string(format_id);
}

}  // namespace pgrepl::mysql
