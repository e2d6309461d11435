#include "source/mysql/sql_words.hpp"

#include <algorithm>
#include <utility>

namespace pgrepl::mysql {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
}

class Splitter {
  public:
    Splitter(std::string_view sql, const SqlReading& reading) : sql_(sql), reading_(reading) {}

    SqlWord next() {
        skip_space();
        SqlWord word;
        word.begin = at_;
        if (at_ < sql_.size()) {
            take(word);
        }
        word.end = at_;
        return word;
    }

  private:
    [[nodiscard]] char look(std::size_t ahead = 0) const {
        return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
    }

    void skip_space() {
        for (;;) {
            if (is_space(look())) {
                ++at_;
            } else if (look() == '#' || (look() == '-' && look(1) == '-' && (is_space(look(2)) || look(2) == '\0'))) {
                at_ = std::min(sql_.find('\n', at_), sql_.size());
            } else if (look() == '/' && look(1) == '*') {
                skip_comment();
            } else if (in_executed_comment_ && look() == '*' && look(1) == '/') {
                in_executed_comment_ = false;
                at_ += 2;
            } else {
                return;
            }
            if (at_ >= sql_.size()) {
                return;
            }
        }
    }

    void skip_comment() {
        std::size_t const mark = look(2) == '!' ? 3 : look(2) == 'M' && look(3) == '!' ? 4 : 0;
        if (mark == 0) {
            std::size_t const end = sql_.find("*/", at_ + 2);
            at_ = end == std::string_view::npos ? sql_.size() : end + 2;
            return;
        }
        at_ += mark;
        while (is_digit(look())) {
            ++at_;
        }
        in_executed_comment_ = true;
    }

    void take(SqlWord& word) {
        char const first = look();
        if (first == '`' || first == '"' || first == '\'') {
            word.kind =
                first == '`' || (first == '"' && reading_.ansi_quotes) ? SqlWord::Kind::kQuoted : SqlWord::Kind::kText;
            take_quoted(word, first);
        } else if (is_word(first)) {
            word.kind = SqlWord::Kind::kWord;
            while (at_ < sql_.size() && is_word(sql_[at_])) {
                word.text += sql_[at_++];
            }
        } else {
            word.kind = SqlWord::Kind::kSign;
            word.text = first;
            ++at_;
        }
    }

    void take_quoted(SqlWord& word, char quote) {
        bool const escapes = word.kind == SqlWord::Kind::kText && reading_.backslash_escapes;
        for (++at_; at_ < sql_.size(); ++at_) {
            if (sql_[at_] == quote && look(1) != quote) {
                ++at_;
                return;
            }
            if (sql_[at_] == quote || (escapes && sql_[at_] == '\\' && at_ + 1 < sql_.size())) {
                ++at_;
            }
            word.text += sql_[at_];
        }
    }

    std::string_view sql_;
    const SqlReading& reading_;
    std::size_t at_ = 0;
    bool in_executed_comment_ = false;
};

}  // namespace

bool SqlWord::is(std::string_view keyword) const noexcept {
    return kind == Kind::kWord && text.size() == keyword.size() &&
           std::equal(text.begin(), text.end(), keyword.begin(), [](char ours, char wanted) {
               return (ours >= 'a' && ours <= 'z' ? static_cast<char>(ours - 0x20) : ours) == wanted;
           });
}

std::vector<SqlWord> split_sql(std::string_view sql, const SqlReading& reading, std::size_t most) {
    Splitter splitter(sql, reading);
    std::vector<SqlWord> words;
    while (words.size() < most) {
        words.push_back(splitter.next());
        if (words.back().kind == SqlWord::Kind::kEnd) {
            return words;
        }
    }
    words.emplace_back();
    words.back().begin = words.back().end = sql.size();
    return words;
}

}  // namespace pgrepl::mysql
