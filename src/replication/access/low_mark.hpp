#pragma once
// A server sends a transaction, or a statement, to the readers of its log a moment before its own queries show it.

#include "core/source.hpp"

namespace pgrepl::replication {

/// Waits until whoever reads the source sees everything up to `position`. False after `timeout_ms` (0: asks once);
/// interruptible.
bool wait_until_shown(core::Source& source, core::Interrupts& interrupts, const core::Position& position,
                      int timeout_ms);

}  // namespace pgrepl::replication
