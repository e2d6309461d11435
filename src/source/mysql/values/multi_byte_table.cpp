// Filled of iconv, then corrected.

#include "source/mysql/values/multi_byte_table.hpp"

#include <iconv.h>

#include <array>
#include <cstring>
#include <string>

#include "source/mysql/values/multi_byte_differences.hpp"
#include "source/mysql/values/single_byte_charsets.hpp"

namespace pgrepl::mysql {
namespace {

/// Codes of gb18030 in four bytes that iconv does not know, or reads otherwise than the servers: `count` in a row.
struct FourByteRange {
    std::uint32_t first;
    std::uint32_t count;
    std::uint32_t character;
};
constexpr std::array<FourByteRange, 4> kGb18030FourBytes{
    {{0x82359037, 3, 0x9FB4}, {0x82359130, 5, 0x9FB7}, {0x84318236, 4, 0xFE10}, {0x84318330, 6, 0xFE14}}};

/// As the servers read it; kNone where iconv knows.
std::uint32_t four_byte_difference(std::string_view code) {
    std::uint32_t number = 0;
    for (char const byte : code) {
        number = number << 8 | static_cast<unsigned char>(byte);
    }
    for (const FourByteRange& range : kGb18030FourBytes) {
        if (number - range.first < range.count) {
            return range.character + (number - range.first);
        }
    }
    return MultiByteTable::kNone;
}

unsigned char byte_at(std::string_view raw, std::size_t at) { return static_cast<unsigned char>(raw[at]); }

template <std::size_t count>
void adapt(const std::array<CodeDifference, count>& differences, std::vector<std::uint32_t>& table) {
    for (const CodeDifference& difference : differences) {
        table[difference.code] = difference.character == kNoCharacter ? MultiByteTable::kNone : difference.character;
    }
}

}  // namespace

struct MultiByteTable::Known {
    const char* name;
    const char* iconv_name;
    Family family;
};

/// iconv's reading of one character; kNone if there is none, or more than one.
class MultiByteTable::IconvCharacter {
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
        if (!is_open()) {
            return kNone;
        }
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
        return one ? result[0] : kNone;
    }

  private:
    iconv_t converter_;
};

std::unique_ptr<MultiByteTable> MultiByteTable::find(std::string_view name) {
    static constexpr Known kKnown[] = {
        {"big5", "BIG5", Family::kBig5},          {"sjis", "SJIS", Family::kShiftJis},
        {"cp932", "CP932", Family::kShiftJis},    {"euckr", "UHC", Family::kEucKr},
        {"gb2312", "EUC-CN", Family::kGb2312},    {"gbk", "GBK", Family::kGbk},
        {"gb18030", "GB18030", Family::kGb18030}, {"ujis", "EUC-JP", Family::kEucJp},
        {"eucjpms", "EUC-JP-MS", Family::kEucJp},
    };
    for (const Known& charset : kKnown) {
        if (name == charset.name) {
            std::unique_ptr<MultiByteTable> table(new MultiByteTable(charset));
            return table->iconv_->is_open() ? std::move(table) : nullptr;
        }
    }
    return nullptr;
}

MultiByteTable::MultiByteTable(const Known& charset)
    : family_(charset.family), iconv_(std::make_unique<IconvCharacter>(charset.iconv_name)), two_(65536, kNone) {
    fill_pairs(two_, "");
    if (family_ == Family::kEucJp) {
        three_.assign(65536, kNone);
        fill_pairs(three_, "\x8F");
        fill_half_width();
    }
    if (std::string_view(charset.name) == "ujis") {
        adapt_ujis();
    } else if (std::string_view(charset.name) == "sjis") {
        two_[0x815F] = '\\';
    } else if (family_ == Family::kBig5) {
        adapt(kBig5Differences, two_);
    } else if (family_ == Family::kGb18030) {
        adapt(kGb18030Differences, two_);
    }
}

MultiByteTable::~MultiByteTable() = default;

std::uint32_t MultiByteTable::next(std::string_view raw, std::size_t& at) const {
    unsigned char const lead = byte_at(raw, at);
    if (family_ == Family::kShiftJis && lead >= 0xA1 && lead <= 0xDF) {
        ++at;
        return 0xFF61U + lead - 0xA1U;  // half-width katakana
    }
    if (at + 1 >= raw.size()) {
        return kNone;
    }
    unsigned char const second = byte_at(raw, at + 1);
    if (family_ == Family::kEucJp && lead == 0x8F) {
        if (at + 2 >= raw.size()) {
            return kNone;
        }
        at += 3;
        return three_[static_cast<std::size_t>(second) << 8 | byte_at(raw, at - 1)];
    }
    if (family_ == Family::kGb18030 && second >= 0x30 && second <= 0x39) {
        if (at + 3 >= raw.size()) {
            return kNone;
        }
        at += 4;
        std::string_view const code = raw.substr(at - 4, 4);
        std::uint32_t const own = four_byte_difference(code);
        return own == kNone ? (*iconv_)(code) : own;
    }
    at += 2;
    return two_[static_cast<std::size_t>(lead) << 8 | second];
}

bool MultiByteTable::is_trail(Family family, unsigned char byte) {
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

bool MultiByteTable::is_lead(Family family, unsigned char byte) {
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

void MultiByteTable::fill_pairs(std::vector<std::uint32_t>& table, std::string_view prefix) {
    for (unsigned lead = 0x80; lead < 0x100; ++lead) {
        for (unsigned trail = 0x40; trail < 0x100; ++trail) {
            if (is_lead(family_, static_cast<unsigned char>(lead)) &&
                is_trail(family_, static_cast<unsigned char>(trail))) {
                std::string code(prefix);
                code += static_cast<char>(lead);
                code += static_cast<char>(trail);
                table[lead << 8 | trail] = (*iconv_)(code);
            }
        }
    }
}

void MultiByteTable::fill_half_width() {
    for (unsigned trail = 0xA1; trail <= 0xDF; ++trail) {
        two_[0x8E00U | trail] = 0xFF61U + trail - 0xA1U;
    }
}

/// Two codes, and the area that users may give a meaning to.
void MultiByteTable::adapt_ujis() {
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

}  // namespace pgrepl::mysql
