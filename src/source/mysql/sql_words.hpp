#pragma once
// An SQL statement of MySQL or MariaDB as words: comments are passed over, quotes are taken off. It knows no grammar.

#include <string>
#include <string_view>
#include <vector>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

struct SqlWord {
    enum class Kind {
        kEnd,
        kWord,    ///< a keyword, a number, or a name without quotes
        kQuoted,  ///< a name in quotes
        kText,    ///< a literal in quotes
        kSign,    ///< one character of anything else
    };

    Kind kind = Kind::kEnd;
    std::string text;       ///< without quotes
    std::size_t begin = 0;  ///< where it stands in the statement, with its quotes
    std::size_t end = 0;

    /// Whether it is this keyword, which is given in upper case.
    [[nodiscard]] bool is(std::string_view keyword) const noexcept;
    [[nodiscard]] bool is_sign(char sign) const noexcept { return kind == Kind::kSign && text[0] == sign; }
    [[nodiscard]] bool is_name() const noexcept { return kind == Kind::kWord || kind == Kind::kQuoted; }
};

/// How a session that made a statement reads it.
struct SqlReading {
    bool ansi_quotes = false;  ///< "x" is a name
    bool backslash_escapes = true;
};

/// At most `most` words; the last one is always kEnd. What stands in /*! … */ and /*M! … */ is taken as if it stood
/// without the comment, whatever version it asks for.
std::vector<SqlWord> split_sql(std::string_view sql, const SqlReading& reading, std::size_t most);

}  // namespace pgrepl::mysql
