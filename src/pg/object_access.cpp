// The hooks at uses of objects and at the check of a statement's rights.

#include "pg/object_access.hpp"

#include <cstring>

#include "pg/compat.hpp"
#include "pg/error.hpp"
#include "pg/owner_code.hpp"
#include "pg/shared_state.hpp"

extern "C" {
#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_trigger.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
}

namespace pgrepl::pg {

namespace {

constexpr const char* kSchema = "replicator";

object_access_hook_type next_hook = nullptr;
ExecutorCheckPerms_hook_type next_rights_check = nullptr;

bool is_of_our_catalog(Oid schema) {
    const char* const name = get_namespace_name(schema);
    return name != nullptr && std::strcmp(name, kSchema) == 0 &&
           OidIsValid(getExtensionOfObject(NamespaceRelationId, schema)) &&
           getExtensionOfObject(NamespaceRelationId, schema) == get_extension_oid("pg_replicator", true);
}

bool may_read_catalog(Oid schema) {
    Oid const sources = get_relname_relid("source", schema);
    return OidIsValid(sources) && pg_class_aclcheck(sources, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

void search(Oid schema, ObjectAccessNamespaceSearch& search) {
    // The cheap questions first; a superuser is not to wait where pg_extension is locked, either. Statements of ours on
    // targets name staging tables with the owner's rights; what is said within them, as they run, does not.
    bool const ours = detail::on_target && !owner_code_runs() && !target_statement_runs();
    if (!search.result || ours || superuser() || !is_of_our_catalog(schema) || may_read_catalog(schema)) {
        return;
    }
    if (search.ereport_on_violation) {
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, kSchema);
    }
    search.result = false;
}

bool is_table_of_our_catalog(Oid relid) {
    Oid const schema = get_rel_namespace(relid);
    return OidIsValid(schema) && is_of_our_catalog(schema);
}

[[noreturn]] void raise_refusal(Oid relid) {
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             errmsg("permission denied for table %s.%s", kSchema, get_rel_name(relid)),
             errdetail("Workers act by what it holds, with the rights of its superuser. Whatever was granted, only "
                       "superusers change it."),
             errhint("Use the functions replicator_*.")));
    pg_unreachable();
}

bool check_rights(PGREPL_RIGHTS_CHECK_PARAMETERS, bool raise) {
    ListCell* cell = nullptr;
    foreach (cell, checked) {
        auto const* const relation = static_cast<const PgreplCheckedRelation*>(lfirst(cell));
        Oid const user = OidIsValid(relation->checkAsUser) ? relation->checkAsUser : GetUserId();
        if ((relation->requiredPerms & (ACL_INSERT | ACL_UPDATE | ACL_DELETE)) != 0 && !superuser_arg(user) &&
            is_table_of_our_catalog(relation->relid)) {
            if (raise) {
                raise_refusal(relation->relid);
            }
            return false;
        }
    }
    return next_rights_check == nullptr || next_rights_check(PGREPL_RIGHTS_CHECK_ARGUMENTS, raise);
}

/// Foreign keys that refer to a table are triggers of it, too.
void create_trigger(Oid trigger) {
    if (superuser()) {
        return;
    }
    Relation const triggers = table_open(TriggerRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
    SysScanDesc const scan = systable_beginscan(triggers, TriggerOidIndexId, true, SnapshotSelf, 1, &key);
    HeapTuple const found = systable_getnext(scan);
    Oid const relid =
        HeapTupleIsValid(found) ? reinterpret_cast<Form_pg_trigger>(GETSTRUCT(found))->tgrelid : InvalidOid;
    systable_endscan(scan);
    table_close(triggers, AccessShareLock);
    if (is_table_of_our_catalog(relid)) {
        raise_refusal(relid);
    }
}

void execute(Oid function) {
    if (function != F_PG_ADVISORY_UNLOCK_ALL || !detail::on_target || MyBgworkerEntry == nullptr) {
        return;
    }
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("pg_advisory_unlock_all cannot be called by what a write to a target calls"),
                    errdetail("It would let go of the locks of the worker of pg_replicator that writes."),
                    errhint("Take pg_advisory_xact_lock, or let go of each lock by pg_advisory_unlock.")));
}

/// Our statements name the schema, and whoever had one of that name would have them run code of theirs: a worker, or a
/// call that waits, is still there for a while after DROP EXTENSION.
void keep_name_of_schema(Oid schema) {
    if (IsBinaryUpgrade) {
        return;  // what was there before stays as it was, and no worker runs
    }
    Relation const schemas = table_open(NamespaceRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_namespace_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(schema));
    SysScanDesc const scan = systable_beginscan(schemas, NamespaceOidIndexId, true, SnapshotSelf, 1, &key);
    HeapTuple const found = systable_getnext(scan);
    bool ours = false;
    Oid owner = InvalidOid;
    if (HeapTupleIsValid(found)) {
        auto const* const row = reinterpret_cast<Form_pg_namespace>(GETSTRUCT(found));
        ours = std::strcmp(NameStr(row->nspname), kSchema) == 0;
        owner = row->nspowner;
    }
    systable_endscan(scan);
    table_close(schemas, AccessShareLock);
    if (ours && !(superuser() && superuser_arg(owner))) {
        ereport(ERROR,
                (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("only superusers have a schema \"%s\"", kSchema),
                 errdetail("Workers of pg_replicator take what is in it for their own catalog, with the rights of "
                           "a superuser."),
                 errhint("Choose another name.")));
    }
}

/// ALTER EXTENSION … UPDATE: workers that did not start for the version's sake may start now.
void altered(Oid extension) {
    if (extension == get_extension_oid("pg_replicator", true)) {
        GuardedEntry([] { probe_at_commit(); });
    }
}

void on_access(ObjectAccessType access, Oid object_class, Oid object, int part, void* argument) {
    if (next_hook != nullptr) {
        next_hook(access, object_class, object, part, argument);
    }
    if (access == OAT_NAMESPACE_SEARCH) {
        search(object, *static_cast<ObjectAccessNamespaceSearch*>(argument));
    } else if (access == OAT_FUNCTION_EXECUTE) {
        execute(object);
    } else if (access == OAT_POST_CREATE && object_class == TriggerRelationId) {
        create_trigger(object);
    } else if (access == OAT_TRUNCATE && !superuser() && is_table_of_our_catalog(object)) {
        raise_refusal(object);
    } else if ((access == OAT_POST_CREATE || access == OAT_POST_ALTER) && object_class == NamespaceRelationId) {
        keep_name_of_schema(object);
    } else if (access == OAT_POST_ALTER && object_class == ExtensionRelationId) {
        altered(object);
    }
}

}  // namespace

void refuse_change_of_catalog(Oid relid) {
    CallPg([&] { raise_refusal(relid); });
}

void guard_objects() {
    next_hook = object_access_hook;
    object_access_hook = on_access;
    next_rights_check = ExecutorCheckPerms_hook;
    ExecutorCheckPerms_hook = check_rights;
}

}  // namespace pgrepl::pg
