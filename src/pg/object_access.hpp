#pragma once
// What rights in PostgreSQL's own catalog let anybody do, and nobody may.

namespace pgrepl::pg {

/// Names in the schema of our catalog are found by superusers, by whoever may read that catalog, and by our statements
/// on targets, which are parsed as the owner (USAGE is PUBLIC's for those). Else anybody could hold a lock on a staging
/// table, which takes no more than PREPARE, or have a column of its row type, and a refresh would wait for that for
/// ever.
///
/// And what a statement on a target calls in a worker does not let go of the locks by which a source has one worker.
///
/// Call once, when the library is loaded.
void guard_objects();

}  // namespace pgrepl::pg
