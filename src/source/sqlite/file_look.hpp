#pragma once
// What can be said about a SQLite file without opening it. Only stat() and access() are used: opening and
// closing the file beside SQLite would drop the POSIX locks of every connection of this process to it. Each look
// reaches the file's directory again, so that it shows what the path leads to now.

#include <cstdint>
#include <string>

#include "source/sqlite/place.hpp"

namespace pgrepl::sqlite {

/// Which file it is and when its bytes last changed.
struct FileMark {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t bytes = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;
    std::uint32_t owner = 0;
    std::uint32_t group = 0;
    std::uint32_t mode = 0;

    [[nodiscard]] bool same_file(const FileMark& other) const { return device == other.device && inode == other.inode; }
    /// Nothing was written to the file between two marks, if the first one is settled().
    [[nodiscard]] bool same_content(const FileMark& other) const {
        return inode == other.inode && bytes == other.bytes && mtime_ns == other.mtime_ns && ctime_ns == other.ctime_ns;
    }
};

/// The mark of the file. Throws SourceError kNotFound, kPermissionDenied, kNotADatabase or kReplaced (a link where none
/// may be) with the reason.
FileMark mark_file(const Place& place);

/// Throws if the file cannot be read by this process.
void check_readable(const Place& place);

/// As mark_file(), for a file that was already in use: throws kReplaced if it is gone or another one.
FileMark mark_again(const Place& place, const FileMark& before);

/// Whether any write from now on is certain to give the file another time stamp. A kernel stamps files with a
/// clock that ticks every few milliseconds: two writes within one tick leave the same mark.
bool settled(const FileMark& mark);

/// Milliseconds after which a mark is settled on every file system with fine time stamps.
constexpr int kSettleMs = 20;

/// The files that SQLite keeps beside a database in WAL mode.
struct Sidecars {
    bool wal_exists = false;
    bool shm_exists = false;
    std::int64_t wal_bytes = 0;
};
/// Throws kPermissionDenied if one of them, or the rollback journal, is no regular file: SQLite would follow no link
/// either, but take one for a file that it cannot use, and say something else.
Sidecars look_at_sidecars(const Place& place);

/// Whether SQLite, opening a WAL database, would create no -wal or -shm file that the database's own programs
/// cannot write: a reader that left such files behind would make every writer fail.
bool sidecars_are_harmless(const Place& place, const FileMark& database, const Sidecars& sidecars);

}  // namespace pgrepl::sqlite
