#include "source/mysql/binlog/control_events.hpp"

#include "core/hex.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::size_t kMaxXidPart = 64;

std::string hex_literal(std::string_view bytes) { return "X'" + core::to_hex(bytes) + "'"; }

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
