#pragma once
// The one place for differences between PostgreSQL versions.

#include <cstddef>
#include <type_traits>

#include "pg/postgres.hpp"

// The origin of a session became one struct in 19.
#if PG_VERSION_NUM >= 190000
#define PGREPL_SESSION_ORIGIN replorigin_xact_state.origin
#define PGREPL_NO_ORIGIN InvalidReplOriginId
#else
#define PGREPL_SESSION_ORIGIN replorigin_session_origin
#define PGREPL_NO_ORIGIN InvalidRepOriginId
#endif

// Since 19 a handler is told who sent the signal, and each kind of process has a log_min_messages of its own.
#if PG_VERSION_NUM >= 190000
#define PGREPL_SIGNAL_PARAMETERS int /*signal*/, const pg_signal_info* /*sender*/
#define PGREPL_LOG_MIN_MESSAGES log_min_messages[MyBackendType]
#else
#define PGREPL_SIGNAL_PARAMETERS int /*signal*/
#define PGREPL_LOG_MIN_MESSAGES log_min_messages
#endif

// The ownership checks became one function in 16.
#if PG_VERSION_NUM >= 160000
#define PGREPL_OWNS_DATABASE(database, role) object_ownercheck(DatabaseRelationId, database, role)
#else
#define PGREPL_OWNS_DATABASE(database, role) pg_database_ownercheck(database, role)
#endif

// Since 16 a membership need not give any right: MEMBER, which says that there is one, is not what is to be asked for.
// As arguments of pg_has_role: whether what the role may do may be done, and whether it may be made an owner.
#if PG_VERSION_NUM >= 160000
#define PGREPL_ROLE_RIGHTS "USAGE, SET"
#define PGREPL_MAY_BECOME_ROLE "SET"
#else
#define PGREPL_ROLE_RIGHTS "MEMBER"
#define PGREPL_MAY_BECOME_ROLE "MEMBER"
#endif

// What ExecutorCheckPerms_hook is given was moved out of the range table in 16.
#if PG_VERSION_NUM >= 160000
#define PGREPL_RIGHTS_CHECK_PARAMETERS List *range_table, List *checked
#define PGREPL_RIGHTS_CHECK_ARGUMENTS range_table, checked
using PgreplCheckedRelation = RTEPermissionInfo;
#else
#define PGREPL_RIGHTS_CHECK_PARAMETERS List* checked
#define PGREPL_RIGHTS_CHECK_ARGUMENTS checked
using PgreplCheckedRelation = RangeTblEntry;
#endif

// ExecutorRun lost its last argument in 18.
#if PG_VERSION_NUM >= 180000
#define PGREPL_EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count
#define PGREPL_EXECUTOR_RUN_ARGUMENTS query, direction, count
#else
#define PGREPL_EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define PGREPL_EXECUTOR_RUN_ARGUMENTS query, direction, count, once
#endif

// Extensions name their own wait events from 17 on.
#if PG_VERSION_NUM >= 170000
#define PGREPL_WAIT_EVENT(name) WaitEventExtensionNew(name)
#else
#define PGREPL_WAIT_EVENT(name) ((void)(name), PG_WAIT_EXTENSION)
#endif

namespace pgrepl::pg {

/// DefineIndex for an index of the table itself. It takes the number of partitions from 16 on, a ParseState from 19 on.
template <typename Define>
void define_index(Define* define, Oid table, IndexStmt* statement, bool check_rights) {
    constexpr bool kOff = false;  // not for ALTER TABLE; and with a build; not quiet
    constexpr bool kCheckNotInUse = true;
    Oid const none = InvalidOid;
    if constexpr (std::is_invocable_v<Define*, ParseState*, Oid, IndexStmt*, Oid, Oid, Oid, int, bool, bool, bool, bool,
                                      bool>) {
        define(nullptr, table, statement, none, none, none, -1, kOff, check_rights, kCheckNotInUse, kOff, kOff);
    } else if constexpr (std::is_invocable_v<Define*, Oid, IndexStmt*, Oid, Oid, Oid, int, bool, bool, bool, bool,
                                             bool>) {
        define(table, statement, none, none, none, -1, kOff, check_rights, kCheckNotInUse, kOff, kOff);
    } else {
        define(table, statement, none, none, none, kOff, check_rights, kCheckNotInUse, kOff, kOff);
    }
}

/// index_beginscan for one key. It takes a place for counters of EXPLAIN from 18 on, flags from 19 on.
template <typename Begin>
IndexScanDesc begin_key_scan(Begin* begin, Relation table, Relation index, Snapshot snapshot) {
    constexpr int kKeys = 1;
    constexpr int kOrderings = 0;
    if constexpr (std::is_invocable_v<Begin*, Relation, Relation, Snapshot, std::nullptr_t, int, int, uint32>) {
        return begin(table, index, snapshot, nullptr, kKeys, kOrderings, 0);
    } else if constexpr (std::is_invocable_v<Begin*, Relation, Relation, Snapshot, std::nullptr_t, int, int>) {
        return begin(table, index, snapshot, nullptr, kKeys, kOrderings);
    } else {
        return begin(table, index, snapshot, kKeys, kOrderings);
    }
}

}  // namespace pgrepl::pg
