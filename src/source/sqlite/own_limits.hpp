#pragma once
// What SQLite may take of this server while it reads a file of somebody else's: a view, or a generated column, has it
// compute what its author likes. Its memory is bounded by SQLite's own limit. What it sorts or keeps beyond its caches
// goes to temporary files (temporary_file.hpp), in a directory of ours. Both are SQLite's for the whole process, and so
// is this object; it is there for as long as a source is open.

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string>

#include "core/postgres_free.hpp"

namespace pgrepl::sqlite {

struct OwnLimits {
    std::int64_t memory_bytes;
    std::string directory;  ///< for temporary files; is made when it is needed
    std::optional<std::int64_t> temporary_file_bytes;
};

class ScopedLimits {
  public:
    explicit ScopedLimits(OwnLimits limits);
    ScopedLimits(const ScopedLimits&) = delete;
    ScopedLimits& operator=(const ScopedLimits&) = delete;
    ~ScopedLimits();

  private:
    OwnLimits limits_;
    const OwnLimits* previous_;
    std::int64_t previous_hard_;
    std::int64_t previous_soft_;
};

/// Null while no source is open.
const OwnLimits* limits_in_force() noexcept;

/// Whether it is the limit that SQLite has just been refused memory by, and not the server that has none left.
bool memory_limit_was_met() noexcept;

}  // namespace pgrepl::sqlite
