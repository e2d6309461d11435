// Our names, our VFS, and the replaced system calls.

#include "source/sqlite/checked_files.hpp"

#include <sqlite3.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "core/source_error.hpp"
#include "source/sqlite/mapped_index.hpp"
#include "source/sqlite/temporary_file.hpp"

namespace pgrepl::sqlite {
namespace {

constexpr std::string_view kPrefix = "/dev/null/pg_replicator/";
constexpr std::string_view kFile = "/db";
constexpr std::string_view kIndexSuffix = "-shm";

// As SQLite's own table of system calls has them.
using OpenCall = int (*)(const char*, int, int);
using AccessCall = int (*)(const char*, int);
using StatCall = int (*)(const char*, struct stat*);
using UnlinkCall = int (*)(const char*);
using CloseCall = int (*)(int);
using MapCall = void* (*)(void*, std::size_t, int, int, int, off_t);
using UnmapCall = int (*)(void*, std::size_t);

struct SystemCalls {
    OpenCall open = nullptr;
    AccessCall access = nullptr;
    StatCall stat = nullptr;
    UnlinkCall unlink = nullptr;
    CloseCall close = nullptr;
    MapCall map = nullptr;
    UnmapCall unmap = nullptr;
};

/// The system calls that were there before ours.
SystemCalls& before() {
    static SystemCalls calls;
    return calls;
}

std::mutex& registry_lock() {
    static std::mutex lock;
    return lock;
}

std::map<unsigned long, const CheckedFiles*>& registry() {
    static std::map<unsigned long, const CheckedFiles*> files;
    return files;
}

bool is_ours(const char* path) { return std::strncmp(path, kPrefix.data(), kPrefix.size()) == 0; }

struct NamedFile {
    const CheckedFiles* files = nullptr;
    const char* suffix = "";
};

/// What a name of ours stands for; no files if it is none that was given out, such as that of the directory.
NamedFile find(const char* path) {
    char* end = nullptr;
    unsigned long const number = std::strtoul(path + kPrefix.size(), &end, 10);
    if (std::strncmp(end, kFile.data(), kFile.size()) != 0) {
        return {};
    }
    std::lock_guard const locked(registry_lock());
    auto const found = registry().find(number);
    return found == registry().end() ? NamedFile{} : NamedFile{found->second, end + kFile.size()};
}

int fail(int error) {
    errno = error;
    return error == 0 ? 0 : -1;
}

int checked_open(const char* path, int flags, int mode) {
    if (!is_ours(path)) {
        return before().open(path, flags, mode);
    }
    NamedFile const file = find(path);
    return file.files == nullptr ? fail(ENOENT) : file.files->open_file(file.suffix, flags, static_cast<mode_t>(mode));
}

int checked_access(const char* path, int mode) {
    if (!is_ours(path)) {
        return before().access(path, mode);
    }
    NamedFile const file = find(path);
    struct stat info = {};
    int const error = file.files == nullptr ? ENOENT : file.files->directory().look(file.suffix, info);
    return fail(error != 0 ? error : file.files->directory().may(file.suffix, mode) ? 0 : EACCES);
}

int checked_stat(const char* path, struct stat* info) {
    if (!is_ours(path)) {
        return before().stat(path, info);
    }
    NamedFile const file = find(path);
    return fail(file.files == nullptr ? ENOENT : file.files->directory().look(file.suffix, *info));
}

int checked_unlink(const char* path) {
    if (!is_ours(path)) {
        return before().unlink(path);
    }
    NamedFile const file = find(path);
    return fail(file.files == nullptr ? ENOENT : file.files->directory().remove_file(file.suffix));
}

int checked_close(int file) {
    forget_index_file(file);
    return before().close(file);
}

void* checked_map(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
    return is_index_file(file) ? map_index(bytes, protection, flags, file, offset)
                               : before().map(address, bytes, protection, flags, file, offset);
}

int checked_unmap(void* address, std::size_t bytes) {
    return unmap_index(address) ? 0 : before().unmap(address, bytes);
}

/// Our names are complete; the unix VFS would look for links on the way to them.
int keep_name(sqlite3_vfs*, const char* name, int bytes, char* out) {
    sqlite3_snprintf(bytes, out, "%s", name);
    return SQLITE_OK;
}

int (*open_named_file)(sqlite3_vfs*, const char*, sqlite3_file*, int, int*) = nullptr;

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* flags_used) {
    if (name != nullptr) {
        return open_named_file(vfs, name, file, flags, flags_used);
    }
    if (flags_used != nullptr) {
        *flags_used = flags;
    }
    return open_temporary_file(file);
}

template <typename Call>
bool replace(sqlite3_vfs& unix_vfs, const char* name, Call& previous, Call ours) {
    previous = reinterpret_cast<Call>(unix_vfs.xGetSystemCall(&unix_vfs, name));
    return previous != nullptr &&
           unix_vfs.xSetSystemCall(&unix_vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(ours)) == SQLITE_OK;
}

bool install() {
    sqlite3_vfs* const unix_vfs = sqlite3_vfs_find("unix");
    if (unix_vfs == nullptr || unix_vfs->iVersion < 3 || unix_vfs->xSetSystemCall == nullptr) {
        return false;
    }
    SystemCalls& calls = before();
    if (!replace<OpenCall>(*unix_vfs, "open", calls.open, checked_open) ||
        !replace<AccessCall>(*unix_vfs, "access", calls.access, checked_access) ||
        !replace<StatCall>(*unix_vfs, "stat", calls.stat, checked_stat) ||
        !replace<UnlinkCall>(*unix_vfs, "unlink", calls.unlink, checked_unlink) ||
        !replace<CloseCall>(*unix_vfs, "close", calls.close, checked_close) ||
        !replace<MapCall>(*unix_vfs, "mmap", calls.map, checked_map) ||
        !replace<UnmapCall>(*unix_vfs, "munmap", calls.unmap, checked_unmap)) {
        return false;
    }
    static sqlite3_vfs ours = *unix_vfs;
    open_named_file = unix_vfs->xOpen;
    ours.xOpen = open_file;
    ours.szOsFile = std::max(ours.szOsFile, static_cast<int>(temporary_file_object_bytes()));
    ours.pNext = nullptr;
    ours.zName = kVfsName;
    ours.xFullPathname = keep_name;
    return sqlite3_vfs_register(&ours, 0) == SQLITE_OK;
}

unsigned long next_number() {
    static unsigned long last = 0;
    return ++last;
}

}  // namespace

CheckedFiles::CheckedFiles(const Place& place) : directory_(place), exists_(directory_.look("", database_) == 0) {
    static bool const installed = install();
    if (!installed) {
        throw core::SourceError(core::SourceErrorKind::kUnsupported, 0,
                                "this build of SQLite does not let its files be opened safely", false,
                                "Its unix VFS has no system calls that can be replaced.",
                                "Install the libsqlite3 of the operating system's distribution.");
    }
    std::lock_guard const locked(registry_lock());
    unsigned long const number = next_number();
    name_ = std::string(kPrefix) + std::to_string(number) + std::string(kFile);
    registry()[number] = this;
}

CheckedFiles::~CheckedFiles() {
    std::lock_guard const locked(registry_lock());
    registry().erase(std::strtoul(name_.c_str() + kPrefix.size(), nullptr, 10));
}

int CheckedFiles::open_file(const char* suffix, int flags, mode_t mode) const noexcept {
    bool const database = *suffix == '\0';
    if (database && !exists_) {
        return fail(ENOENT);
    }
    int const file = directory_.open_file(suffix, flags, mode, database ? &database_ : nullptr);
    if (file >= 0 && suffix == kIndexSuffix && !note_index_file(file, database_)) {
        ::close(file);
        return fail(ENOMEM);
    }
    return file;
}

}  // namespace pgrepl::sqlite
