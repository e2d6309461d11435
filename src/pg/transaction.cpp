// Transactions, subtransactions and role switches.

#include "pg/transaction.hpp"

#include <string>

#include "pg/owner_code.hpp"
#include "pg/precondition.hpp"

namespace pgrepl::pg {

namespace {

/// InvalidOid: it may be any, or none.
Oid catalog_schema = InvalidOid;

Oid schema_now() {
    return CallPg([] { return get_namespace_oid("replicator", true); });
}

/// Without a schema no statement finds anything.
bool is_other_catalog() {
    if (!OidIsValid(catalog_schema)) {
        return false;
    }
    Oid const now = schema_now();
    return OidIsValid(now) && now != catalog_schema;
}

}  // namespace

void require_same_catalog() {
    if (is_other_catalog()) {
        throw SqlError(ERRCODE_UNDEFINED_OBJECT, "the extension pg_replicator was dropped",
                       "Workers and calls go on only with the extension that they began with.");
    }
}

void keep_to_this_catalog() {
    expect_transaction();
    if (!OidIsValid(catalog_schema)) {
        catalog_schema = schema_now();
    }
}

CatalogOfCall::CatalogOfCall() : before_(catalog_schema) { keep_to_this_catalog(); }

CatalogOfCall::~CatalogOfCall() { catalog_schema = before_; }

Transaction::Transaction() : caller_memory_(CurrentMemoryContext) {
    expect_no_transaction();
    CallPg([] {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
    });
    // Work in a context of the transaction's own, so that what a statement leaves behind goes with it.
    memory_ = CurrentMemoryContext;
    try {
        require_same_catalog();
        not_passed_on_.emplace();
    } catch (...) {
        abort();
        throw;
    }
}

void report_statistics(bool now) {
    expect_no_transaction();
    try {
        CallPg([&] { (void)pgstat_report_stat(now); });
    } catch (const SqlError& error) {
        // Not worth what has been committed. There is no transaction whose abort would release these.
        LWLockReleaseAll();
        const char* const text = error.what();
        ereport(LOG, (errmsg("pg_replicator could not report its statistics: %s", text)));
    }
}

std::int64_t lock_table_room() noexcept {
    return static_cast<std::int64_t>(max_locks_per_xact) * (MaxBackends + max_prepared_xacts);
}

void Transaction::commit() {
    require_same_catalog();  // a statement may have waited for the drop, and have found another catalog by its name
    not_passed_on_.reset();
    CallPg([] { CommitTransactionCommand(); });
    open_ = false;
    MemoryContextSwitchTo(caller_memory_);
    report_statistics(false);
}

Transaction::~Transaction() {
    if (open_) {
        abort();
    }
}

void Transaction::abort() noexcept {
    try {
        CallPg([] { AbortCurrentTransaction(); });
    } catch (const SqlError&) {
        // Nothing is left to fall back to. FATAL ends this process and cleans up behind it.
        ereport(FATAL, (errmsg("could not abort a transaction")));
    }
    MemoryContextSwitchTo(caller_memory_);
}

namespace detail {

SubtransactionState begin_subtransaction() {
    expect_transaction();
    SubtransactionState const state{CurrentMemoryContext, CurrentResourceOwner};
    CallPg([] { BeginInternalSubTransaction(nullptr); });
    MemoryContextSwitchTo(state.memory);
    return state;
}

void release_subtransaction(SubtransactionState state) {
    CallPg([] { ReleaseCurrentSubTransaction(); });
    MemoryContextSwitchTo(state.memory);
    CurrentResourceOwner = state.owner;
}

void rollback_subtransaction(SubtransactionState state) {
    CallPg([] { RollbackAndReleaseCurrentSubTransaction(); });
    MemoryContextSwitchTo(state.memory);
    CurrentResourceOwner = state.owner;
}

}  // namespace detail

namespace {

int target_patience_ms = 0;

void set_until_scope_ends(const char* name, const char* value) {
    CallPg([&] { set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false); });
}

}  // namespace

void set_target_patience(int milliseconds) noexcept { target_patience_ms = milliseconds; }

int target_patience() noexcept { return target_patience_ms; }

TargetPatience::TargetPatience(int milliseconds) noexcept : saved_ms_(target_patience_ms) {
    target_patience_ms = milliseconds;
}

TargetPatience::~TargetPatience() { target_patience_ms = saved_ms_; }

RoleScope::RoleScope(Oid role, Restriction restriction) {
    expect_transaction();
    // Roles are dropped while they own sources: nothing keeps them.
    if (role != catalog_role() && !CallPg([&] { return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)); })) {
        throw SqlError(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "the owner of the source does not exist",
                       "The role was dropped.", "Choose another owner: replicator_alter(name, owner => 'role').");
    }
    GetUserIdAndSecContext(&saved_role_, &saved_context_);
    settings_level_ = NewGUCNestLevel();
    if (target_patience_ms > 0) {
        bool const restricted = restriction == Restriction::kRestrictedOperation;
        set_until_scope_ends("lock_timeout", std::to_string(restricted ? target_patience_ms : 0).c_str());
    }
    if (role == catalog_role() && (saved_context_ & SECURITY_RESTRICTED_OPERATION) != 0) {
        set_until_scope_ends("search_path", "pg_catalog, pg_temp");
    }
    if (restriction == Restriction::kRestrictedOperation && MyBgworkerEntry != nullptr) {
        // Set, not taken for what it was: RESET ALL in a function of a user's leaves it as it is within functions.
        // By us, though the scope may be one within the owner's.
        CallPg([] {
            set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                              false);
        });
    }
    int const added = SECURITY_LOCAL_USERID_CHANGE |
                      (restriction == Restriction::kRestrictedOperation ? SECURITY_RESTRICTED_OPERATION : 0);
    SetUserIdAndSecContext(role, saved_context_ | added);
    saved_on_target_ = detail::on_target;
    detail::on_target = restriction == Restriction::kRestrictedOperation;
    if (detail::on_target) {
        note_role_of_statement();
    }
}

RoleScope::~RoleScope() {
    detail::on_target = saved_on_target_;
    AtEOXact_GUC(false, settings_level_);
    SetUserIdAndSecContext(saved_role_, saved_context_);
}

}  // namespace pgrepl::pg
