// The hooks around calls of functions. PostgreSQL asks for none of its own functions, so that they cost nothing.

#include "pg/owner_code.hpp"

#include "pg/error.hpp"

namespace pgrepl::pg {

namespace {

needs_fmgr_hook_type next_needs_hook = nullptr;
fmgr_hook_type next_hook = nullptr;

/// Calls within each other. Each that began ends, or is told of the error that ended it.
int depth = 0;
/// What the statement on a target had. Not asked for when the outermost call begins: settings of the function itself
/// (CREATE FUNCTION … SET) are in force by then, and are undone before its end is told.
int role_of_statement = SESSION_REPLICATION_ROLE_ORIGIN;

/// Only the outermost call switches: what a function within it sets, it had the right to set.
void begin_call() {
    if (depth == 0) {
        SessionReplicationRole = SESSION_REPLICATION_ROLE_ORIGIN;
    }
    ++depth;
}

void end_call() {
    --depth;
    if (depth == 0) {
        SessionReplicationRole = role_of_statement;
    }
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

void note_role_of_statement() noexcept {
    if (depth == 0) {
        role_of_statement = SessionReplicationRole;
    }
}

OnTargetScope::OnTargetScope() noexcept : saved_(detail::on_target) {
    detail::on_target = true;
    note_role_of_statement();
}

OnTargetScope::~OnTargetScope() { detail::on_target = saved_; }

void keep_replica_role_from_code_of_users() {
    next_needs_hook = needs_fmgr_hook;
    needs_fmgr_hook = needs_hook;
    next_hook = fmgr_hook;
    fmgr_hook = around_call;
}

}  // namespace pgrepl::pg
