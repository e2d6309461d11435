// What can be said about a SQLite file without opening it: what it is, whether we may read it, and whether
// opening it would leave files behind that its own programs cannot use.

#include "source/sqlite/file_look.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <optional>

#include "core/source_error.hpp"

namespace pgrepl::sqlite {
namespace {

using core::SourceError;
using core::SourceErrorKind;

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

std::int64_t nanos(const timespec& time) {
    return static_cast<std::int64_t>(time.tv_sec) * kNanosPerSecond + time.tv_nsec;
}

bool may(const std::string& path, int mode) { return ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0; }

[[noreturn]] void throw_is_directory(const std::string& path) {
    throw SourceError(SourceErrorKind::kNotADatabase, EISDIR, "\"" + path + "\" is a directory, not a SQLite file",
                      false, "A SQLite database is one file.", "Name the database file in the URL.");
}

/// The first directory on the way to `path` that fails `mode`.
std::string first_failing_directory(const std::string& path, int mode) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        std::string directory = path.substr(0, slash);
        if (!may(directory, mode)) {
            return directory;
        }
    }
    return {};
}

[[noreturn]] void throw_missing(const Place& place, const Directory& directory) {
    std::string const& path = place.path;
    std::string missing = directory.failed_at();
    if (!missing.empty() && place.beneath.empty()) {
        missing = first_failing_directory(path, F_OK);
    }
    std::string detail = "Its directory is there, but has no such file.";
    std::string hint = "Check the path in the URL; it is a path on the database server's machine.";
    struct stat ignored = {};
    bool const wal = directory.look("-wal", ignored) == 0;
    if (!missing.empty()) {
        detail = "The directory \"" + missing + "\" does not exist either.";
    } else if (wal || directory.look("-journal", ignored) == 0) {
        detail = "Its " + std::string(wal ? "write-ahead log" : "rollback journal") + " \"" + path +
                 (wal ? "-wal" : "-journal") + "\" is there, but holds only the latest changes, not the database.";
        hint = "Put the database file back beside it; do not delete it before.";
    }
    throw SourceError(SourceErrorKind::kNotFound, ENOENT, "SQLite file \"" + path + "\" does not exist", true, detail,
                      hint);
}

[[noreturn]] void throw_denied(const Place& place, const Directory& directory) {
    std::string const failed =
        place.beneath.empty() ? first_failing_directory(place.path, X_OK) : std::string(directory.failed_at());
    throw SourceError(SourceErrorKind::kPermissionDenied, EACCES,
                      "permission denied for SQLite file \"" + place.path + "\"", false,
                      failed.empty() ? "" : "The directory \"" + failed + "\" may not be entered.",
                      "Let the operating system user of the PostgreSQL server enter the directory and read "
                      "the file.");
}

[[noreturn]] void throw_look_error(const Place& place, const Directory& directory, int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            throw_missing(place, directory);
        case EACCES:
            throw_denied(place, directory);
        case EISDIR:
            throw_is_directory(place.path);
        case ELOOP: {
            std::string const link = *directory.failed_at() == '\0' ? place.path : directory.failed_at();
            throw SourceError(SourceErrorKind::kReplaced, error,
                              "SQLite file \"" + place.path + "\" is not reached without a symbolic link any more",
                              true,
                              "\"" + link + "\" was none when the path was checked; below \"" + place.beneath +
                                  "\" no link is followed after that.",
                              "The path is checked again with the next attempt.");
        }
        default:
            throw SourceError(SourceErrorKind::kUnreachable, error,
                              "cannot look at SQLite file \"" + place.path + "\": " + std::strerror(error), true);
    }
}

FileMark make_mark(const struct stat& info) {
    FileMark mark;
    mark.device = info.st_dev;
    mark.inode = info.st_ino;
    mark.bytes = info.st_size;
    mark.mtime_ns = nanos(info.st_mtim);
    mark.ctime_ns = nanos(info.st_ctim);
    mark.owner = info.st_uid;
    mark.group = info.st_gid;
    mark.mode = info.st_mode;
    return mark;
}

}  // namespace

FileMark mark_file(const Place& place) {
    Directory const directory(place);
    struct stat info = {};
    if (int const error = directory.look("", info); error != 0) {
        throw_look_error(place, directory, error);
    }
    if (S_ISDIR(info.st_mode)) {
        throw_is_directory(place.path);
    }
    if (!S_ISREG(info.st_mode)) {
        throw SourceError(SourceErrorKind::kNotADatabase, 0, "\"" + place.path + "\" is not a regular file", false, "",
                          "Name the database file in the URL.");
    }
    return make_mark(info);
}

void check_readable(const Place& place) {
    FileMark const mark = mark_file(place);
    if (!Directory(place).may("", R_OK)) {
        throw SourceError(SourceErrorKind::kPermissionDenied, EACCES,
                          "permission denied for SQLite file \"" + place.path + "\"", false,
                          "The file may not be read.",
                          "Let the operating system user of the PostgreSQL server read the file.");
    }
    if (mark.bytes == 0) {
        throw SourceError(SourceErrorKind::kNotADatabase, 0, "SQLite file \"" + place.path + "\" is empty", true,
                          "A file of 0 bytes holds no table; it is what SQLite leaves when a database was opened "
                          "and never written.",
                          "Check the path in the URL, or create the tables first.");
    }
}

FileMark mark_again(const Place& place, const FileMark& before) {
    Directory const directory(place);
    struct stat info = {};
    int const error = directory.look("", info);
    bool const exists = error == 0;
    if (!exists && error != ENOENT && error != ENOTDIR) {
        throw_look_error(place, directory, error);
    }
    if (exists && before.same_file(make_mark(info))) {
        return make_mark(info);
    }
    throw SourceError(SourceErrorKind::kReplaced, 0,
                      "SQLite file \"" + place.path + "\" was " +
                          (exists ? "replaced by another file" : "removed or renamed") + " while it was being read",
                      true, "", "The copy starts over with the file that has this name now.");
}

bool settled(const FileMark& mark) {
    timespec now = {};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    std::int64_t const last = std::max(mark.mtime_ns, mark.ctime_ns);
    // File systems with stamps of whole seconds (FAT: two) leave no nanoseconds.
    bool const coarse = mark.mtime_ns % kNanosPerSecond == 0 && mark.ctime_ns % kNanosPerSecond == 0;
    std::int64_t const age = nanos(now) - last;
    // A stamp in the future is left behind by a clock that was set back; a write would move it back too.
    return age < 0 || age > (coarse ? 2 * kNanosPerSecond : std::int64_t{10'000'000});
}

Sidecars look_at_sidecars(const Place& place) {
    Directory const directory(place);
    Sidecars sidecars;
    for (const char* const suffix : {"-wal", "-shm", "-journal"}) {
        struct stat info = {};
        int const error = directory.look(suffix, info);
        if (error == ELOOP || (error == 0 && !S_ISREG(info.st_mode))) {
            throw SourceError(
                SourceErrorKind::kPermissionDenied, error,
                "\"" + place.path + suffix + "\" is " + (error == ELOOP ? "a symbolic link" : "not a regular file"),
                false, "It lies where SQLite keeps changes of the database; no link is followed there.",
                "Remove it, or put the file itself in its place.");
        }
        if (error == 0 && std::strcmp(suffix, "-wal") == 0) {
            sidecars.wal_exists = true;
            sidecars.wal_bytes = info.st_size;
        }
        sidecars.shm_exists = sidecars.shm_exists || (error == 0 && std::strcmp(suffix, "-shm") == 0);
    }
    return sidecars;
}

bool sidecars_are_harmless(const Place& place, const FileMark& database, const Sidecars& sidecars) {
    if (sidecars.wal_exists && sidecars.shm_exists) {
        return true;  // nothing is created
    }
    if (!Directory(place).may_create()) {
        return false;  // they cannot be created at all
    }
    // SQLite gives them the database's mode and, where it runs as root, its owner.
    if (::geteuid() == 0 || ::geteuid() == database.owner) {
        return true;
    }
    bool const group_may_write = (database.mode & S_IWGRP) != 0 && ::getegid() == database.group;
    return group_may_write || (database.mode & S_IWOTH) != 0;
}

}  // namespace pgrepl::sqlite
