#pragma once
// The shared index of a write-ahead log (-shm) is the one file that SQLite maps into our memory: by it all programs
// that have the database open agree on what is in the log. It is no file of ours. Whoever may write beside the database
// can truncate it, and a look at what is then beyond its end raises SIGBUS, which would end this process and with it
// every session of the server. So SQLite has it mapped here: where a page of it has gone, a handler of that signal puts
// an empty page of our own in its place, and notes that the index is lost. What was read since must not be used.
//
// Entries of the index are numbers. Some versions of SQLite (3.40 is one) follow them without looking at how large they
// are: behind each part there is memory for as far as they reach.

#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>

#include "core/postgres_free.hpp"

namespace pgrepl::sqlite {

/// From now on, until it is closed, what is mapped of `file` is the index of that database. False: no memory, or no
/// handler can be set.
bool note_index_file(int file, const struct stat& database) noexcept;
/// To be called before any file is closed.
void forget_index_file(int file) noexcept;
[[nodiscard]] bool is_index_file(int file) noexcept;

/// As mmap() and munmap(). An index that is lost is not mapped again before all that is mapped of it has gone.
void* map_index(std::size_t bytes, int protection, int flags, int file, off_t offset) noexcept;
/// False: nothing that was mapped here.
bool unmap_index(void* begin) noexcept;

namespace detail {
extern std::atomic<bool> some_index_was_lost;
bool is_lost(const struct stat& database) noexcept;
}  // namespace detail

/// Whether the index of this database has lost pages while this process had it mapped. Cheap enough for each row.
inline bool index_is_lost(const struct stat& database) noexcept {
    return detail::some_index_was_lost.load(std::memory_order_relaxed) && detail::is_lost(database);
}

}  // namespace pgrepl::sqlite
