// Entries of pg_depend.

#include "pg/membership.hpp"

#include "pg/error.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
}

namespace pgrepl::pg {

void join_extension(Oid relation) {
    CallPg([&] {
        ObjectAddress const member{RelationRelationId, relation, 0};
        ObjectAddress const extension{ExtensionRelationId, get_extension_oid("pg_replicator", false), 0};
        recordDependencyOn(&member, &extension, DEPENDENCY_EXTENSION);
        CommandCounterIncrement();
    });
}

void leave_extension(Oid relation) {
    CallPg([&] {
        (void)deleteDependencyRecordsForClass(RelationRelationId, relation, ExtensionRelationId, DEPENDENCY_EXTENSION);
        CommandCounterIncrement();
    });
}

}  // namespace pgrepl::pg
