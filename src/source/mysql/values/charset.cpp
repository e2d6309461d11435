// Transcoding: Unicode's own forms, and the charsets that are tables.

#include "source/mysql/values/charset.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/utf8.hpp"
#include "source/mysql/values/collations.hpp"
#include "source/mysql/values/multi_byte_table.hpp"
#include "source/mysql/values/single_byte_charsets.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::uint32_t kInvalid = 0xFFFFFFFF;
constexpr std::uint32_t kSurrogates = 0xD800;
constexpr std::uint32_t kSurrogatesEnd = 0xE000;
constexpr std::uint32_t kLowSurrogates = 0xDC00;

unsigned char byte_at(std::string_view raw, std::size_t at) { return static_cast<unsigned char>(raw[at]); }

/// The first byte that is not ASCII.
std::size_t ascii_prefix(std::string_view raw) {
    std::size_t at = 0;
    for (std::uint64_t word = 0; at + 8 <= raw.size(); at += 8) {
        std::memcpy(&word, raw.data() + at, 8);
        if ((word & 0x8080808080808080U) != 0) {
            break;
        }
    }
    while (at < raw.size() && byte_at(raw, at) < 0x80) {
        ++at;
    }
    return at;
}

/// Whether the encoder, which makes bytes of a text with U+0000, would make others of `utf8` than the raw ones.
bool loses_bytes(std::string_view utf8, std::string_view raw) {
    return utf8.find('\0') != std::string_view::npos && utf8 != raw;
}

bool is_surrogate(std::uint32_t unit) { return unit >= kSurrogates && unit < kSurrogatesEnd; }

std::uint32_t swe7_character(unsigned char byte) {
    static constexpr std::pair<unsigned char, std::uint32_t> kNational[] = {
        {0x40, 0xC9}, {0x5B, 0xC4}, {0x5C, 0xD6}, {0x5D, 0xC5}, {0x5E, 0xDC},    {0x60, 0xE9},
        {0x7B, 0xE4}, {0x7C, 0xF6}, {0x7D, 0xE5}, {0x7E, 0xFC}, {0x7F, kInvalid}};
    auto const* const national =
        std::find_if(std::begin(kNational), std::end(kNational), [&](const auto& pair) { return pair.first == byte; });
    if (national != std::end(kNational)) {
        return national->second;
    }
    return byte < 0x80 ? byte : kInvalid;
}

char* convert_ucs2(std::string_view raw, char* out) {
    if (raw.size() % 2 != 0) {
        return nullptr;
    }
    for (std::size_t i = 0; i < raw.size(); i += 2) {
        std::uint32_t const unit = static_cast<std::uint32_t>(byte_at(raw, i)) << 8 | byte_at(raw, i + 1);
        if (is_surrogate(unit)) {
            return nullptr;
        }
        out = core::put_utf8(unit, out);
    }
    return out;
}

char* convert_utf16(std::string_view raw, bool little_endian, char* out) {
    auto const unit_at = [&](std::size_t at) {
        unsigned const first = byte_at(raw, at);
        unsigned const second = byte_at(raw, at + 1);
        return little_endian ? second << 8 | first : first << 8 | second;
    };
    for (std::size_t i = 0; i < raw.size(); i += 2) {
        if (i + 2 > raw.size()) {
            return nullptr;
        }
        std::uint32_t character = unit_at(i);
        if (is_surrogate(character)) {
            if (character >= kLowSurrogates || i + 4 > raw.size()) {
                return nullptr;
            }
            std::uint32_t const low = unit_at(i + 2);
            if (!is_surrogate(low) || low < kLowSurrogates) {
                return nullptr;
            }
            character = 0x10000 + ((character - kSurrogates) << 10) + (low - kLowSurrogates);
            i += 2;
        }
        out = core::put_utf8(character, out);
    }
    return out;
}

char* convert_utf32(std::string_view raw, char* out) {
    if (raw.size() % 4 != 0) {
        return nullptr;
    }
    for (std::size_t i = 0; i < raw.size(); i += 4) {
        std::uint32_t const character = static_cast<std::uint32_t>(byte_at(raw, i)) << 24 |
                                        static_cast<std::uint32_t>(byte_at(raw, i + 1)) << 16 |
                                        static_cast<std::uint32_t>(byte_at(raw, i + 2)) << 8 | byte_at(raw, i + 3);
        if (is_surrogate(character) || character > 0x10FFFF) {
            return nullptr;
        }
        out = core::put_utf8(character, out);
    }
    return out;
}

char* convert_single_byte(std::string_view raw, const SingleByteCharset& charset, char* out) {
    std::size_t const ascii = ascii_prefix(raw);
    std::memcpy(out, raw.data(), ascii);
    out += ascii;
    for (std::size_t i = ascii; i < raw.size(); ++i) {
        unsigned char const byte = byte_at(raw, i);
        std::uint32_t const character = byte < 0x80 ? byte : charset.upper[byte - 0x80U];
        if (character == kNoCharacter) {
            return nullptr;
        }
        out = core::put_utf8(character, out);
    }
    return out;
}

char* convert_multi_byte(std::string_view raw, const MultiByteTable& table, char* out) {
    for (std::size_t at = 0; at < raw.size();) {
        std::size_t const ascii = ascii_prefix(raw.substr(at));
        std::memcpy(out, raw.data() + at, ascii);
        out += ascii;
        at += ascii;
        if (at == raw.size()) {
            break;
        }
        std::uint32_t const character = table.next(raw, at);
        if (character == MultiByteTable::kNone) {
            return nullptr;
        }
        out = core::put_utf8(character, out);
    }
    return out;
}

}  // namespace

Charset::Charset(std::string name, Form form) : name_(std::move(name)), form_(form) {}
Charset::~Charset() = default;

std::size_t Charset::max_bytes(std::size_t raw_bytes) const noexcept {
    switch (form_) {
        case Form::kUtf8:
        case Form::kAscii:
        case Form::kUtf32:
            return raw_bytes;
        case Form::kUcs2:
        case Form::kUtf16:
        case Form::kUtf16le:
            return raw_bytes / 2 * 3;
        default:
            return raw_bytes * 3;
    }
}

char* Charset::convert(std::string_view raw, char* out) const {
    switch (form_) {
        case Form::kBinary:
            return nullptr;
        case Form::kUtf8:
            std::memcpy(out, raw.data(), raw.size());
            return out + raw.size();
        case Form::kAscii:
            if (ascii_prefix(raw) != raw.size()) {
                return nullptr;
            }
            std::memcpy(out, raw.data(), raw.size());
            return out + raw.size();
        case Form::kSingleByte:
            return convert_single_byte(raw, *single_, out);
        case Form::kSwe7:
            for (char const letter : raw) {
                std::uint32_t const character = swe7_character(static_cast<unsigned char>(letter));
                if (character == kInvalid) {
                    return nullptr;
                }
                out = core::put_utf8(character, out);
            }
            return out;
        case Form::kUcs2:
            return convert_ucs2(raw, out);
        case Form::kUtf16:
            return convert_utf16(raw, false, out);
        case Form::kUtf16le:
            return convert_utf16(raw, true, out);
        case Form::kUtf32:
            return convert_utf32(raw, out);
        case Form::kMultiByte:
            return convert_multi_byte(raw, *multi_, out);
    }
    return nullptr;
}

core::Value Charset::to_value(std::string_view raw, core::Arena& arena) const {
    bool const unchanged =
        form_ == Form::kUtf8 || ((form_ == Form::kSingleByte || form_ == Form::kMultiByte || form_ == Form::kAscii) &&
                                 ascii_prefix(raw) == raw.size());
    if (unchanged || (raw.empty() && form_ != Form::kBinary)) {
        return core::Value::text(arena.copy(raw.data(), raw.size()), static_cast<std::uint32_t>(raw.size()));
    }
    char* const text = form_ == Form::kBinary ? nullptr : arena.allocate(max_bytes(raw.size()));
    const char* const end = convert(raw, text);
    if (end == nullptr || loses_bytes({text, end}, raw)) {
        return core::Value::bytes(arena.copy(raw.data(), raw.size()), static_cast<std::uint32_t>(raw.size()));
    }
    return core::Value::text(text, static_cast<std::uint32_t>(end - text));
}

std::vector<std::string_view> Charset::split_at_commas(std::string_view raw) const {
    // A comma is no part of another character in any of them, but where all have several bytes.
    std::string_view const comma = form_ == Form::kUcs2 || form_ == Form::kUtf16 ? std::string_view("\0,", 2)
                                   : form_ == Form::kUtf16le                     ? std::string_view(",\0", 2)
                                   : form_ == Form::kUtf32                       ? std::string_view("\0\0\0,", 4)
                                                                                 : std::string_view(",");
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    for (std::size_t at = 0; at + comma.size() <= raw.size(); at += comma.size()) {
        if (raw.substr(at, comma.size()) == comma) {
            parts.push_back(raw.substr(begin, at - begin));
            begin = at + comma.size();
        }
    }
    parts.push_back(raw.substr(begin));
    return parts;
}

Label::Label(std::string_view raw, const Charset* charset) {
    bool const as_it_is = charset == nullptr || charset->is_utf8() || charset->is_binary();
    is_bytes = !as_it_is && !charset->append_utf8(raw, text);
    if (as_it_is || is_bytes) {
        text = raw;
    }
}

core::Value Label::to_value(core::Arena& arena) const {
    const char* const copy = arena.copy(text.data(), text.size());
    auto const size = static_cast<std::uint32_t>(text.size());
    return is_bytes ? core::Value::bytes(copy, size) : core::Value::text(copy, size);
}

bool Charset::append_utf8(std::string_view raw, std::string& out) const {
    std::size_t const before = out.size();
    out.resize(before + max_bytes(raw.size()));
    const char* const begin = out.data() + before;
    const char* const end = convert(raw, out.data() + before);
    bool const is_text = end != nullptr && !loses_bytes({begin, end}, raw);
    out.resize(is_text ? static_cast<std::size_t>(end - out.data()) : before);
    return is_text;
}

Charsets::Charsets() : binary_("binary", Charset::Form::kBinary) {}

const Charset* Charsets::find_by_collation(std::uint32_t collation) {
    return collation == kBinaryCollation ? &binary_ : find(std::string(charset_of_collation(collation)));
}

const Charset* Charsets::find(const std::string& name) {
    using Form = Charset::Form;
    auto const known = known_.find(name);
    if (known != known_.end()) {
        return known->second.get();
    }
    static constexpr std::pair<std::string_view, Form> kForms[] = {
        {"utf8mb4", Form::kUtf8},    {"utf8mb3", Form::kUtf8}, {"utf8", Form::kUtf8},
        {"ascii", Form::kAscii},     {"ucs2", Form::kUcs2},    {"utf16", Form::kUtf16},
        {"utf16le", Form::kUtf16le}, {"utf32", Form::kUtf32},  {"swe7", Form::kSwe7}};
    std::unique_ptr<Charset> made;
    for (const auto& [form_name, form] : kForms) {
        if (form_name == name) {
            made.reset(new Charset(name, form));
        }
    }
    for (const SingleByteCharset& single : kSingleByteCharsets) {
        if (name == single.name) {
            made.reset(new Charset(name, Form::kSingleByte));
            made->single_ = &single;
        }
    }
    if (std::unique_ptr<MultiByteTable> multi = MultiByteTable::find(name)) {
        made.reset(new Charset(name, Form::kMultiByte));
        made->multi_ = std::move(multi);
    }
    return (known_[name] = std::move(made)).get();
}

}  // namespace pgrepl::mysql
