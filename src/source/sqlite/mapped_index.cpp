// What is mapped, in a list that the handler of SIGBUS can read at any moment, and that handler.

#include "source/sqlite/mapped_index.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <map>
#include <mutex>
#include <new>

namespace pgrepl::sqlite {

namespace detail {
std::atomic<bool> some_index_was_lost = false;
}

namespace {

/// An entry of the index is a number of 16 bits; it leads to a word of four bytes.
constexpr std::size_t kReach = std::size_t{4} << 16;

/// Which database, as SQLite knows it: all connections of a process to one share what is mapped of its index.
struct Database {
    explicit Database(const struct stat& info) : device(info.st_dev), inode(info.st_ino) {}
    bool operator==(const Database&) const = default;

    dev_t device;
    ino_t inode;
};

struct Mapping {
    Database database;
    char* begin;
    std::size_t bytes;
    std::atomic<bool> lost = false;
    std::atomic<Mapping*> next = nullptr;
};

static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<Mapping*>::is_always_lock_free,
              "read and written by a signal handler");

std::atomic<Mapping*> mappings = nullptr;  ///< changed under the lock, read without it
struct sigaction before = {};              ///< what was done about SIGBUS before our handler

std::mutex& lock() {
    static std::mutex of_all;
    return of_all;
}

std::map<int, Database>& index_files() {
    static std::map<int, Database> files;
    return files;
}

Mapping* mapping_at(const void* address) noexcept {
    auto const wanted = reinterpret_cast<std::uintptr_t>(address);
    Mapping* mapping = mappings.load();
    while (mapping != nullptr && wanted - reinterpret_cast<std::uintptr_t>(mapping->begin) >= mapping->bytes) {
        mapping = mapping->next.load();
    }
    return mapping;
}

/// In the handler. All parts of the index go at once: what SQLite writes to one of them, thinking that the others are
/// as they were, must not reach other programs.
bool replace_index_at(const void* address) noexcept {
    const Mapping* const hit = mapping_at(address);
    if (hit == nullptr) {
        return false;
    }
    detail::some_index_was_lost.store(true);
    for (Mapping* part = mappings.load(); part != nullptr; part = part->next.load()) {
        if (!(part->database == hit->database) || part->lost.exchange(true)) {
            continue;
        }
        if (::mmap(part->begin, part->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            MAP_FAILED) {
            return false;
        }
    }
    return true;
}

/// As if our handler were not there: without another, the process ends at the very place.
void hand_on(int signal, siginfo_t* info, void* context) noexcept {
    bool const sent = info->si_code <= 0;  // by somebody: no instruction will raise it again
    if ((before.sa_flags & SA_SIGINFO) != 0) {
        before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal);
    } else if (!sent || before.sa_handler == SIG_DFL) {
        struct sigaction end = {};
        end.sa_handler = SIG_DFL;
        ::sigaction(signal, &end, nullptr);
        if (sent) {
            ::raise(signal);
        }
    }
}

void on_bus_error(int signal, siginfo_t* info, void* context) noexcept {
    int const error = errno;
    if (info->si_code != BUS_ADRERR || !replace_index_at(info->si_addr)) {
        hand_on(signal, info, context);
    }
    errno = error;
}

/// Once in a process, and for good: whoever sets a handler later may count on ours being there still.
bool install_handler() noexcept {
    struct sigaction ours = {};
    ours.sa_sigaction = on_bus_error;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigemptyset(&ours.sa_mask);
    return ::sigaction(SIGBUS, nullptr, &before) == 0 && ::sigaction(SIGBUS, &ours, nullptr) == 0;
}

/// Where `bytes` of a file can be mapped, with memory to read after it.
void* reserve(std::size_t bytes) noexcept {
    return ::mmap(nullptr, bytes + kReach, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

}  // namespace

bool detail::is_lost(const struct stat& database) noexcept {
    Database const wanted(database);
    for (const Mapping* part = mappings.load(); part != nullptr; part = part->next.load()) {
        if (part->database == wanted && part->lost.load()) {
            return true;
        }
    }
    return false;
}

bool note_index_file(int file, const struct stat& database) noexcept {
    static bool const installed = install_handler();
    if (!installed) {
        return false;
    }
    std::lock_guard const locked(lock());
    try {
        index_files().insert_or_assign(file, Database(database));
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

void forget_index_file(int file) noexcept {
    std::lock_guard const locked(lock());
    index_files().erase(file);
}

bool is_index_file(int file) noexcept {
    std::lock_guard const locked(lock());
    return index_files().contains(file);
}

void* map_index(std::size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
    std::lock_guard const locked(lock());
    auto const found = index_files().find(file);
    if (found == index_files().end()) {
        errno = EBADF;
        return MAP_FAILED;
    }
    for (const Mapping* part = mappings.load(); part != nullptr; part = part->next.load()) {
        if (part->database == found->second && part->lost.load()) {
            errno = EIO;
            return MAP_FAILED;
        }
    }
    void* const area = reserve(bytes);
    if (area == MAP_FAILED) {
        return MAP_FAILED;
    }
    auto* const mapping =
        new (std::nothrow) Mapping{.database = found->second, .begin = static_cast<char*>(area), .bytes = bytes};
    if (mapping == nullptr || ::mmap(area, bytes, protection, flags | MAP_FIXED, file, offset) == MAP_FAILED) {
        int const error = mapping == nullptr ? ENOMEM : errno;
        delete mapping;
        ::munmap(area, bytes + kReach);
        errno = error;
        return MAP_FAILED;
    }
    mapping->next.store(mappings.load());
    mappings.store(mapping);
    return area;
}

bool unmap_index(void* begin) noexcept {
    std::lock_guard const locked(lock());
    std::atomic<Mapping*>* link = &mappings;
    while (link->load() != nullptr && link->load()->begin != begin) {
        link = &link->load()->next;
    }
    Mapping* const mapping = link->load();
    if (mapping == nullptr) {
        return false;
    }
    ::munmap(mapping->begin, mapping->bytes + kReach);
    link->store(mapping->next.load());
    delete mapping;
    return true;
}

}  // namespace pgrepl::sqlite
