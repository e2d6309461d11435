// Reaching a directory step by step, and opening files in it. Nothing here throws: SQLite calls it.

#include "source/sqlite/place.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace pgrepl::sqlite {
namespace {

constexpr int kDirectory = O_PATH | O_DIRECTORY | O_CLOEXEC;
constexpr int kRaces = 10;  ///< how often a file may be created and removed by others while it is opened

/// Closes it, and leaves errno alone.
void close_quietly(int descriptor) noexcept {
    int const error = errno;
    ::close(descriptor);
    errno = error;
}

bool same_file(const struct stat& a, const struct stat& b) noexcept {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// The error of a file that may not be opened as a database or as a part of one; 0 if it may.
int refusal(const struct stat& info, const struct stat* wanted) noexcept {
    if (S_ISLNK(info.st_mode)) {
        return ELOOP;
    }
    if (!S_ISREG(info.st_mode)) {
        return S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    }
    return wanted == nullptr || same_file(info, *wanted) ? 0 : ESTALE;
}

/// Opens the very file that `held`, a descriptor with O_PATH, stands for.
int open_held(int held, int directory, const char* name, int flags, const struct stat& expected) noexcept {
    std::array<char, 40> link = {};
    std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", held);
    int const opened = ::open(link.data(), flags & ~O_NOFOLLOW);
    if (opened >= 0 || errno != ENOENT) {
        return opened;
    }
    // Without /proc: by its name again, and compared.
    int const by_name = ::openat(directory, name, flags | O_NOFOLLOW | O_NONBLOCK);
    struct stat info = {};
    if (by_name >= 0 && (::fstat(by_name, &info) != 0 || !same_file(info, expected))) {
        ::close(by_name);
        errno = ESTALE;
        return -1;
    }
    return by_name;
}

}  // namespace

Directory::Directory(const Place& place) noexcept : follows_(place.beneath.empty()) {
    if (follows_) {
        reach_following(place.path);
    } else {
        reach_beneath(place.path, place.beneath);
    }
}

Directory::~Directory() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

void Directory::fail(int error, const std::string& path, std::size_t length) noexcept {
    error_ = error;
    std::size_t const shown = std::min(length, failed_at_.size() - 1);
    std::memcpy(failed_at_.data(), path.data(), shown);
    failed_at_[shown] = '\0';
}

void Directory::take_name(const char* name) noexcept {
    bool const names_no_file = *name == '\0' || std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
    if (names_no_file || std::strlen(name) >= name_.size()) {
        error_ = names_no_file ? EISDIR : ENAMETOOLONG;
        return;
    }
    std::strcpy(name_.data(), name);
}

void Directory::reach_beneath(const std::string& path, const std::string& beneath) noexcept {
    std::size_t at = beneath.size();
    while (at > 1 && beneath[at - 1] == '/') {
        --at;
    }
    bool const begins_so = path.compare(0, at, beneath, 0, at) == 0 && (path[at] == '/' || at == 1);
    descriptor_ = begins_so ? ::open(beneath.c_str(), kDirectory) : -1;
    if (descriptor_ < 0) {
        fail(begins_so ? errno : EACCES, beneath, beneath.size());
        return;
    }
    FileName step = {};
    while (true) {
        at = path.find_first_not_of('/', at);
        std::size_t const end = at == path.npos ? path.npos : path.find('/', at);
        if (end == path.npos || path.find_first_not_of('/', end) == path.npos) {
            take_name(at == path.npos ? "" : path.c_str() + at);
            return;
        }
        bool const upwards = path.compare(at, end - at, "..") == 0;
        if (upwards || end - at >= step.size()) {
            fail(upwards ? EACCES : ENAMETOOLONG, path, end);
            return;
        }
        std::memcpy(step.data(), path.data() + at, end - at);
        step[end - at] = '\0';
        int const next = ::openat(descriptor_, step.data(), kDirectory | O_NOFOLLOW);
        if (next < 0) {
            int const error = errno;
            struct stat info = {};
            bool const link =
                ::fstatat(descriptor_, step.data(), &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
            fail(link ? ELOOP : error, path, end);
            return;
        }
        ::close(descriptor_);
        descriptor_ = next;
        at = end;
    }
}

void Directory::reach_following(const std::string& path) noexcept {
    std::unique_ptr<char, decltype(&std::free)> const real(::realpath(path.c_str(), nullptr), &std::free);
    // Of a file that does not exist, the files beside it are still to be looked at.
    const char* const whole = real ? real.get() : path.c_str();
    const char* const slash = std::strrchr(whole, '/');
    take_name(slash == nullptr ? whole : slash + 1);
    std::array<char, PATH_MAX> parent = {'.'};
    if (slash != nullptr) {
        auto const length = std::min<std::size_t>(std::max<std::ptrdiff_t>(slash - whole, 1), parent.size() - 1);
        std::memcpy(parent.data(), whole, length);
    }
    descriptor_ = ::open(parent.data(), kDirectory);
    if (descriptor_ < 0) {
        fail(errno, parent.data(), std::strlen(parent.data()));
    }
}

bool Directory::make_name(const char* suffix, FileName& name) const noexcept {
    int const length = std::snprintf(name.data(), name.size(), "%s%s", name_.data(), suffix);
    errno = ENAMETOOLONG;
    return length > 0 && static_cast<std::size_t>(length) < name.size();
}

int Directory::look(const char* suffix, struct stat& info) const noexcept {
    FileName name;
    if (error_ != 0) {
        return error_;
    }
    if (!make_name(suffix, name) || ::fstatat(descriptor_, name.data(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno;
    }
    if (S_ISLNK(info.st_mode)) {
        return follows_ && *suffix == '\0' ? ENOENT : ELOOP;
    }
    return 0;
}

bool Directory::may(const char* suffix, int mode) const noexcept {
    FileName name;
    struct stat info = {};
    // AT_SYMLINK_NOFOLLOW is left to look(): with it the C library falls back to judging by the mode alone.
    return look(suffix, info) == 0 && make_name(suffix, name) &&
           ::faccessat(descriptor_, name.data(), mode, AT_EACCESS) == 0;
}

bool Directory::may_create() const noexcept {
    return error_ == 0 && ::faccessat(descriptor_, ".", W_OK | X_OK, AT_EACCESS) == 0;
}

int Directory::open_file(const char* suffix, int flags, mode_t mode, const struct stat* wanted) const noexcept {
    FileName name;
    if (error_ != 0 || !make_name(suffix, name)) {
        errno = error_ != 0 ? error_ : errno;
        return -1;
    }
    for (int attempt = 0; attempt < kRaces; ++attempt) {
        int const held = ::openat(descriptor_, name.data(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (held < 0 && errno == ENOENT && (flags & O_CREAT) != 0) {
            int const created = ::openat(descriptor_, name.data(), flags | O_EXCL | O_NOFOLLOW, mode);
            if (created >= 0 || errno != EEXIST) {
                return created;
            }
            continue;
        }
        if (held < 0) {
            return -1;
        }
        struct stat info = {};
        int error = ::fstat(held, &info) != 0 ? errno : refusal(info, wanted);
        if (error == 0 && (flags & O_EXCL) != 0) {
            error = EEXIST;
        }
        errno = error;
        int const opened = error != 0 ? -1 : open_held(held, descriptor_, name.data(), flags & ~O_CREAT, info);
        close_quietly(held);
        return opened;
    }
    errno = EAGAIN;
    return -1;
}

int Directory::remove_file(const char* suffix) const noexcept {
    FileName name;
    if (error_ != 0) {
        return error_;
    }
    return make_name(suffix, name) && ::unlinkat(descriptor_, name.data(), 0) == 0 ? 0 : errno;
}

}  // namespace pgrepl::sqlite
