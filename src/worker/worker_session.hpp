#pragma once
// What every worker that is connected to a database begins with.

#include "pg/worker.hpp"

namespace pgrepl::worker {

/// Signals, connection, and the settings that our statements rely on.
pg::WorkerArguments begin_worker_session();

/// Lets index builds and merges use this much memory; a source's option may differ from the setting.
void limit_memory(int memory_kb);

enum class Installation {
    kNone,          ///< the database does not have the extension (any more)
    kOtherVersion,  ///< it has another version than the loaded library: a restart is due
    kUsable,
};

/// What the database has, in a transaction of its own. Logs a warning for another version.
Installation installation();

}  // namespace pgrepl::worker
