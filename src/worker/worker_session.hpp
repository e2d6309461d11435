#pragma once
// What every worker that is connected to a database begins with.

#include <functional>
#include <string>

#include "pg/worker.hpp"

namespace pgrepl::worker {

/// Signals, connection, and the settings that our statements rely on.
pg::WorkerArguments begin_worker_session();

/// Lets index builds and merges use this much memory; a source's option may differ from the setting.
void limit_memory(int memory_kb);

/// Memory that one batch has freed serves the next: to give it back each time costs a page fault for every 4 kB of it.
void keep_freed_memory();

/// For how long this session waits for a lock; "0": for ever.
void set_lock_timeout(const std::string& timeout);

/// Whether commits of this session wait until they are on disk. Not needed where a commit that a crash takes back is
/// made again by itself.
void set_commits_wait(bool wait);

/// Takes the lock of this kind for the source and has the launcher probe the database when this process ends, whatever
/// the reason. False if another process is at it already.
bool become_the_one_worker(std::int32_t source_id, pg::WorkerKind kind);

/// Does a worker's work. An error that leaves it (it could not begin, or not even write down what went wrong) ends the
/// process after a pause: another one is started at once, and would meet the same.
void work_until_it_ends(const std::function<void()>& work);

/// Whether workers may go on here: enabled, not stopped for this database, and the right version.
bool workers_may_run();

/// Handles pending interrupts after an exception has been caught. True if `error`, or what is pending, is a cancel that
/// somebody has sent: what was done is not wanted, or not in this way; look at the catalog again. An error that only
/// has the code of a cancel is an error as any other.
bool was_canceled(const pg::SqlError& error);

/// One line in the server log: "pg_replicator <what> "<name>": <error>".
void log_failure(const std::string& what, const std::string& name, const pg::SqlError& error);

enum class Installation {
    kNone,          ///< the database does not have the extension (any more)
    kOtherVersion,  ///< it has another version than the loaded library: a restart is due
    kUsable,
};

/// What the database has, in a transaction of its own. Logs a warning for another version.
Installation installation();

}  // namespace pgrepl::worker
