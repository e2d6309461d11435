// SQLite's interface to a file, for one that nobody else sees: there is nothing to lock, to sync or to map.

#include "source/sqlite/temporary_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "source/sqlite/own_limits.hpp"

namespace pgrepl::sqlite {
namespace {

/// The free space of the disk is looked at again after so many bytes.
constexpr std::int64_t kLookEvery = 4 << 20;

struct TemporaryFile {
    sqlite3_file base;  ///< SQLite knows this part
    int descriptor;
    std::int64_t bytes;
};

TemporaryFile& of(sqlite3_file* file) { return *reinterpret_cast<TemporaryFile*>(file); }

struct Room {
    std::int64_t used = 0;
    std::int64_t allowed_by_disk = 0;
};

/// Of all temporary files of this process.
Room& room() {
    static Room all;
    return all;
}

/// Whether the files may grow by so much; takes it then.
bool take(int descriptor, std::int64_t growth) {
    Room& all = room();
    const OwnLimits* const limits = limits_in_force();
    std::int64_t const wanted = all.used + growth;
    if (limits == nullptr || wanted > limits->temporary_file_bytes.value_or(INT64_MAX)) {
        return false;
    }
    if (wanted > all.allowed_by_disk) {
        struct statvfs disk = {};
        if (::fstatvfs(descriptor, &disk) != 0) {
            return false;
        }
        auto const available = static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
        if (wanted > available) {
            return false;
        }
        all.allowed_by_disk = std::min(wanted + kLookEvery, available);
    }
    all.used = wanted;
    return true;
}

void give_back(std::int64_t bytes) {
    room().used -= bytes;
    room().allowed_by_disk = 0;
}

int close_file(sqlite3_file* file) {
    ::close(of(file).descriptor);
    give_back(of(file).bytes);
    return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* to, int bytes, sqlite3_int64 offset) {
    auto* at = static_cast<char*>(to);
    while (bytes > 0) {
        ssize_t const count = ::pread(of(file).descriptor, at, static_cast<std::size_t>(bytes), offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return SQLITE_IOERR_READ;
        }
        if (count == 0) {
            std::fill_n(at, bytes, '\0');
            return SQLITE_IOERR_SHORT_READ;
        }
        at += count;
        offset += count;
        bytes -= static_cast<int>(count);
    }
    return SQLITE_OK;
}

int write_file(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
    TemporaryFile& self = of(file);
    std::int64_t const end = std::max<std::int64_t>(self.bytes, offset + bytes);
    if (!take(self.descriptor, end - self.bytes)) {
        return SQLITE_FULL;
    }
    self.bytes = end;
    const auto* at = static_cast<const char*>(from);
    while (bytes > 0) {
        ssize_t const count = ::pwrite(self.descriptor, at, static_cast<std::size_t>(bytes), offset);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count == 0 || errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
        }
        at += count;
        offset += count;
        bytes -= static_cast<int>(count);
    }
    return SQLITE_OK;
}

int truncate_file(sqlite3_file* file, sqlite3_int64 bytes) {
    TemporaryFile& self = of(file);
    if (::ftruncate(self.descriptor, bytes) != 0) {
        return SQLITE_IOERR_TRUNCATE;
    }
    give_back(self.bytes - bytes);
    self.bytes = bytes;
    return SQLITE_OK;
}

int sync_file(sqlite3_file*, int) { return SQLITE_OK; }

int file_size(sqlite3_file* file, sqlite3_int64* bytes) {
    *bytes = of(file).bytes;
    return SQLITE_OK;
}

int change_lock(sqlite3_file*, int) { return SQLITE_OK; }

int check_lock(sqlite3_file*, int* held) {
    *held = 0;
    return SQLITE_OK;
}

int control_file(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return 4096; }
int characteristics(sqlite3_file*) { return 0; }

constexpr sqlite3_io_methods methods() {
    sqlite3_io_methods made = {};
    made.iVersion = 1;
    made.xClose = close_file;
    made.xRead = read_file;
    made.xWrite = write_file;
    made.xTruncate = truncate_file;
    made.xSync = sync_file;
    made.xFileSize = file_size;
    made.xLock = change_lock;
    made.xUnlock = change_lock;
    made.xCheckReservedLock = check_lock;
    made.xFileControl = control_file;
    made.xSectorSize = sector_size;
    made.xDeviceCharacteristics = characteristics;
    return made;
}

constexpr sqlite3_io_methods kMethods = methods();

/// Open in `directory`, and gone from it; -1 if that fails.
int open_without_name(const std::string& directory) {
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(directory).parent_path(), ignored);
    (void)::mkdir(directory.c_str(), 0700);
    std::string name = directory + "/temporary-XXXXXX";
    int const descriptor = ::mkostemp(name.data(), O_CLOEXEC);
    if (descriptor >= 0) {
        ::unlink(name.c_str());
    }
    return descriptor;
}

}  // namespace

std::size_t temporary_file_object_bytes() noexcept { return sizeof(TemporaryFile); }

int open_temporary_file(sqlite3_file* object) noexcept {
    object->pMethods = nullptr;
    try {
        const OwnLimits* const limits = limits_in_force();
        if (limits == nullptr) {
            return SQLITE_CANTOPEN;
        }
        int const descriptor = open_without_name(limits->directory);
        if (descriptor < 0) {
            return SQLITE_CANTOPEN;
        }
        TemporaryFile& self = of(object);
        self.descriptor = descriptor;
        self.bytes = 0;
        object->pMethods = &kMethods;
        return SQLITE_OK;
    } catch (...) {
        return SQLITE_NOMEM;
    }
}

}  // namespace pgrepl::sqlite
