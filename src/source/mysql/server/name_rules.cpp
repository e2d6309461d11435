#include "source/mysql/server/name_rules.hpp"

#include <unordered_map>
#include <utility>
#include <vector>

#include "core/hex.hpp"
#include "core/source_error.hpp"
#include "core/utf8.hpp"
#include "source/mysql/server/marks.hpp"

namespace pgrepl::mysql {
namespace {

/// Letters beyond U+FFFF cannot stand in names.
constexpr std::uint32_t kEndOfNames = 0x10000;
constexpr std::size_t kMostBytes = 3;

bool is_surrogate_or_private(std::uint32_t letter) { return letter >= 0xD800 && letter < 0xF900; }

/// All letters that a name may have, from the first on that is not ASCII.
std::string all_letters() {
    std::string text;
    char bytes[kMostBytes];
    for (std::uint32_t letter = 0x80; letter < kEndOfNames; ++letter) {
        if (!is_surrogate_or_private(letter)) {
            text.append(bytes, static_cast<std::size_t>(core::put_utf8(letter, bytes) - bytes));
        }
    }
    return text;
}

}  // namespace

NameRules read_name_rules(Connection& connection) {
    if (value_or_empty(connection, "SELECT @@global.lower_case_table_names") == "0") {
        return {};
    }
    std::unordered_map<std::uint32_t, std::uint32_t> lower_of;
    for (std::uint32_t letter = 'A'; letter <= 'Z'; ++letter) {
        lower_of.emplace(letter, letter | 0x20U);
    }
    std::string const upper = all_letters();
    // information_schema compares names as the server does, with this collation or its successor.
    std::string const sql =
        "SELECT LOWER(CONVERT(_binary x'" + core::to_hex(upper) + "' USING utf8mb3) COLLATE utf8mb3_general_ci)";
    std::string const lower = value_or_empty(connection, sql);
    std::vector<std::uint32_t> const from = core::letters_of(upper);
    std::vector<std::uint32_t> const to = core::letters_of(lower);
    if (from.size() != to.size()) {
        throw core::SourceError(
            core::SourceErrorKind::kUnsupported, 0,
            "MySQL server " + connection.server() + " does not tell how it compares names", false,
            "Of " + std::to_string(from.size()) + " letters it gave " + std::to_string(to.size()) + " in lower case.");
    }
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i] != to[i]) {
            lower_of.emplace(from[i], to[i]);
        }
    }
    return NameRules(std::move(lower_of));
}

}  // namespace pgrepl::mysql
