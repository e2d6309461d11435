#pragma once
// A defect of PostgreSQL that we must not expose (seen in 15; the thread "9.2 recovery/startup problems with unlogged
// tables" of pgsql-hackers, 2014, has the same message). When a transaction that created an unlogged table aborts, its
// init fork is unlinked at once, its main fork only at the next checkpoint, and the abort record is not flushed. If the
// server crashes before it is, recovery makes the init fork again and then finds the main fork: the server cannot
// start.

namespace pgrepl::pg {

/// Called before a CREATE UNLOGGED TABLE, and before a TRUNCATE of such a table, which makes new files, too: if the
/// transaction, or a subtransaction of it, aborts, its abort record is flushed before any file is removed.
void flush_if_aborted();

}  // namespace pgrepl::pg
