#include "core/name_rules.hpp"

#include "core/utf8.hpp"

namespace pgrepl::core {
namespace {

constexpr std::uint32_t kNoLetter = 0xFFFFFFFF;
constexpr std::size_t kMostBytes = 4;

/// The letter at `at`, which moves past it. kNoLetter for a byte that does not begin one.
std::uint32_t next_letter(std::string_view text, std::size_t& at) {
    auto const byte = [&](std::size_t ahead) {
        return at + ahead < text.size() ? static_cast<unsigned char>(text[at + ahead]) : 0U;
    };
    auto const follows = [&](std::size_t ahead) { return (byte(ahead) & 0xC0U) == 0x80; };
    std::uint32_t const first = byte(0);
    std::uint32_t letter = first < 0x80 ? first : kNoLetter;
    std::size_t length = 1;
    if (first >= 0xC2 && first < 0xE0 && follows(1)) {
        letter = (first & 0x1FU) << 6 | (byte(1) & 0x3FU);
        length = 2;
    } else if (first >= 0xE0 && first < 0xF0 && follows(1) && follows(2)) {
        letter = (first & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
        length = 3;
    }
    at += length;
    return letter;
}

}  // namespace

std::vector<std::uint32_t> letters_of(std::string_view text) {
    std::vector<std::uint32_t> letters;
    for (std::size_t at = 0; at < text.size();) {
        letters.push_back(next_letter(text, at));
    }
    return letters;
}

std::string NameRules::comparable(std::string_view name) const {
    if (!ignores_case()) {
        return std::string(name);
    }
    std::string result;
    for (std::size_t at = 0; at < name.size();) {
        std::size_t const begin = at;
        auto const lower = lower_.find(next_letter(name, at));
        if (lower == lower_.end()) {
            result.append(name.substr(begin, at - begin));
            continue;
        }
        char bytes[kMostBytes];
        result.append(bytes, static_cast<std::size_t>(put_utf8(lower->second, bytes) - bytes));
    }
    return result;
}

TableName NameRules::comparable(const TableName& name) const {
    return {.database = comparable(name.database), .schema = name.schema, .table = comparable(name.table)};
}

}  // namespace pgrepl::core
