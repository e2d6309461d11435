#pragma once
// Where a database file is, and looking at it and at the files beside it so that nobody can swap another file for
// it between a check and what follows: its directory is reached once and held open, and the files are names in it.

#include <sys/stat.h>

#include <array>
#include <climits>
#include <cstdint>
#include <string>

#include "core/postgres_free.hpp"

namespace pgrepl::sqlite {

/// The path of a database, and how much of it may be symbolic links.
struct Place {
    std::string path;
    /// The directory that the path begins with, below which no link is followed; empty: links are followed.
    std::string beneath;
};

/// The directory of a database, held open. Below Place::beneath it is reached step by step without following a link;
/// a path that ends in a link is refused there too. It opens with O_PATH only what it does not hand out: to close
/// any other descriptor of a file drops the POSIX locks that SQLite holds on it in this process.
class Directory {
  public:
    explicit Directory(const Place& place) noexcept;
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory();

    /// Of the file whose name is the database's with `suffix` after it ("", "-wal", …): 0 or an errno. A link is
    /// ELOOP; where links are followed, a database that is still one leads nowhere: ENOENT.
    int look(const char* suffix, struct stat& info) const noexcept;
    /// As faccessat() for the effective user.
    [[nodiscard]] bool may(const char* suffix, int mode) const noexcept;
    /// Whether files can be created beside the database.
    [[nodiscard]] bool may_create() const noexcept;

    /// A descriptor of a regular file, else -1 and errno. Of an existing file it is certain before it is opened that it
    /// is a regular one and `wanted`, if that is given: nothing else is ever opened.
    int open_file(const char* suffix, int flags, mode_t mode, const struct stat* wanted) const noexcept;
    /// 0 or an errno.
    [[nodiscard]] int remove_file(const char* suffix) const noexcept;

    /// The directory that could not be reached; empty if it was.
    [[nodiscard]] const char* failed_at() const noexcept { return failed_at_.data(); }

  private:
    using FileName = std::array<char, NAME_MAX + 1>;

    void reach_beneath(const std::string& path, const std::string& beneath) noexcept;
    void reach_following(const std::string& path) noexcept;
    void fail(int error, const std::string& path, std::size_t length) noexcept;
    void take_name(const char* name) noexcept;
    bool make_name(const char* suffix, FileName& name) const noexcept;

    int descriptor_ = -1;
    int error_ = 0;
    bool follows_ = false;
    FileName name_ = {};
    std::array<char, PATH_MAX> failed_at_ = {};
};

}  // namespace pgrepl::sqlite
