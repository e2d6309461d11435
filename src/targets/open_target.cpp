// Opening a target: name, lock, checks, in this order.

#include "targets/open_target.hpp"

#include "pg/precondition.hpp"
#include "pg/relation_headers.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "targets/statement_error.hpp"
#include "targets/target_shape.hpp"

namespace pgrepl::target {

namespace {

LOCKMODE lock_of(TargetUse use) {
    switch (use) {
        case TargetUse::kRead:
            return AccessShareLock;
        case TargetUse::kWrite:
        case TargetUse::kFill:
            return RowExclusiveLock;
        case TargetUse::kDefine:
        case TargetUse::kDrop:
            return AccessExclusiveLock;
    }
    return AccessExclusiveLock;
}

std::string role_name(Oid role) {
    return pg::execute("SELECT pg_catalog.pg_get_userbyid($1)", {pg::Param::oid(role)}).text(0, 0);
}

[[noreturn]] void throw_not_ours(const TargetRef& target) {
    bool const unknown = target.relid == InvalidOid;
    throw pg::SqlError(
        ERRCODE_DUPLICATE_TABLE,
        unknown ? "it is not known whether relation " + target.name.sql() + " is the target that was made"
                : "relation " + target.name.sql() + " is not the target that was made: it was put in its place",
        unknown ? "The catalog was restored, and nobody has said that the relation belongs to it."
                : "The relation that was made has been dropped, renamed or moved. Nothing is written to another one.",
        "If it is to be the target, and belongs to role \"" + role_name(target.owner) +
            "\", call replicator_resync to have it recognised; else rename or drop it, and call replicator_resync to "
            "copy the table again.");
}

[[noreturn]] void throw_foreign_owner(const TargetRef& target, Oid owner) {
    std::string const wanted = role_name(target.owner);
    throw pg::SqlError(
        ERRCODE_INSUFFICIENT_PRIVILEGE,
        "target table " + target.name.sql() + " belongs to role \"" + role_name(owner) +
            "\", not to the source's owner \"" + wanted + "\"",
        "What another role's table does when it is written to would be done with the rights of the "
        "source's owner.",
        "ALTER TABLE " + target.name.sql() + " OWNER TO " + pg::quoted(wanted) + ", then call replicator_resync.");
}

/// What has the name now; InvalidOid if nothing has.
Oid look_up(const TargetName& name) {
    return pg::CallPg([&] {
        AcceptInvalidationMessages();
        Oid const schema = get_namespace_oid(name.schema.c_str(), true);
        return schema == InvalidOid ? InvalidOid : get_relname_relid(name.table.c_str(), schema);
    });
}

/// InvalidOid if it has been dropped meanwhile.
Oid owner_of(Oid relid) {
    return pg::CallPg([&] {
        Oid owner = InvalidOid;
        HeapTuple const tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
        if (HeapTupleIsValid(tuple)) {
            owner = reinterpret_cast<const FormData_pg_class*>(GETSTRUCT(tuple))->relowner;
            ReleaseSysCache(tuple);
        }
        return owner;
    });
}

/// As a statement would find it: the schema's USAGE is checked, and the name looked up again after the wait.
Oid look_up_and_lock(const TargetName& name, LOCKMODE lock) {
    return pg::CallPg([&] {
        RangeVar* const variable = makeRangeVar(pstrdup(name.schema.c_str()), pstrdup(name.table.c_str()), -1);
        return RangeVarGetRelidExtended(variable, lock, RVR_MISSING_OK, nullptr, nullptr);
    });
}

/// A schema can be renamed while tables in it are locked, and its owner could then put another table under our name. So
/// its entry is locked too, where its owner is not somebody who has the rights of the target's owner anyway. A
/// transaction that has renamed it and stays open is waited for as one that has locked the target.
void hold_schema(const TargetRef& target, const TargetShape& shape) {
    bool const trusted =
        shape.schema_owner == target.owner || pg::CallPg([&] { return superuser_arg(shape.schema_owner); });
    if (trusted) {
        return;
    }
    pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kRestrictedOperation);
    pg::execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1 FOR KEY SHARE", {target.name.schema});
}

void check_shape(const TargetRef& target, TargetUse use, const TargetShape& shape) {
    if (shape.problem[0] != '\0') {
        throw_unfit_target(target.name, use, shape.problem, shape.hint);
    }
    bool const needs_key = use == TargetUse::kRead || use == TargetUse::kWrite;
    if (needs_key && shape.key_problem[0] != '\0') {
        throw_unfit_target(target.name, use, shape.key_problem, "");
    }
}

}  // namespace

bool is_distributed(Oid relid) {
    bool const citus =
        pg::CallPg([] { return get_relname_relid("pg_dist_partition", PG_CATALOG_NAMESPACE) != InvalidOid; });
    if (!citus) {
        return false;
    }
    pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kNone);
    return !pg::execute("SELECT 1 FROM pg_catalog.pg_dist_partition WHERE logicalrelid = $1", {pg::Param::oid(relid)})
                .empty();
}

void throw_unfit_target(const TargetName& name, TargetUse use, const std::string& problem, const std::string& hint) {
    throw pg::SqlError(ERRCODE_INVALID_TABLE_DEFINITION,
                       "target table " + name.sql() + " cannot be " +
                           (use == TargetUse::kRead ? "compared: " : "brought up to date: ") + problem,
                       "It has been changed since it was copied; its rows are left as they are.",
                       hint.empty() ? "Undo the change and call replicator_resync, or drop the table first to have it "
                                      "copied again."
                                    : hint);
}

std::optional<OpenTarget> open_target_if_there(const TargetRef& target, TargetUse use) {
    pg::expect_restricted_to(target.owner);
    Oid const there = look_up(target.name);
    if (there == InvalidOid) {
        return std::nullopt;
    }
    bool const any = target.relid == InvalidOid && target.to_be_recognised;
    if (!any && there != target.relid) {
        throw_not_ours(target);
    }
    // Nobody else's table is locked: its readers and writers would have to wait.
    Oid const owner_there = owner_of(there);
    if (owner_there != InvalidOid && owner_there != target.owner) {
        throw_foreign_owner(target, owner_there);
    }
    Oid const relid = look_up_and_lock(target.name, lock_of(use));
    if (relid != there) {
        throw_not_ours(target);
    }
    TargetShape shape;
    pg::CallPg([&] { describe_relation(relid, target.owner, shape); });
    if (shape.owner != target.owner) {
        throw_foreign_owner(target, shape.owner);
    }
    hold_schema(target, shape);
    if (look_up(target.name) != relid) {
        throw_not_ours(target);
    }
    OpenTarget result;
    result.name = target.name;
    result.relid = relid;
    if (use == TargetUse::kDrop) {
        return result;
    }
    check_shape(target, use, shape);
    bool const distributed = is_distributed(relid);
    result.leaves_out_children = !shape.partitioned && !distributed;
    result.key_obstacle = shape.key_problem;
    result.id_index = shape.plain_heap && !distributed ? shape.id_index : InvalidOid;
    result.takes_heap_route = shape.bare_heap && !distributed;
    result.data_column = shape.data_column;
    return result;
}

bool can_be_opened(const TargetRef& target) {
    std::optional<pg::SqlError> const error =
        pg::run_in_subtransaction([&] { (void)open_target_if_there(target, TargetUse::kWrite); });
    return !error || reach_of(*error) != Reach::kLocked;
}

OpenTarget open_target(const TargetRef& target, TargetUse use) {
    if (std::optional<OpenTarget> opened = open_target_if_there(target, use)) {
        return std::move(*opened);
    }
    throw pg::SqlError(ERRCODE_UNDEFINED_TABLE, "target table " + target.name.sql() + " does not exist",
                       "It has been dropped or renamed.", "Call replicator_resync to copy it again.");
}

}  // namespace pgrepl::target
