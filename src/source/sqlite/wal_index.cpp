// The header of a WAL database's shared index. Its two copies are compared because writers of other processes
// change it at any time: they write the second copy, a barrier, and then the first.

#include "source/sqlite/wal_index.hpp"

#include <atomic>

namespace pgrepl::sqlite {
namespace {

constexpr int kIndexBytes = 32768;  // the size of a part of the index; SQLite insists on it
constexpr std::size_t kHeaderWords = 12;
constexpr std::size_t kBackfillWord = 24;

using Header = std::array<std::uint32_t, kHeaderWords>;

volatile const std::uint32_t* map_index(sqlite3_file* file) {
    if (file->pMethods->iVersion < 2 || file->pMethods->xShmMap == nullptr) {
        return nullptr;
    }
    void volatile* memory = nullptr;
    int const result = file->pMethods->xShmMap(file, 0, kIndexBytes, 0, &memory);
    // SQLITE_READONLY: mapped without the right to write, which is all that we need.
    bool const usable = result == SQLITE_OK || result == SQLITE_READONLY;
    return usable ? static_cast<volatile const std::uint32_t*>(memory) : nullptr;
}

Header copy_header(volatile const std::uint32_t* from) {
    Header header = {};
    for (std::size_t word = 0; word < kHeaderWords; ++word) {
        header[word] = from[word];
    }
    return header;
}

}  // namespace

bool wal_index_is_mapped(sqlite3_file* file) { return map_index(file) != nullptr; }

std::optional<WalMark> read_wal_mark(sqlite3_file* file) {
    volatile const std::uint32_t* const index = map_index(file);
    if (index == nullptr) {
        return std::nullopt;
    }
    Header const first = copy_header(index);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    Header const second = copy_header(index + kHeaderWords);
    // Word 3: isInit, bigEndCksum (bytes), szPage (16 bits; 65,536 is kept as 1).
    bool const initialised = (reinterpret_cast<const unsigned char*>(&first[3])[0]) != 0;
    if (first != second || !initialised) {
        return std::nullopt;
    }
    std::uint32_t const page_size = reinterpret_cast<const std::uint16_t*>(&first[3])[1];
    WalMark mark;
    mark.commits = first[2];
    mark.page_size = (page_size & 0xfe00U) + ((page_size & 1U) << 16);
    mark.frames = first[4];
    mark.pages = first[5];
    mark.checksum = {first[6], first[7]};
    mark.salt = {first[8], first[9]};
    return mark;
}

std::uint32_t read_backfilled_frames(sqlite3_file* file) {
    volatile const std::uint32_t* const index = map_index(file);
    return index == nullptr ? 0 : index[kBackfillWord];
}

}  // namespace pgrepl::sqlite
