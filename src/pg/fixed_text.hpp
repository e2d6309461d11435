#pragma once
// Text in shared memory.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

namespace pgrepl::pg {

/// A copy of fixed size; a longer text is cut at a character.
template <std::size_t Size>
struct FixedText {
    char bytes[Size];

    void assign(const std::string& text) noexcept {
        std::size_t length = std::min(text.size(), Size - 1);
        while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80) {
            --length;
        }
        std::memcpy(bytes, text.data(), length);
        bytes[length] = '\0';
    }
};

}  // namespace pgrepl::pg
