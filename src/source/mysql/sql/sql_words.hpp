#pragma once
// An SQL statement of MySQL or MariaDB as words: comments are passed over, quotes are taken off. It knows no grammar.

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

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
    [[nodiscard]] bool is_any(std::initializer_list<std::string_view> keywords) const noexcept {
        return std::any_of(keywords.begin(), keywords.end(), [&](std::string_view keyword) { return is(keyword); });
    }
    [[nodiscard]] bool is_sign(char sign) const noexcept { return kind == Kind::kSign && text[0] == sign; }
    [[nodiscard]] bool is_name() const noexcept { return kind == Kind::kWord || kind == Kind::kQuoted; }
};

/// How a session that made a statement reads it.
struct SqlReading {
    bool ansi_quotes = false;  ///< "x" is a name
    bool backslash_escapes = true;
    bool bracket_quotes = false;  ///< [x] is a name
    bool runs_m_comments =
        true;  ///< what stands in /*M! … */ is part of the statement: MariaDB; to MySQL it is a comment
    bool no_break_space = false;  ///< U+00A0 stands between words, as other blanks; else it is part of a word
};

/// The words of a statement, one after another, and kEnd for ever after. What stands in /*! … */, or in /*M! … */ where
/// that is run, is taken as if it stood without the comment, whatever version it asks for: servers log those that they
/// passed over as plain comments.
class SqlWords {
  public:
    /// `sql` outlives it.
    SqlWords(std::string_view sql, const SqlReading& reading) : sql_(sql), reading_(reading) {}

    SqlWord next();

  private:
    [[nodiscard]] char look(std::size_t ahead = 0) const {
        return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
    }
    [[nodiscard]] std::size_t blank_bytes(std::size_t ahead) const;
    [[nodiscard]] bool at_line_comment() const;
    void skip_space();
    void skip_comment();
    void take(SqlWord& word);
    void take_quoted(SqlWord& word, char quote);

    std::string_view sql_;
    SqlReading reading_;
    std::size_t at_ = 0;
    bool in_executed_comment_ = false;
};

}  // namespace pgrepl::mysql
