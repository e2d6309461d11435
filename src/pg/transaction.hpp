#pragma once
// Transactions of a background worker, subtransactions anywhere, and whose rights a statement runs with.

#include <cstdint>
#include <optional>

#include "pg/error.hpp"
#include "pg/origin.hpp"

namespace pgrepl::pg {

/// A transaction of a worker, from construction to commit(). Leaving the scope without commit() aborts it. The
/// caller's memory context is current before, within and after it. Rows that it writes are not passed on to others
/// (origin.hpp), and what it has counted goes to the statistics system when it is committed.
class Transaction {
  public:
    Transaction();
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    void commit();

  private:
    void abort() noexcept;

    MemoryContext caller_memory_;
    MemoryContext memory_ = nullptr;
    std::optional<NotPassedOn> not_passed_on_;
    bool open_ = true;
};

/// From now on a Transaction that finds another schema of ours than there is now throws SqlError. The extension may be
/// dropped, and made again, while a worker has no transaction: then numbers of sources and generations are given again,
/// and are those of others. Call within a transaction.
void keep_to_this_catalog();

/// Throws SqlError if there is another schema of ours now.
void require_same_catalog();

/// The same for the scope of a call, which may commit and wait: whoever goes on after that asks require_same_catalog().
/// Call within a transaction.
class CatalogOfCall {
  public:
    CatalogOfCall();
    ~CatalogOfCall();
    CatalogOfCall(const CatalogOfCall&) = delete;
    CatalogOfCall& operator=(const CatalogOfCall&) = delete;

  private:
    Oid before_;
};

/// Gives what this process has counted (rows read, written and dead) to the statistics system, without which no target
/// would ever be vacuumed while a worker lives. Not within a transaction. As the server does it at the end of each
/// command: once a second at most, unless `now`, which is for the beginning of a wait.
void report_statistics(bool now);

namespace detail {
struct SubtransactionState {
    MemoryContext memory;
    ResourceOwner owner;
};
SubtransactionState begin_subtransaction();
void release_subtransaction(SubtransactionState state);
void rollback_subtransaction(SubtransactionState state);
}  // namespace detail

/// Runs `body` in a subtransaction. An error of SQL in it rolls the subtransaction back and is returned; other
/// exceptions roll back and go on. A cancel is an error that goes on, too (a termination is none: it ends the process);
/// code of a user's that raises an error with the code of a cancel is none.
template <typename Body>
std::optional<SqlError> run_in_subtransaction(Body&& body) {
    detail::SubtransactionState const state = detail::begin_subtransaction();
    try {
        body();
    } catch (const SqlError& error) {
        detail::rollback_subtransaction(state);
        if (error.is_interrupt()) {
            throw;
        }
        return error;
    } catch (...) {
        detail::rollback_subtransaction(state);
        throw;
    }
    detail::release_subtransaction(state);
    return std::nullopt;
}

/// How long statements on targets (those within a RoleScope of a restricted operation) wait for each lock; 0: as the
/// session's lock_timeout has it. Workers set it; the rows of our own catalog they wait for as long as it takes.
void set_target_patience(int milliseconds) noexcept;
int target_patience() noexcept;

/// Another patience until the end of the scope.
class TargetPatience {
  public:
    explicit TargetPatience(int milliseconds) noexcept;
    ~TargetPatience();
    TargetPatience(const TargetPatience&) = delete;
    TargetPatience& operator=(const TargetPatience&) = delete;

  private:
    int saved_ms_;
};

/// Runs what follows as `role` until the end of the scope. `kRestrictedOperation` is for statements on target tables,
/// so that code of the owner (triggers, index expressions) cannot get out of the owner's rights. Settings that such
/// code changes (search_path, above all: ours would then find the owner's operators) are as before after the scope,
/// and do not hold in a scope of the catalog role within it. An error that is raised in a restricted operation knows
/// that a statement on a target raised it (SqlError::Fields::on_target). What the catalog role does for one target, and
/// others can keep locked, is such an operation, too: a side table is made, the name of a target's schema is held.
/// Throws SqlError if the role does not exist.
class RoleScope {
  public:
    enum class Restriction { kNone, kRestrictedOperation };

    RoleScope(Oid role, Restriction restriction);
    ~RoleScope();
    RoleScope(const RoleScope&) = delete;
    RoleScope& operator=(const RoleScope&) = delete;

  private:
    Oid saved_role_ = InvalidOid;
    int saved_context_ = 0;
    int settings_level_ = 0;
    bool saved_on_target_ = false;
};

/// How many locks all sessions together are promised room for.
std::int64_t lock_table_room() noexcept;

/// RoleScope of the extension's own catalog.
inline Oid catalog_role() { return BOOTSTRAP_SUPERUSERID; }

}  // namespace pgrepl::pg
