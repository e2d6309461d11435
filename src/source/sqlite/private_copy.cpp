// Private copies of a SQLite file in the scratch directory. Only the pages are copied: the copy is marked as
// being in rollback-journal mode, so that it can be read without a -wal or -shm file.

#include "source/sqlite/private_copy.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <system_error>
#include <vector>

namespace pgrepl::sqlite {
namespace {

using core::SourceError;
using core::SourceErrorKind;

constexpr const char* kPrefix = "snapshot-";
constexpr const char* kComplete = ".sqlite";
constexpr const char* kPartial = ".partial";
constexpr std::int64_t kBlockBytes = 1 << 20;  // a few milliseconds between two questions for interrupts
constexpr std::int64_t kFlushBytes = 32 << 20;
constexpr std::int64_t kSpareBytes = 16 << 20;

[[noreturn]] void throw_copy_error(const std::string& what, const std::string& path, int error) {
    bool const full = error == ENOSPC || error == EDQUOT;
    throw SourceError(
        full || error == EACCES || error == EROFS ? SourceErrorKind::kResource : SourceErrorKind::kUnreachable, error,
        "cannot " + what + " \"" + path + "\": " + std::strerror(error), true,
        "The private copy of a SQLite file is kept on this server.",
        full ? "Make room on this server's disk." : "Check the directory and its owner.");
}

/// An open file; closes it.
class OwnFile {
  public:
    OwnFile(const std::string& path, int flags) : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {
        if (fd_ < 0) {
            throw_copy_error("open", path, errno);
        }
    }
    OwnFile(const OwnFile&) = delete;
    OwnFile& operator=(const OwnFile&) = delete;
    ~OwnFile() { ::close(fd_); }

    void sync() const {
        if (::fsync(fd_) != 0) {
            throw_copy_error("write out", path_, errno);
        }
    }
    /// Errors show in sync().
    void start_and_await_writing(std::int64_t offset, std::int64_t bytes) const {
        ::sync_file_range(fd_, offset, bytes,
                          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    }
    void write_at(const void* data, std::size_t bytes, off_t offset) const {
        if (::pwrite(fd_, data, bytes, offset) != static_cast<ssize_t>(bytes)) {
            throw_copy_error("write to", path_, errno);
        }
    }
    [[nodiscard]] std::int64_t bytes() const {
        struct stat info = {};
        return ::fstat(fd_, &info) == 0 ? info.st_size : 0;
    }

  private:
    std::string path_;
    int fd_;
};

/// Removes a file that did not become complete.
class Unfinished {
  public:
    explicit Unfinished(std::string path) : path_(std::move(path)) {}
    Unfinished(const Unfinished&) = delete;
    Unfinished& operator=(const Unfinished&) = delete;
    ~Unfinished() {
        if (!path_.empty()) {
            ::unlink(path_.c_str());
        }
    }
    void keep() { path_.clear(); }

  private:
    std::string path_;
};

struct CloseDatabase {
    void operator()(sqlite3* handle) const noexcept { sqlite3_close(handle); }
};
struct FinishBackup {
    void operator()(sqlite3_backup* backup) const noexcept { sqlite3_backup_finish(backup); }
};
using Destination = std::unique_ptr<sqlite3, CloseDatabase>;
using Backup = std::unique_ptr<sqlite3_backup, FinishBackup>;

std::string random_name() {
    std::random_device device;
    std::uniform_int_distribution<int> digit(0, 15);
    std::string name = kPrefix;
    for (int i = 0; i < 16; ++i) {
        name += "0123456789abcdef"[digit(device)];
    }
    return name;
}

void make_scratch_directory(const std::string& directory) {
    std::error_code error;
    auto const parent = std::filesystem::path(directory).parent_path();
    if (!parent.empty()) {
        std::filesystem::create_directories(parent, error);
    }
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
        throw_copy_error("create the directory", directory, errno);
    }
}

void check_free_space(const Connection& source, std::int64_t needed, const std::string& directory) {
    struct statvfs disk = {};
    if (::statvfs(directory.c_str(), &disk) != 0) {
        throw_copy_error("look at the free space of", directory, errno);
    }
    auto const available = static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
    if (available < needed + kSpareBytes) {
        throw SourceError(SourceErrorKind::kResource, ENOSPC,
                          "not enough disk space for a private copy of SQLite file \"" + source.path() + "\"", true,
                          "It takes " + std::to_string(needed) + " bytes; \"" + directory + "\" has " +
                              std::to_string(available) + " bytes left.",
                          "Make room on this server's disk, or let the copy run while the file is not written to.");
    }
}

[[noreturn]] void throw_backup_error(const Connection& source, sqlite3* destination, int result) {
    source.throw_if_interrupted();
    if ((result & 0xff) == SQLITE_FULL) {
        throw_copy_error("write a private copy of", source.path(), ENOSPC);
    }
    std::string const message = destination == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(destination);
    int const source_result = sqlite3_extended_errcode(source.handle());
    if (source_result != SQLITE_OK && (source_result & 0xff) == (result & 0xff)) {
        source.fail(result, "copy");
    }
    throw SourceError((result & 0xff) == SQLITE_NOMEM ? SourceErrorKind::kResource : SourceErrorKind::kUnreachable,
                      result, "cannot make a private copy of SQLite file \"" + source.path() + "\": " + message, true);
}

/// Byte by byte, faster than by pages: for a state that is wholly in the database file, which neither
/// writers nor checkpoints touch while it is held (a StillState is proven untouched afterwards).
void copy_bytes(const Connection& source, std::int64_t bytes, const OwnFile& file) {
    std::vector<char> block(kBlockBytes);
    sqlite3_file* const from = source.file();
    for (std::int64_t offset = 0; offset < bytes; offset += kBlockBytes) {
        source.throw_if_interrupted();
        auto const count = static_cast<int>(std::min(bytes - offset, kBlockBytes));
        int const result = from->pMethods->xRead(from, block.data(), count, offset);
        if (result != SQLITE_OK) {
            source.fail(result == SQLITE_IOERR_SHORT_READ ? SQLITE_CORRUPT : result, "copy");
        }
        file.write_at(block.data(), static_cast<std::size_t>(count), offset);
    }
}

/// By SQLite's backup interface: it finds pages in the log. In steps, each shorter than the time in which we must
/// answer an interrupt; the source's read transaction stays open between them, so they are of one state.
void copy_pages(const Connection& source, const std::string& path, std::int64_t page_size) {
    sqlite3* handle = nullptr;
    int result = sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    Destination const destination(handle);
    if (result == SQLITE_OK) {
        constexpr const char* kNoJournal =
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE";
        result = sqlite3_exec(handle, kNoJournal, nullptr, nullptr, nullptr);
    }
    Backup backup(result == SQLITE_OK ? sqlite3_backup_init(handle, "main", source.handle(), "main") : nullptr);
    if (!backup) {
        throw_backup_error(source, handle, result == SQLITE_OK ? sqlite3_errcode(handle) : result);
    }
    while ((result = sqlite3_backup_step(backup.get(), static_cast<int>(kBlockBytes / page_size))) == SQLITE_OK) {
        source.throw_if_interrupted();
    }
    backup.reset();
    source.throw_if_index_lost();
    if (result != SQLITE_DONE) {
        throw_backup_error(source, handle, result);
    }
}

/// Writes the copy out in pieces, so that the fsync at the end, which cannot be interrupted, has little left to do.
/// Not while the source is read: that may be holding up its writers.
void write_out(const Connection& source, const OwnFile& file) {
    std::int64_t const bytes = file.bytes();
    for (std::int64_t offset = 0; offset < bytes; offset += kFlushBytes) {
        source.throw_if_interrupted();
        file.start_and_await_writing(offset, kFlushBytes);
    }
    file.sync();
}

}  // namespace

StateIdentity make_private_copy(FileState& state, const std::string& scratch_directory) {
    Connection& source = state.connection();
    make_scratch_directory(scratch_directory);
    std::string const name = random_name();
    std::string const partial = scratch_directory + "/" + name + kPartial;
    std::string const complete = scratch_directory + "/" + name + kComplete;
    Unfinished unfinished(partial);
    OwnFile const file(partial, O_RDWR | O_CREAT | O_EXCL);

    auto const copy = [&] {
        std::int64_t const page_size = std::stoll(source.query_text("PRAGMA page_size", "look at the page size"));
        std::int64_t const pages = std::stoll(source.query_text("PRAGMA page_count", "count the pages"));
        check_free_space(source, pages * page_size, scratch_directory);
        if (state.identity().whole_in_file) {
            copy_bytes(source, pages * page_size, file);
        } else {
            copy_pages(source, partial, page_size);
        }
    };
    // Any state will do, so one that cannot be held beforehand need not still be there.
    within(state, copy, &FileState::enter_fresh);

    constexpr std::array<unsigned char, 2> kRollbackJournal = {1, 1};
    file.write_at(kRollbackJournal.data(), kRollbackJournal.size(), 18);
    write_out(source, file);
    if (::rename(partial.c_str(), complete.c_str()) != 0) {
        throw_copy_error("rename", partial, errno);
    }
    unfinished.keep();
    OwnFile(scratch_directory, O_RDONLY | O_DIRECTORY).sync();

    StateIdentity identity = state.identity();
    identity.copy_of = identity.kind;
    identity.kind = StateIdentity::Kind::kCopy;
    identity.copy_name = name + kComplete;
    identity.copy_bytes = file.bytes();
    return identity;
}

std::string find_private_copy(const StateIdentity& identity, const std::string& scratch_directory) {
    std::string path = scratch_directory + "/" + identity.copy_name;
    struct stat info = {};
    bool const our_name = identity.copy_name.starts_with(kPrefix) && identity.copy_name.find('/') == std::string::npos;
    if (!our_name || ::stat(path.c_str(), &info) != 0 || info.st_size != identity.copy_bytes) {
        throw SourceError(SourceErrorKind::kStateLost, 0, "the private copy \"" + path + "\" is not there any more",
                          true, "", "The copy starts over.");
    }
    return path;
}

void discard_private_copies(const std::string& scratch_directory, const std::string& keep) {
    std::error_code error;
    for (auto const& entry : std::filesystem::directory_iterator(scratch_directory, error)) {
        std::string const name = entry.path().filename().string();
        bool const ours = name.starts_with(kPrefix) && (name.ends_with(kComplete) || name.ends_with(kPartial));
        if (ours && name != keep) {
            std::error_code ignored;  // gone already, or tried again next time
            std::filesystem::remove(entry.path(), ignored);
        }
    }
}

}  // namespace pgrepl::sqlite
