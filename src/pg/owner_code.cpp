// The hooks around calls of functions, and those at the beginning of statements. PostgreSQL asks for none of its own
// functions, so that they cost nothing.

#include "pg/owner_code.hpp"

#include "pg/compat.hpp"
#include "pg/error.hpp"
#include "pg/origin.hpp"

namespace pgrepl::pg {

namespace {

needs_fmgr_hook_type next_needs_hook = nullptr;
fmgr_hook_type next_hook = nullptr;
ExecutorStart_hook_type next_executor_start = nullptr;
ProcessUtility_hook_type next_utility = nullptr;
ExecutorRun_hook_type next_executor_run = nullptr;
ExecutorFinish_hook_type next_executor_finish = nullptr;

/// Calls within each other. Each that began ends, or is told of the error that ended it.
int depth = 0;
/// What the statement on a target had. Not asked for when the outermost call begins: settings of the function itself
/// (CREATE FUNCTION … SET) are in force by then, and are undone before its end is told.
int role_of_statement = SESSION_REPLICATION_ROLE_ORIGIN;

const char* own_statement = nullptr;
/// Within a ReplicaInSession.
bool only_known_statements = false;

/// Only the outermost call switches: what a function within it sets, it had the right to set.
void begin_call() {
    if (depth == 0) {
        detail::left_owner_code = false;
        SessionReplicationRole = SESSION_REPLICATION_ROLE_ORIGIN;
        NotPassedOn::suspend();
        if (only_known_statements) {
            // What was not met (ReplicaInSession) may have made plans as a replica, without the rules of tables.
            ResetPlanCache();
        }
    }
    ++depth;
}

void end_call() {
    --depth;
    if (depth == 0) {
        SessionReplicationRole = role_of_statement;
        NotPassedOn::go_on();
    }
}

/// Statements on targets that are being executed.
int executing = 0;

bool writes(const QueryDesc& query) {
    return query.plannedstmt->commandType != CMD_SELECT || query.plannedstmt->hasModifyingCTE;
}

/// Whether neither we nor a function that the hooks meet began it, within a statement on a target: a cursor that code
/// of the owner has left open holds it, and a function of the server's own runs it (cursor_to_xml in a CHECK). It is
/// the owner's as well.
bool was_left_open(const char* source) { return detail::on_target && depth == 0 && source != own_statement; }

/// As what a function of the owner's begins, if it `is_of_owner`.
template <typename Run>
void run_for_owner(bool is_of_owner, Run&& run) {
    if (!is_of_owner) {
        return run();
    }
    begin_call();
    PG_TRY();
    run();
    PG_CATCH();
    {
        end_call();
        detail::left_owner_code = true;
        PG_RE_THROW();
    }
    PG_END_TRY();
    end_call();
}

/// Not begun by a statement on a target: nothing.
template <typename Run>
void execute_on_target(const QueryDesc& query, Run&& run) {
    if (!detail::on_target) {
        return run();
    }
    ++executing;
    PG_TRY();
    run_for_owner(was_left_open(query.sourceText) && writes(query), run);
    PG_CATCH();
    {
        --executing;
        PG_RE_THROW();
    }
    PG_END_TRY();
    --executing;
}

void on_executor_run(PGREPL_EXECUTOR_RUN_PARAMETERS) {
    execute_on_target(*query, [&] {
        (next_executor_run != nullptr ? next_executor_run : standard_ExecutorRun)(PGREPL_EXECUTOR_RUN_ARGUMENTS);
    });
}

void on_executor_finish(QueryDesc* query) {
    execute_on_target(
        *query, [&] { (next_executor_finish != nullptr ? next_executor_finish : standard_ExecutorFinish)(query); });
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
        detail::left_owner_code = event == FHET_ABORT && depth == 0;
    }
    if (event != FHET_START && next_hook != nullptr) {
        next_hook(event, function, data);
    }
}

void require_known(const char* statement) {
    if (!only_known_statements || !detail::on_target || depth > 0 || statement == own_statement) {
        return;
    }
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("what this session had in use before the replay was to write to a table: call "
                    "replicator_replay in a new session"),
             errdetail("A function of a type, or an open cursor: it would write without the triggers and foreign "
                       "keys of that table. If it is the same in a new session, replicator_resync copies the "
                       "target again.")));
}

void on_executor_start(QueryDesc* query, int flags) {
    // What only reads calls functions, which the hooks meet as ever.
    if (writes(*query)) {
        require_known(query->sourceText);
    }
    (next_executor_start != nullptr ? next_executor_start : standard_ExecutorStart)(query, flags);
}

void on_utility(PlannedStmt* statement, const char* source, bool read_only_tree, ProcessUtilityContext context,
                ParamListInfo params, QueryEnvironment* environment, DestReceiver* destination,
                QueryCompletion* completion) {
    require_known(source);
    // The statement within an EXPLAIN ANALYZE is rewritten in here, by the rules that this setting lets fire.
    run_for_owner(was_left_open(source), [&] {
        (next_utility != nullptr ? next_utility : standard_ProcessUtility)(
            statement, source, read_only_tree, context, params, environment, destination, completion);
    });
}

}  // namespace

void note_role_of_statement() noexcept {
    if (depth == 0) {
        role_of_statement = SessionReplicationRole;
    }
}

bool owner_code_runs() noexcept { return depth > 0; }

bool target_statement_runs() noexcept { return executing > 0; }

OnTargetScope::OnTargetScope() noexcept : saved_(detail::on_target) {
    detail::on_target = true;
    note_role_of_statement();
}

OnTargetScope::~OnTargetScope() { detail::on_target = saved_; }

OwnStatement::OwnStatement(const char* source) noexcept : saved_(own_statement) { own_statement = source; }

OwnStatement::~OwnStatement() { own_statement = saved_; }

ReplicaInSession::ReplicaInSession()
    : as_replica_("session_replication_role", "replica"), saved_(only_known_statements) {
    only_known_statements = true;
}

ReplicaInSession::~ReplicaInSession() { only_known_statements = saved_; }

void keep_replica_role_from_code_of_users() {
    next_needs_hook = needs_fmgr_hook;
    needs_fmgr_hook = needs_hook;
    next_hook = fmgr_hook;
    fmgr_hook = around_call;
    next_executor_start = ExecutorStart_hook;
    ExecutorStart_hook = on_executor_start;
    next_utility = ProcessUtility_hook;
    ProcessUtility_hook = on_utility;
    next_executor_run = ExecutorRun_hook;
    ExecutorRun_hook = on_executor_run;
    next_executor_finish = ExecutorFinish_hook;
    ExecutorFinish_hook = on_executor_finish;
}

}  // namespace pgrepl::pg
