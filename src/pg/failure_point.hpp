#pragma once
// Named places where a test may have a process end as if it had crashed. Inert unless the server was started
// with pg_replicator.failure_points = on.

#include <string>

namespace pgrepl::pg {

/// If the file pg_replicator.failure_point in the data directory names this point (its content is `name`, or
/// `name:error` to raise an error instead), removes the file and ends this process by SIGKILL, or raises the error.
/// With `name:always` the file stays: each process that gets there ends. With `name:wait` it makes the file
/// pg_replicator.failure_point.<name>, and waits while the first one says so, for four minutes or so. With `name:full`
/// it panics as the server does where there is no room for its log.
void failure_point(const char* name);

/// The point `name of`: one for each table, for example.
void failure_point(const char* name, const std::string& of);

/// The same in a callback of a process's end, where no error can be raised: `name:error` is passed over.
void exit_failure_point(const char* name) noexcept;

}  // namespace pgrepl::pg
