// The hook at uses of objects.

#include "pg/object_access.hpp"

#include <cstring>

#include "pg/error.hpp"
#include "pg/owner_code.hpp"

extern "C" {
#include "catalog/objectaccess.h"
#include "catalog/pg_namespace.h"
}

namespace pgrepl::pg {

namespace {

constexpr const char* kSchema = "replicator";

object_access_hook_type next_hook = nullptr;

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
    // targets name staging tables with the owner's rights; what functions of the owner's say within them does not.
    bool const ours = detail::on_target && !owner_code_runs();
    if (!search.result || ours || superuser() || !is_of_our_catalog(schema) || may_read_catalog(schema)) {
        return;
    }
    if (search.ereport_on_violation) {
        aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_SCHEMA, kSchema);
    }
    search.result = false;
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

void on_access(ObjectAccessType access, Oid object_class, Oid object, int part, void* argument) {
    if (next_hook != nullptr) {
        next_hook(access, object_class, object, part, argument);
    }
    if (access == OAT_NAMESPACE_SEARCH) {
        search(object, *static_cast<ObjectAccessNamespaceSearch*>(argument));
    } else if (access == OAT_FUNCTION_EXECUTE) {
        execute(object);
    }
}

}  // namespace

void guard_objects() {
    next_hook = object_access_hook;
    object_access_hook = on_access;
}

}  // namespace pgrepl::pg
