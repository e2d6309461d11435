#include "source/mysql/position/encoded_word.hpp"

#include <charconv>

#include "core/hex.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::string_view kMarks = "%:;/ ";  // and all that is no ASCII letter, of which text is made

}  // namespace

std::string encoded(std::string_view plain) {
    std::string text;
    for (char const letter : plain) {
        auto const byte = static_cast<unsigned char>(letter);
        if (byte > ' ' && byte < 0x7f && kMarks.find(letter) == std::string_view::npos) {
            text += letter;
        } else {
            text += '%';
            core::append_hex(text, byte, core::kUpperHexDigits);
        }
    }
    return text;
}

std::string decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            unsigned char byte = 0;
            std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
            plain += static_cast<char>(byte);
            i += 2;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

}  // namespace pgrepl::mysql
