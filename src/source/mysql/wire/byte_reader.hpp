#pragma once
// Reads an event's bytes from front to back. Every read is checked against the end; what is missing is an error
// that names the event. Numbers are little-endian unless a name says otherwise.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "source/mysql/wire/event_place.hpp"

namespace pgrepl::mysql {

static_assert(std::endian::native == std::endian::little, "numbers are read with memcpy");

using ByteSpan = std::span<const std::uint8_t>;

/// As our functions for bytes of text take it.
inline std::string_view as_text(ByteSpan bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class ByteReader {
  public:
    /// Both must outlive the reader.
    ByteReader(ByteSpan bytes, const EventPlace& place) noexcept
        : next_(bytes.data()), end_(bytes.data() + bytes.size()), place_(&place) {}

    [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - next_); }
    [[nodiscard]] bool at_end() const noexcept { return next_ == end_; }
    [[nodiscard]] const EventPlace& place() const noexcept { return *place_; }

    std::uint8_t u8() { return *take(1); }
    std::uint16_t u16() { return load<std::uint16_t>(); }
    std::uint32_t u24() { return static_cast<std::uint32_t>(little(3)); }
    std::uint32_t u32() { return load<std::uint32_t>(); }
    std::uint64_t u48() { return little(6); }
    std::uint64_t u64() { return load<std::uint64_t>(); }

    /// `size` bytes (at most 8), least significant first.
    std::uint64_t little(std::size_t size) {
        const std::uint8_t* const at = take(size);
        std::uint64_t value = 0;
        std::memcpy(&value, at, size);
        return value;
    }

    /// `size` bytes (at most 8), most significant first.
    std::uint64_t big(std::size_t size) {
        const std::uint8_t* const at = take(size);
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i) {
            value = value << 8 | at[i];
        }
        return value;
    }

    /// A length-encoded integer (MySQL protocol, "Length-Encoded Integer Type"): one byte below 251, else 252, 253
    /// or 254 and 2, 3 or 8 bytes.
    std::uint64_t lenenc() {
        std::uint8_t const first = u8();
        if (first < 251) {
            return first;
        }
        if (first == 251 || first == 255) {
            fail("a length-encoded integer begins with an invalid byte");
        }
        return little(first == 252 ? 2 : first == 253 ? 3 : 8);
    }

    ByteSpan bytes(std::uint64_t size) { return {take(size), static_cast<std::size_t>(size)}; }
    std::string_view text(std::uint64_t size) {
        return {reinterpret_cast<const char*>(take(size)), static_cast<std::size_t>(size)};
    }
    std::string_view lenenc_text() { return text(lenenc()); }
    void skip(std::uint64_t size) { take(size); }
    ByteSpan rest() { return bytes(left()); }

    [[noreturn]] void fail(std::string_view what) const { throw_corrupt(*place_, what); }

  private:
    const std::uint8_t* take(std::uint64_t size) {
        if (size > left()) [[unlikely]] {
            fail("it ends too early");
        }
        const std::uint8_t* const at = next_;
        next_ += size;
        return at;
    }
    template <typename Number>
    Number load() {
        Number value;
        std::memcpy(&value, take(sizeof value), sizeof value);
        return value;
    }

    const std::uint8_t* next_;
    const std::uint8_t* end_;
    const EventPlace* place_;
};

/// Bit `index` of a bitmap that counts from the least significant bit of its first byte.
inline bool bit_is_set(ByteSpan bitmap, std::size_t index) noexcept {
    return (bitmap[index / 8] >> (index % 8) & 1) != 0;
}

}  // namespace pgrepl::mysql
