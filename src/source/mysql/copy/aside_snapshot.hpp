#pragma once
// core::Snapshot beside a log, for one who has other things to do than to wait for its rows
// (SnapshotRequest::beside_stream). Everything that it does at the server is done aside (server/aside.hpp): connecting,
// looking at the table, reading, and closing a statement before its last row.

#include <functional>
#include <memory>

#include "core/source.hpp"

namespace pgrepl::mysql {

/// Opens the snapshot that is read. Whatever waits in it, waits by the given Interrupts.
using OpenSnapshot = std::function<std::unique_ptr<core::Snapshot>(core::Interrupts& interrupts)>;

/// `interrupts` outlives it. It can open chunks, one at a time, and nothing else.
std::unique_ptr<core::Snapshot> open_aside(core::Interrupts& interrupts, OpenSnapshot open);

}  // namespace pgrepl::mysql
