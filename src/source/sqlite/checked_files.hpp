#pragma once
// How SQLite opens the files of a source: by names that cannot exist in the file system and that only our part of
// SQLite's system calls understands. After each stands a directory that is held open (place.hpp), and the database,
// -wal, -shm and -journal are opened in it.
//
// One might think that a VFS of our own is enough. But the -shm file is opened by the methods of the database file,
// beneath any VFS, and the file's own name is needed there: so open, access, stat and unlink of the unix VFS are
// replaced (xSetSystemCall), and what maps the -shm file (mapped_index.hpp). That holds for the whole process, in which
// others may use the same library: for every name that is not one of ours the calls are the ones that were there
// before. Should somebody set them back, our names exist nowhere and nothing is opened.

#include <sys/stat.h>

#include <string>

#include "source/sqlite/mapped_index.hpp"
#include "source/sqlite/place.hpp"

namespace pgrepl::sqlite {

class CheckedFiles {
  public:
    /// Reaches the directory and looks at the database: the one that is there now is the only one that SQLite will get.
    /// Throws SourceError kUnsupported where this SQLite's system calls cannot be replaced.
    explicit CheckedFiles(const Place& place);
    CheckedFiles(const CheckedFiles&) = delete;
    CheckedFiles& operator=(const CheckedFiles&) = delete;
    ~CheckedFiles();

    /// What to call the database when it is opened through the VFS `kVfsName`; with nothing in it that a URI would
    /// have to escape.
    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    /// Whether what was read since the last question may be nonsense, because the index of the log has lost pages.
    [[nodiscard]] bool index_is_lost() const noexcept { return sqlite::index_is_lost(database_); }

    // What SQLite calls; `suffix` is that of the file.
    int open_file(const char* suffix, int flags, mode_t mode) const noexcept;
    [[nodiscard]] const Directory& directory() const noexcept { return directory_; }

  private:
    Directory directory_;
    struct stat database_ = {};
    bool exists_;
    std::string name_;
};

constexpr const char* kVfsName = "pg_replicator";

}  // namespace pgrepl::sqlite
