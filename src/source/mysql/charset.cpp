// Transcoding. The one-byte charsets are tables of the servers' own; those of several bytes are iconv's, whose few
// differences from the servers' are known code by code.

#include "source/mysql/charset.hpp"

#include <iconv.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "source/mysql/multi_byte_differences.hpp"
#include "source/mysql/single_byte_charsets.hpp"

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

char* put_utf8(std::uint32_t character, char* out) {
    auto const put = [&](std::uint32_t byte) { *out++ = static_cast<char>(byte); };
    if (character < 0x80) {
        put(character);
    } else if (character < 0x800) {
        put(0xC0 | character >> 6);
        put(0x80 | (character & 0x3F));
    } else if (character < 0x10000) {
        put(0xE0 | character >> 12);
        put(0x80 | (character >> 6 & 0x3F));
        put(0x80 | (character & 0x3F));
    } else {
        put(0xF0 | character >> 18);
        put(0x80 | (character >> 12 & 0x3F));
        put(0x80 | (character >> 6 & 0x3F));
        put(0x80 | (character & 0x3F));
    }
    return out;
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
        out = put_utf8(unit, out);
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
        out = put_utf8(character, out);
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
        out = put_utf8(character, out);
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
        out = put_utf8(character, out);
    }
    return out;
}

/// iconv's reading of one character; kInvalid if there is none, or more than one.
class IconvCharacter {
  public:
    explicit IconvCharacter(const char* name) : converter_(::iconv_open("UTF-32LE", name)) {}
    IconvCharacter(const IconvCharacter&) = delete;
    IconvCharacter& operator=(const IconvCharacter&) = delete;
    ~IconvCharacter() {
        if (is_open()) {
            ::iconv_close(converter_);
        }
    }

    // iconv_open's failure is the pointer -1, which has no name.
    [[nodiscard]] bool is_open() const { return reinterpret_cast<std::intptr_t>(converter_) != -1; }

    std::uint32_t operator()(std::string_view code) const {
        char in[4];
        std::memcpy(in, code.data(), code.size());
        char* from = in;
        std::size_t from_left = code.size();
        std::uint32_t result[2] = {};
        auto* to = reinterpret_cast<char*>(result);
        std::size_t to_left = sizeof result;
        ::iconv(converter_, nullptr, nullptr, nullptr, nullptr);
        std::size_t const converted = ::iconv(converter_, &from, &from_left, &to, &to_left);
        bool const one = converted != static_cast<std::size_t>(-1) && from_left == 0 && to_left == sizeof result[1];
        return one ? result[0] : kInvalid;
    }

  private:
    iconv_t converter_;
};

enum class Family : std::uint8_t { kBig5, kShiftJis, kEucKr, kGb2312, kGbk, kGb18030, kEucJp };

struct MultiByteCharset {
    const char* name;
    const char* iconv_name;
    Family family;
};
constexpr MultiByteCharset kMultiByteCharsets[] = {
    {"big5", "BIG5", Family::kBig5},          {"sjis", "SJIS", Family::kShiftJis},
    {"cp932", "CP932", Family::kShiftJis},    {"euckr", "UHC", Family::kEucKr},
    {"gb2312", "EUC-CN", Family::kGb2312},    {"gbk", "GBK", Family::kGbk},
    {"gb18030", "GB18030", Family::kGb18030}, {"ujis", "EUC-JP", Family::kEucJp},
    {"eucjpms", "EUC-JP-MS", Family::kEucJp},
};

bool is_trail(Family family, unsigned char byte) {
    switch (family) {
        case Family::kBig5:
            return (byte >= 0x40 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xFE);
        case Family::kShiftJis:
            return (byte >= 0x40 && byte <= 0x7E) || (byte >= 0x80 && byte <= 0xFC);
        case Family::kEucKr:
            return (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x61 && byte <= 0x7A) || (byte >= 0x81 && byte <= 0xFE);
        case Family::kGbk:
        case Family::kGb18030:
            return (byte >= 0x40 && byte <= 0x7E) || (byte >= 0x80 && byte <= 0xFE);
        case Family::kGb2312:
        case Family::kEucJp:
            return byte >= 0xA1 && byte <= 0xFE;
    }
    return false;
}

bool is_lead(Family family, unsigned char byte) {
    switch (family) {
        case Family::kBig5:
            return byte >= 0xA1 && byte <= 0xF9;
        case Family::kShiftJis:
            return (byte >= 0x81 && byte <= 0x9F) || (byte >= 0xE0 && byte <= 0xFC);
        case Family::kGb2312:
            return byte >= 0xA1 && byte <= 0xF7;
        case Family::kEucJp:
            return byte >= 0xA1 && byte <= 0xFE;
        default:
            return byte >= 0x81 && byte <= 0xFE;
    }
}

}  // namespace

class MultiByteTable {
  public:
    explicit MultiByteTable(const MultiByteCharset& charset)
        : family_(charset.family), iconv_(charset.iconv_name), two_(65536, kInvalid) {
        fill_pairs(two_, "");
        if (family_ == Family::kEucJp) {
            three_.assign(65536, kInvalid);
            fill_pairs(three_, "\x8F");
            fill_half_width();
        }
        if (std::string_view(charset.name) == "ujis") {
            adapt_ujis();
        } else if (std::string_view(charset.name) == "sjis") {
            two_[0x815F] = '\\';
        } else if (family_ == Family::kBig5) {
            adapt(kBig5Differences);
        } else if (family_ == Family::kGb18030) {
            adapt(kGb18030Differences);
        }
    }

    [[nodiscard]] bool is_usable() const { return iconv_.is_open(); }

    /// The character at `at`, which is not ASCII, and moves behind it.
    std::uint32_t next(std::string_view raw, std::size_t& at) const {
        unsigned char const lead = byte_at(raw, at);
        if (family_ == Family::kShiftJis && lead >= 0xA1 && lead <= 0xDF) {
            ++at;
            return 0xFF61U + lead - 0xA1U;  // half-width katakana
        }
        if (at + 1 >= raw.size()) {
            return kInvalid;
        }
        unsigned char const second = byte_at(raw, at + 1);
        if (family_ == Family::kEucJp && lead == 0x8F) {
            if (at + 2 >= raw.size()) {
                return kInvalid;
            }
            at += 3;
            return three_[static_cast<std::size_t>(second) << 8 | byte_at(raw, at - 1)];
        }
        if (family_ == Family::kGb18030 && second >= 0x30 && second <= 0x39) {
            if (at + 3 >= raw.size()) {
                return kInvalid;
            }
            at += 4;
            return iconv_(raw.substr(at - 4, 4));
        }
        at += 2;
        return two_[static_cast<std::size_t>(lead) << 8 | second];
    }

  private:
    void fill_pairs(std::vector<std::uint32_t>& table, std::string_view prefix) {
        if (!is_usable()) {
            return;
        }
        for (unsigned lead = 0x80; lead < 0x100; ++lead) {
            for (unsigned trail = 0x40; trail < 0x100; ++trail) {
                if (is_lead(family_, static_cast<unsigned char>(lead)) &&
                    is_trail(family_, static_cast<unsigned char>(trail))) {
                    std::string code(prefix);
                    code += static_cast<char>(lead);
                    code += static_cast<char>(trail);
                    table[lead << 8 | trail] = iconv_(code);
                }
            }
        }
    }

    void fill_half_width() {
        for (unsigned trail = 0xA1; trail <= 0xDF; ++trail) {
            two_[0x8E00U | trail] = 0xFF61U + trail - 0xA1U;
        }
    }

    /// Two codes, and the area that users may give a meaning to.
    void adapt_ujis() {
        two_[0xA1C0] = '\\';
        three_[0xA2B7] = '~';
        for (unsigned lead = 0xF5; lead <= 0xFE; ++lead) {
            for (unsigned trail = 0xA1; trail <= 0xFE; ++trail) {
                unsigned const place = (lead - 0xF5) * 94 + trail - 0xA1;
                two_[lead << 8 | trail] = 0xE000 + place;
                three_[lead << 8 | trail] = 0xE3AC + place;
            }
        }
    }

    template <std::size_t count>
    void adapt(const std::array<CodeDifference, count>& differences) {
        for (const CodeDifference& difference : differences) {
            two_[difference.code] = difference.character == kNoCharacter ? kInvalid : difference.character;
        }
    }

    Family family_;
    IconvCharacter iconv_;
    std::vector<std::uint32_t> two_;
    std::vector<std::uint32_t> three_;  ///< EUC-JP: behind 0x8F
};

namespace {

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
        if (character == kInvalid) {
            return nullptr;
        }
        out = put_utf8(character, out);
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
                out = put_utf8(character, out);
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
    if (unchanged) {
        return core::Value::text(arena.copy(raw.data(), raw.size()), static_cast<std::uint32_t>(raw.size()));
    }
    char* const text = arena.allocate(max_bytes(raw.size()));
    char* const end = convert(raw, text);
    if (end == nullptr) {
        return core::Value::bytes(arena.copy(raw.data(), raw.size()), static_cast<std::uint32_t>(raw.size()));
    }
    return core::Value::text(text, static_cast<std::uint32_t>(end - text));
}

bool Charset::append_utf8(std::string_view raw, std::string& out) const {
    std::size_t const before = out.size();
    out.resize(before + max_bytes(raw.size()));
    char* const end = convert(raw, out.data() + before);
    out.resize(end == nullptr ? before : static_cast<std::size_t>(end - out.data()));
    return end != nullptr;
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
    for (const MultiByteCharset& multi : kMultiByteCharsets) {
        if (name == multi.name) {
            made.reset(new Charset(name, Form::kMultiByte));
            made->multi_ = std::make_unique<MultiByteTable>(multi);
            if (!made->multi_->is_usable()) {
                made.reset();  // an iconv without this charset
            }
        }
    }
    return (known_[name] = std::move(made)).get();
}

}  // namespace pgrepl::mysql
