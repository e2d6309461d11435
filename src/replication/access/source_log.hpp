#pragma once
// The log of a source that is followed.

#include "core/source.hpp"

namespace pgrepl::replication {

/// Of a source whose kind has one; throws kUnsupported. It lives as long as the source.
core::Log& log_of(core::Source& source);

/// Waits until whoever reads the source sees everything up to `position`: a server sends a transaction, or a statement,
/// to the readers of its log a moment before its own queries show it. False after `timeout_ms` (0: asks once);
/// interruptible.
bool wait_until_visible(core::Log& log, core::Interrupts& interrupts, const core::Position& position, int timeout_ms);

}  // namespace pgrepl::replication
