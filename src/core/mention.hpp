#pragma once
// Whether a statement that nobody has understood may name a table.

#include <algorithm>
#include <string_view>

#include "core/utf8.hpp"

namespace pgrepl::core {

/// False only if `text` cannot mean `name`, however that is quoted. `text` may be in another charset than UTF-8, of
/// which ASCII is a part; then it may hold any name beyond ASCII.
inline bool may_name(std::string_view text, std::string_view name) noexcept {
    auto const is_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
               static_cast<unsigned char>(c) >= 0x80;
    };
    bool const is_ascii =
        std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    bool const may_be_spelt_otherwise =
        name.find_first_of("`\"[]'\\") != std::string_view::npos || (!is_ascii && !is_utf8(text));
    if (name.empty() || may_be_spelt_otherwise) {
        return true;
    }
    for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
        std::size_t const end = at + name.size();
        bool const goes_on_before = at > 0 && is_word(text[at - 1]) && is_word(name.front());
        bool const goes_on_after = end < text.size() && is_word(text[end]) && is_word(name.back());
        if (!goes_on_before && !goes_on_after) {
            return true;
        }
    }
    return false;
}

}  // namespace pgrepl::core
