// Entries of pg_depend. recordDependencyOn() would lock the extension in later minor versions.

#include "pg/membership.hpp"

#include "pg/error.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
}

namespace pgrepl::pg {

void join_extension(Oid object_class, Oid object) {
    CallPg([&] {
        Relation const dependencies = table_open(DependRelationId, RowExclusiveLock);
        Datum values[Natts_pg_depend] = {};
        bool nulls[Natts_pg_depend] = {};
        values[Anum_pg_depend_classid - 1] = ObjectIdGetDatum(object_class);
        values[Anum_pg_depend_objid - 1] = ObjectIdGetDatum(object);
        values[Anum_pg_depend_objsubid - 1] = Int32GetDatum(0);
        values[Anum_pg_depend_refclassid - 1] = ObjectIdGetDatum(ExtensionRelationId);
        values[Anum_pg_depend_refobjid - 1] = ObjectIdGetDatum(get_extension_oid("pg_replicator", false));
        values[Anum_pg_depend_refobjsubid - 1] = Int32GetDatum(0);
        values[Anum_pg_depend_deptype - 1] = CharGetDatum(DEPENDENCY_EXTENSION);
        CatalogTupleInsert(dependencies, heap_form_tuple(RelationGetDescr(dependencies), values, nulls));
        table_close(dependencies, RowExclusiveLock);
        CommandCounterIncrement();
    });
}

void leave_extension(Oid object_class, Oid object) {
    CallPg([&] {
        (void)deleteDependencyRecordsForClass(object_class, object, ExtensionRelationId, DEPENDENCY_EXTENSION);
        CommandCounterIncrement();
    });
}

}  // namespace pgrepl::pg
