// Analysis under the owner's restricted rights, then DefineIndex and index_drop by OID.

#include "pg/index_statement.hpp"

#include <optional>

#include "pg/compat.hpp"
#include "pg/failure_point.hpp"
#include "pg/memory.hpp"
#include "pg/owner_code.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

namespace pgrepl::pg {

namespace {

/// Thrown to leave a subtransaction that is not to stay.
struct RollBack {};

IndexStmt* parse(const char* sql) {
    List* const parsed = pg_parse_query(sql);
    if (list_length(parsed) != 1 || !IsA(linitial_node(RawStmt, parsed)->stmt, IndexStmt)) {
        elog(ERROR, "expected exactly one CREATE INDEX: %s", sql);
    }
    return castNode(IndexStmt, linitial_node(RawStmt, parsed)->stmt);
}

/// The name of the table is not looked at: everything here goes by its OID.
std::string statement(const char* create, const IndexText& index) {
    return create + pg::quoted(index.name) + " ON t USING " + index.method + " (" + index.definition + ")";
}

/// The analysed statement, in `memory`. Nothing that code of the owner's has done meanwhile stays, a deferred trigger
/// among them: it would be fired by our commit.
IndexStmt* analyse(Oid table, const std::string& sql, Oid owner, MemoryContext memory) {
    IndexStmt* tree = nullptr;
    const char* const text = sql.c_str();
    try {
        std::optional<SqlError> const error = run_in_subtransaction([&] {
            {
                RoleScope const as_owner(owner, RoleScope::Restriction::kRestrictedOperation);
                tree = CallPg([&] {
                    PushActiveSnapshot(GetTransactionSnapshot());
                    IndexStmt* const analysed = transformIndexStmt(table, parse(text), text);
                    MemoryContext const previous = MemoryContextSwitchTo(memory);
                    auto* const kept = static_cast<IndexStmt*>(copyObjectImpl(analysed));
                    MemoryContextSwitchTo(previous);
                    return kept;
                });
            }
            throw RollBack{};
        });
        if (error) {
            throw SqlError(*error);
        }
    } catch (const RollBack&) {
        Assert(tree != nullptr && tree->transformed);
    }
    return tree;
}

/// A table of the owner's, locked for this session so that nobody changes its columns, its owner or its existence.
class TableLock {
  public:
    explicit TableLock(Oid table) : lock_{table, MyDatabaseId} {
        CallPg([&] { LockRelationIdForSession(&lock_, ShareUpdateExclusiveLock); });
    }
    TableLock(const TableLock&) = delete;
    TableLock& operator=(const TableLock&) = delete;

    /// Needed after what went well only: the abort of a transaction lets go of session locks.
    void release() {
        CallPg([&] { UnlockRelationIdForSession(&lock_, ShareUpdateExclusiveLock); });
    }

  private:
    LockRelId lock_;
};

void require_plain_table_of(Oid table, Oid owner) {
    char* const name = get_rel_name(table);
    HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
    if (!HeapTupleIsValid(tuple)) {
        return;  // dropped meanwhile: whoever looked it up looks again
    }
    auto const* const relation = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
    Oid const belongs_to = relation->relowner;
    char const kind = relation->relkind;
    ReleaseSysCache(tuple);
    if (belongs_to != owner) {
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("table \"%s\" does not belong to the owner of the source", name),
                        errdetail("It belongs to role \"%s\", the source to role \"%s\".",
                                  GetUserNameFromId(belongs_to, true), GetUserNameFromId(owner, true)),
                        errhint("Give the table back with ALTER TABLE … OWNER TO, then call replicator_resume.")));
    }
    if (kind != RELKIND_RELATION) {
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a plain table", name),
                        errdetail("Indexes that rules ask for are built on plain tables."),
                        errhint("Create the index by yourself and take it out of the rules.")));
    }
}

/// Locks the table in this transaction, for which it waits as statements on targets do. False if there is none.
bool lock_table_of(Oid table, Oid owner) {
    RoleScope const as_owner(owner, RoleScope::Restriction::kRestrictedOperation);
    return CallPg([&] {
        require_plain_table_of(table, owner);  // so that nobody waits behind us for a table that is none of ours
        LockRelationOid(table, ShareUpdateExclusiveLock);
        require_plain_table_of(table, owner);  // it may have been given away while we waited
        return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(table));
    });
}

/// Waits, as statements on targets do, for transactions that have written to the table. DefineIndex waits for the same
/// without a bound, when the index is there already; until then, others can be built first.
void wait_for_writers(Oid table, Oid owner) {
    RoleScope const as_owner(owner, RoleScope::Restriction::kRestrictedOperation);
    CallPg([&] {
        LOCKTAG tag;
        SET_LOCKTAG_RELATION(tag, MyDatabaseId, table);
        WaitForLockers(tag, ShareLock, false);
    });
}

/// The patience with targets for what cannot have a RoleScope.
class LockTimeoutOfSession {
  public:
    LockTimeoutOfSession() : saved_ms_(LockTimeout) {
        if (target_patience() > 0) {
            set(target_patience());
        }
    }
    ~LockTimeoutOfSession() {
        try {
            set(saved_ms_);
        } catch (const SqlError&) {
            // A session that waits otherwise than it should is of no use.
            ereport(FATAL, (errmsg("could not set lock_timeout back")));
        }
    }
    LockTimeoutOfSession(const LockTimeoutOfSession&) = delete;
    LockTimeoutOfSession& operator=(const LockTimeoutOfSession&) = delete;

  private:
    static void set(int milliseconds) {
        std::string const text = std::to_string(milliseconds);
        const char* const value = text.c_str();
        CallPg([&] { SetConfigOption("lock_timeout", value, PGC_USERSET, PGC_S_SESSION); });
    }

    int saved_ms_;
};

/// Runs what commits by itself, in a transaction that it may replace by others. `role` is who is asked for rights; no
/// code of a user may run in `body` but where the server restricts it.
template <typename Body>
void run_self_committing(Oid role, Body body) {
    MemoryContext const caller_memory = CurrentMemoryContext;
    Oid saved_role = InvalidOid;
    int saved_context = 0;
    GetUserIdAndSecContext(&saved_role, &saved_context);
    Assert(saved_context == 0 && !IsTransactionState());
    auto const restore = [&] {
        SetUserIdAndSecContext(saved_role, saved_context);
        MemoryContextSwitchTo(caller_memory);
    };
    // As a portal's: what the server has at hand there outlives its own commits.
    MemoryScope const memory("pg_replicator self-committing", TopMemoryContext);
    SetUserIdAndSecContext(role, 0);
    OnTargetScope const on_target;
    try {
        CallPg([&] {
            SetCurrentStatementStartTimestamp();
            StartTransactionCommand();
            MemoryContextSwitchTo(memory.context());
            PushActiveSnapshot(GetTransactionSnapshot());
            body();
            if (ActiveSnapshotSet()) {
                PopActiveSnapshot();
            }
            CommitTransactionCommand();
        });
    } catch (...) {
        try {
            CallPg([] { AbortCurrentTransaction(); });
        } catch (const SqlError&) {
            ereport(FATAL, (errmsg("could not abort a transaction")));
        }
        restore();
        throw;
    }
    restore();
    report_statistics(false);
}

/// The table's invalid index of that name; InvalidOid if there is none.
Oid invalid_index(Oid table, const std::string& name) {
    QueryResult const found = execute(
        R"(SELECT c.oid FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
           WHERE x.indrelid = $1 AND c.relname = $2 AND c.relkind = 'i' AND NOT x.indisvalid)",
        {Param::oid(table), name});
    return found.empty() ? InvalidOid : found.oid(0, 0);
}

}  // namespace

void require_one_index_element(const std::string& definition) {
    std::string const sql = "CREATE INDEX i ON t (" + definition + ")";
    const char* const text = sql.c_str();
    bool const one_element = CallPg([&] {
        List* const parsed = pg_parse_query(text);
        if (list_length(parsed) != 1 || !IsA(linitial_node(RawStmt, parsed)->stmt, IndexStmt)) {
            return false;
        }
        auto* const index = castNode(IndexStmt, linitial_node(RawStmt, parsed)->stmt);
        return list_length(index->indexParams) == 1 && index->indexIncludingParams == NIL && index->options == NIL &&
               index->whereClause == nullptr && index->tableSpace == nullptr;
    });
    if (!one_element) {
        throw SqlError(ERRCODE_SYNTAX_ERROR, "it is more than one expression", "It would become part of CREATE INDEX.",
                       "Write one expression over data, such as data->>'name'.");
    }
}

void create_index(Oid table, const IndexText& index, Oid owner) {
    IndexStmt* const tree = analyse(table, statement("CREATE INDEX ", index), owner, CurrentMemoryContext);
    RoleScope const as_owner(owner, RoleScope::Restriction::kRestrictedOperation);
    CallPg([&] {
        PushActiveSnapshot(GetTransactionSnapshot());
        define_index(DefineIndex, table, tree, false);
        PopActiveSnapshot();
    });
}

bool create_index_concurrently(Oid table, const IndexText& index, Oid owner) {
    MemoryScope const memory("pg_replicator index statement", TopMemoryContext);
    std::optional<TableLock> lock;
    IndexStmt* tree = nullptr;
    {
        Transaction transaction;
        if (!lock_table_of(table, owner)) {
            return false;
        }
        wait_for_writers(table, owner);
        tree = analyse(table, statement("CREATE INDEX CONCURRENTLY ", index), owner, memory.context());
        lock.emplace(table);
        transaction.commit();
    }
    failure_point("index_analysed");
    run_self_committing(owner, [&] { define_index(DefineIndex, table, tree, true); });
    lock->release();
    return true;
}

void drop_invalid_index_concurrently(Oid table, const std::string& index, Oid owner) {
    std::optional<TableLock> lock;
    ObjectAddress dropped{RelationRelationId, InvalidOid, 0};
    {
        Transaction transaction;
        dropped.objectId = lock_table_of(table, owner) ? invalid_index(table, index) : InvalidOid;
        if (!OidIsValid(dropped.objectId)) {
            return transaction.commit();
        }
        lock.emplace(table);
        transaction.commit();
    }
    // It waits for all who have used the table; one that gives up is tried again.
    LockTimeoutOfSession const patience;
    run_self_committing(owner, [&] {
        // Not performDeletion, which takes the strongest lock even for this.
        ObjectAddresses* const objects = new_object_addresses();
        add_exact_object_address(&dropped, objects);
        performMultipleDeletions(objects, DROP_RESTRICT, PERFORM_DELETION_CONCURRENTLY);
    });
    lock->release();
}

}  // namespace pgrepl::pg
