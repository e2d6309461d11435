// Utility statements through a portal, as exec_simple_query runs them. SPI refuses statements that commit on
// their own ("cannot be executed from a function"); a portal at top level does not.

#include "pg/top_level.hpp"

#include "pg/compat.hpp"
#include "pg/transaction.hpp"

namespace pgrepl::pg {

namespace {

void run_statement(const char* sql) {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    // The statement may commit more than once: its text and parse tree must outlive each of its transactions.
    MemoryContext const memory =
        AllocSetContextCreate(TopMemoryContext, "pg_replicator top-level statement", ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(memory);
    List* const parsed = pg_parse_query(sql);
    MemoryContextSwitchTo(previous);
    if (list_length(parsed) != 1) {
        elog(ERROR, "expected exactly one statement: %s", sql);
    }
    auto* const raw = linitial_node(RawStmt, parsed);

    Portal const portal = CreatePortal("", true, true);
    portal->visible = false;
    previous = MemoryContextSwitchTo(portal->portalContext);
    auto* const planned = makeNode(PlannedStmt);
    planned->commandType = CMD_UTILITY;
    planned->canSetTag = true;
    planned->utilityStmt = static_cast<Node*>(copyObjectImpl(raw->stmt));
    planned->stmt_location = -1;
    PortalDefineQuery(portal, nullptr, pstrdup(sql), CreateCommandTag(raw->stmt), list_make1(planned), nullptr);
    PortalStart(portal, nullptr, 0, InvalidSnapshot);
    MemoryContextSwitchTo(previous);
    QueryCompletion completion;
    (void)PortalRun(portal, FETCH_ALL, true, PGREPL_PORTAL_RUN_ONCE None_Receiver, None_Receiver, &completion);
    PortalDrop(portal, false);
    CommitTransactionCommand();
    MemoryContextDelete(memory);
}

}  // namespace

void run_top_level(const std::string& sql) {
    MemoryContext const caller_memory = CurrentMemoryContext;
    const char* const text = sql.c_str();
    try {
        CallPg([&] { run_statement(text); });
    } catch (...) {
        CallPg([] { AbortCurrentTransaction(); });
        MemoryContextSwitchTo(caller_memory);
        throw;
    }
    MemoryContextSwitchTo(caller_memory);
    report_statistics(false);
}

void run_top_level_as(Oid role, const std::string& sql) {
    struct SessionRole {
        explicit SessionRole(Oid oid) {
            CallPg([&] {
                StartTransactionCommand();
                SetConfigOption("role", GetUserNameFromId(oid, false), PGC_SUSET, PGC_S_SESSION);
                CommitTransactionCommand();
            });
        }
        ~SessionRole() {
            try {
                CallPg([] {
                    StartTransactionCommand();
                    SetConfigOption("role", "none", PGC_SUSET, PGC_S_SESSION);
                    CommitTransactionCommand();
                });
            } catch (const SqlError&) {
                ereport(FATAL, (errmsg("could not go back to the role of the worker")));
            }
        }
        SessionRole(const SessionRole&) = delete;
        SessionRole& operator=(const SessionRole&) = delete;
    };
    MemoryContext const caller_memory = CurrentMemoryContext;
    {
        SessionRole const as_role(role);
        MemoryContextSwitchTo(caller_memory);
        run_top_level(sql);
    }
    MemoryContextSwitchTo(caller_memory);
}

}  // namespace pgrepl::pg
