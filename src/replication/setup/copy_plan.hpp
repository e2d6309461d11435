#pragma once
// The one place where it is decided how a source is copied (core::CopyPlan): by what its kind can do and the mode that
// is asked for, when it is registered or changed; and, where the log is to serve for one state only, when a copy
// begins.
//
// A copy of a source in mode `once` goes beside the log, without a state that is kept open: the log is then read until
// it has mended what was read at different times. Where that is not certain to give one state of the source, the copy
// is one consistent read.

#include <optional>
#include <string>
#include <vector>

#include "catalog/states.hpp"
#include "core/source.hpp"
#include "replication/setup/table_selection.hpp"

namespace pgrepl::replication {

/// Of a source of this kind in this mode. `continuous` only of a kind that can be followed.
core::CopyPlan copy_plan_of(const core::Capabilities& kind, catalog::SourceMode mode);

/// Of the copy that is to begin of a source with the plan `wanted`. `last`: that of the copy before it, if there was
/// one. Throws SourceError.
core::CopyPlan plan_next_copy(core::CopyPlan wanted, std::optional<core::CopyPlan> last, core::Source& source);

/// How the readers of a copy open what they read. `position`, as it is kept in the catalog (catalog::CopyBegin): the
/// name of a state, or, beside a log, a place in it; empty: a new state.
core::SnapshotRequest copy_request(const std::string& position, bool durable, core::CopyPlan plan);

/// Everything is there that following the log needs. Throws SourceError.
bool is_log_usable(core::Source& source);

/// The log has all changes of those of the tables that are to be copied.
bool log_mends(core::Log& log, const std::vector<PlannedTable>& tables);

}  // namespace pgrepl::replication
