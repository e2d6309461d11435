#pragma once
// A growing byte buffer outside PostgreSQL's memory: encoding never calls palloc, so nothing in it can longjmp.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

namespace pgrepl::target {

class ByteBuffer {
  public:
    ByteBuffer() = default;
    ~ByteBuffer() { std::free(data_); }
    ByteBuffer(const ByteBuffer&) = delete;
    ByteBuffer& operator=(const ByteBuffer&) = delete;

    /// Makes room for `bytes` more.
    void reserve(std::size_t bytes) {
        if (size_ + bytes > capacity_) [[unlikely]] {
            grow(bytes);
        }
    }

    /// Room for `bytes`, whose content the caller writes at once.
    char* append_uninitialised(std::size_t bytes) {
        reserve(bytes);
        char* const at = data_ + size_;
        size_ += bytes;
        return at;
    }
    void append(const void* bytes, std::size_t count) {
        if (count != 0) {
            std::memcpy(append_uninitialised(count), bytes, count);
        }
    }
    void append(std::string_view text) { append(text.data(), text.size()); }
    void append(char byte) { *append_uninitialised(1) = byte; }

    /// Zero bytes up to a multiple of `alignment`, a power of two up to 8.
    void pad_to(std::size_t alignment) {
        constexpr std::uint64_t zeros = 0;
        reserve(sizeof(zeros));
        std::memcpy(data_ + size_, &zeros, sizeof(zeros));
        size_ = (size_ + alignment - 1) & ~(alignment - 1);
    }

    void put_uint32(std::size_t at, std::uint32_t value) noexcept { std::memcpy(data_ + at, &value, sizeof(value)); }

    [[nodiscard]] char* data() noexcept { return data_; }
    [[nodiscard]] const char* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Cuts the buffer back to `size` bytes.
    void truncate(std::size_t size) noexcept { size_ = size; }

    /// Empties it, and gives a large buffer back to the system.
    void clear() noexcept {
        size_ = 0;
        if (capacity_ > kKeptBytes) {
            std::free(data_);
            data_ = nullptr;
            capacity_ = 0;
        }
    }

  private:
    static constexpr std::size_t kKeptBytes = 4 * 1024 * 1024;

    void grow(std::size_t bytes) {
        // A large buffer grows by a quarter only: one huge row must not cost twice its size. realloc moves
        // pages of such blocks without copying.
        std::size_t const needed = size_ + bytes;
        std::size_t const step = capacity_ < kKeptBytes ? capacity_ : capacity_ / 4;
        std::size_t const wanted = needed > capacity_ + step ? needed : capacity_ + step;
        std::size_t const rounded = (wanted + 4095) & ~std::size_t{4095};
        auto* const moved = static_cast<char*>(std::realloc(data_, rounded));
        if (moved == nullptr) {
            throw std::bad_alloc();
        }
        data_ = moved;
        capacity_ = rounded;
    }

    char* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace pgrepl::target
