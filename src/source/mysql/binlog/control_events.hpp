#pragma once
// The small events that carry positions and ends of transactions: ROTATE, XA_PREPARE.

#include <string>

#include "source/mysql/binlog/event.hpp"

namespace pgrepl::mysql {

/// The file that the next events belong to. An artificial one opens each dump and tells its file.
struct RotateEvent {
    std::string_view next_file;
    std::uint64_t next_position = 4;
};
RotateEvent parse_rotate(const Event& event);

/// XA PREPARE, or XA COMMIT … ONE PHASE, of the changes before it.
struct XaPrepareEvent {
    bool one_phase = false;
    std::uint32_t format_id = 0;
    std::string_view gtrid;
    std::string_view bqual;
};
XaPrepareEvent parse_xa_prepare(const Event& event);

/// The xid as statements spell it, X'6162',X'',1: the key by which an XA COMMIT or ROLLBACK finds its PREPARE.
std::string xid_text(std::uint32_t format_id, std::string_view gtrid, std::string_view bqual);

}  // namespace pgrepl::mysql
