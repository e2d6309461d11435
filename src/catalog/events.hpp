#pragma once
// replicator.event: who called what, and what came of it; and what workers have to tell: failures, outages, recoveries,
// copies that ended. Those are in the server's log, too.
//
// A failure is told once: not again while it stays the same, however often it is tried in vain.

#include <string>

#include "catalog/states.hpp"
#include "pg/shared_state.hpp"

namespace pgrepl::catalog {

/// A control call that succeeded; in its own transaction.
void record_call(const std::string& source, Oid role, const std::string& action, const std::string& arguments_json);

/// What a worker did or met, in its own transaction. Where somebody has locked the events it is in the server log
/// instead: no work waits for them.
void record_work(const std::string& source, Oid owner, const std::string& action, const std::string& arguments_json);

/// A control call that failed, written by the next probe.
void record_failed_call(const pg::FailedCall& call);

/// Removes events older than `retention_s`.
void prune_events(int retention_s);

// ---- what workers tell, in the transaction that makes it true ----

/// The source does not work: `state` is failed or backing_off. An outage begins, unless one is under way. False if that
/// has been told.
bool tell_source_failure(std::int32_t source_id, RunState state, const pg::SqlError& error);
/// Work goes on, though it may not have come to its end: the error is over, and with it the outage.
void note_that_work_goes_on(std::int32_t source_id);
/// It has come to its end.
void tell_source_recovery(std::int32_t source_id);

/// Another server answers than the one that was read, and may have changes which were not read; all tables are compared
/// with it, or it is trusted.
void tell_failover(std::int32_t source_id, bool compares, const std::string& doubt);

/// The table has failed. Where its entry has no hint, it gets one.
void tell_table_failure(std::int32_t table_id, const std::string& sqlstate, const std::string& message);
/// It waits aside for room.
void tell_lack_of_room(std::int32_t table_id, const std::string& sqlstate, const std::string& message);
/// It is up to date again, if it had failed, or waited for room.
void tell_table_recovery(std::int32_t table_id);
/// The source's table is not replicated any more: it is gone, or has become what cannot be replicated.
void tell_left_out(std::int32_t table_id, TableState state, const std::string& reason);
/// And its target is gone with it.
void tell_target_dropped(std::int32_t table_id, const std::string& reason);

/// The copy that the catalog has ends, as yet under way: the first one, or one that was asked for. Refreshes by time go
/// without saying.
void tell_copy_end(std::int32_t source_id);
/// A table has been copied beside the stream.
void tell_table_copied(std::int32_t table_id);

}  // namespace pgrepl::catalog
