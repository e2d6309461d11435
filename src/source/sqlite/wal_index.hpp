#pragma once
// The header of a WAL database's shared index: it says which frames of the log a reader sees. Read in place,
// in the memory that the connection itself has mapped (https://www.sqlite.org/walformat.html).

#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <optional>

#include "core/postgres_free.hpp"

namespace pgrepl::sqlite {

/// One state of the log. Within one generation of the log (one salt) frames are only appended, and the
/// checksum of a frame covers all frames before it.
struct WalMark {
    std::array<std::uint32_t, 2> salt = {};
    std::uint32_t frames = 0;
    std::array<std::uint32_t, 2> checksum = {};  ///< of the last frame
    std::uint32_t commits = 0;                   ///< counts commits; starts again at 0 when the index is rebuilt
    std::uint32_t pages = 0;                     ///< of the database
    std::uint32_t page_size = 0;

    bool operator==(const WalMark&) const = default;
};

/// The newest committed state, for which the connection must be in a read transaction; nothing while a writer
/// is changing it or where it cannot be mapped.
std::optional<WalMark> read_wal_mark(sqlite3_file* file);

/// Whether the index is mapped, as far as SQLite lets us look at it.
bool wal_index_is_mapped(sqlite3_file* file);

/// How many frames are known to be in the database file itself, synced.
std::uint32_t read_backfilled_frames(sqlite3_file* file);

}  // namespace pgrepl::sqlite
