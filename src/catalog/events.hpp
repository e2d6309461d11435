#pragma once
// replicator.event: who called what, and what came of it.

#include <string>

#include "pg/shared_state.hpp"

namespace pgrepl::catalog {

/// A control call that succeeded; in its own transaction.
void record_call(const std::string& source, Oid role, const std::string& action, const std::string& arguments_json);

/// A control call that failed, written by the next probe.
void record_failed_call(const pg::FailedCall& call);

/// Removes events older than `retention_s`.
void prune_events(int retention_s);

}  // namespace pgrepl::catalog
