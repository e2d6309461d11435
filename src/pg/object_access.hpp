#pragma once
// What rights in PostgreSQL's own catalog let anybody do, and nobody may.

#include "pg/postgres.hpp"

namespace pgrepl::pg {

/// Names in the schema of our catalog are found by superusers, by whoever may read that catalog, and by our statements
/// on targets, which are parsed as the owner (USAGE is PUBLIC's for those). Else anybody could hold a lock on a staging
/// table, which takes no more than PREPARE, or have a column of its row type, and a refresh would wait for that for
/// ever.
///
/// Tables there are changed by superusers alone, whatever is granted (by name, by default privileges, by
/// pg_write_all_data): they tell the workers whose rights to use, and which expressions to evaluate with them.
///
/// Nobody else has a schema of that name, also while there is none of ours.
///
/// And what a statement on a target calls in a worker does not let go of the locks by which a source has one worker.
///
/// An update of the extension has the launcher look at the database.
///
/// Call once, when the library is loaded.
void guard_objects();

/// Throws SqlError (42501): nobody but superusers changes that table of our catalog.
void refuse_change_of_catalog(Oid relid);

}  // namespace pgrepl::pg
