#pragma once
// The temporary files of SQLite: where its caches do not hold what it sorts, or keeps to tell rows apart. They have no
// name, so none is left behind; they are in the directory that is in force (own_limits.hpp), and all of this process
// together have at most the bytes that it says. Nor do they take more than half of what is free on the disk: SQLite is
// told that it is full (SQLITE_FULL), before it is for others.

#include <sqlite3.h>

#include <cstddef>

#include "core/postgres_free.hpp"

namespace pgrepl::sqlite {

/// What SQLite has to allocate for one.
std::size_t temporary_file_object_bytes() noexcept;

/// As sqlite3_vfs::xOpen() for a file without a name.
int open_temporary_file(sqlite3_file* object) noexcept;

}  // namespace pgrepl::sqlite
