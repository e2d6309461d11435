#pragma once
// Bump allocation for the bytes of one row batch: no allocation per value, everything freed at once.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// Hands out memory that lives until clear(). Requests larger than a block get a block of their own, which
/// clear() gives back to the system, so one huge value does not raise the memory of every later batch.
class Arena {
  public:
    static constexpr std::size_t kBlockBytes = 256 * 1024;
    static constexpr std::size_t kAlignment = 16;

    Arena() = default;
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    /// Uninitialised memory, aligned to kAlignment.
    char* allocate(std::size_t bytes) {
        bytes = (bytes + kAlignment - 1) & ~(kAlignment - 1);
        used_bytes_ += bytes;
        if (bytes > static_cast<std::size_t>(end_ - next_)) {
            return allocate_slow(bytes);
        }
        char* const result = next_;
        next_ += bytes;
        return result;
    }

    /// A copy of `bytes` bytes at `data`.
    char* copy(const void* data, std::size_t bytes) {
        char* const result = allocate(bytes);
        if (bytes != 0) {
            std::memcpy(result, data, bytes);
        }
        return result;
    }

    /// Forgets everything handed out; keeps ordinary blocks for the next batch.
    void clear() noexcept {
        large_.clear();
        used_bytes_ = 0;
        current_ = 0;
        next_ = blocks_.empty() ? nullptr : blocks_[0].get();
        end_ = blocks_.empty() ? nullptr : next_ + kBlockBytes;
    }

    /// Bytes handed out since clear().
    [[nodiscard]] std::size_t used_bytes() const noexcept { return used_bytes_; }

  private:
    char* allocate_slow(std::size_t bytes) {
        if (bytes > kBlockBytes / 4) {
            large_.push_back(std::make_unique_for_overwrite<char[]>(bytes));
            return large_.back().get();
        }
        current_ = blocks_.empty() ? 0 : current_ + 1;
        if (current_ == blocks_.size()) {
            blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlockBytes));
        }
        next_ = blocks_[current_].get() + bytes;
        end_ = blocks_[current_].get() + kBlockBytes;
        return blocks_[current_].get();
    }

    std::vector<std::unique_ptr<char[]>> blocks_;
    std::vector<std::unique_ptr<char[]>> large_;
    std::size_t current_ = 0;
    std::size_t used_bytes_ = 0;
    char* next_ = nullptr;
    char* end_ = nullptr;
};

}  // namespace pgrepl::core
