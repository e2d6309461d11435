// The hooks around calls of functions. PostgreSQL asks for none of its own functions, so that they cost nothing.

#include "pg/owner_code.hpp"

#include "pg/error.hpp"

namespace pgrepl::pg {

namespace {

needs_fmgr_hook_type next_needs_hook = nullptr;
fmgr_hook_type next_hook = nullptr;

/// A call that began under another role than origin.
struct Switched {
    int depth;
    int role;
};

/// Such a function may call replicator_replay, which calls such functions, and so on.
constexpr int kMostSwitched = 16;

/// Calls within each other. Each that began ends, or is told of the error that ended it.
int depth = 0;
Switched switched[kMostSwitched];
int switched_count = 0;

void begin_call() {
    if (SessionReplicationRole != SESSION_REPLICATION_ROLE_ORIGIN) {
        if (switched_count == kMostSwitched) {
            ereport(ERROR, (errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
                            errmsg("functions that write to targets call each other too deeply"),
                            errhint("Do not call replicator_replay in triggers of targets.")));
        }
        switched[switched_count++] = {depth + 1, SessionReplicationRole};
        SessionReplicationRole = SESSION_REPLICATION_ROLE_ORIGIN;
    }
    ++depth;
}

void end_call() {
    if (switched_count > 0 && switched[switched_count - 1].depth == depth) {
        SessionReplicationRole = switched[--switched_count].role;
    }
    --depth;
}

bool needs_hook(Oid function) { return detail::on_target || (next_needs_hook != nullptr && next_needs_hook(function)); }

/// Also called for each SECURITY DEFINER function of any session.
void around_call(FmgrHookEventType event, FmgrInfo* function, Datum* data) {
    // In this order a hook that raises an error is one that has not begun.
    if (event == FHET_START && next_hook != nullptr) {
        next_hook(event, function, data);
    }
    if (event == FHET_START && (depth > 0 || detail::on_target)) {
        begin_call();
    } else if (event != FHET_START && depth > 0) {
        end_call();
    }
    if (event != FHET_START && next_hook != nullptr) {
        next_hook(event, function, data);
    }
}

}  // namespace

void keep_replica_role_from_code_of_users() {
    next_needs_hook = needs_fmgr_hook;
    needs_fmgr_hook = needs_hook;
    next_hook = fmgr_hook;
    fmgr_hook = around_call;
}

}  // namespace pgrepl::pg
