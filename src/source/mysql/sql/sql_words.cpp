#include "source/mysql/sql/sql_words.hpp"

#include <algorithm>

namespace pgrepl::mysql {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

bool SqlWord::is(std::string_view keyword) const noexcept {
    return kind == Kind::kWord && text.size() == keyword.size() &&
           std::equal(text.begin(), text.end(), keyword.begin(), [](char ours, char wanted) {
               return (ours >= 'a' && ours <= 'z' ? static_cast<char>(ours - 0x20) : ours) == wanted;
           });
}

SqlWord SqlWords::next() {
    skip_space();
    SqlWord word;
    word.begin = at_;
    if (at_ < sql_.size()) {
        take(word);
    }
    word.end = at_;
    return word;
}

/// Of the blank that stands there; 0: none.
std::size_t SqlWords::blank_bytes(std::size_t ahead) const {
    if (is_space(look(ahead))) {
        return 1;
    }
    return reading_.no_break_space && look(ahead) == '\xC2' && look(ahead + 1) == '\xA0' ? 2 : 0;
}

bool SqlWords::at_line_comment() const {
    return look() == '#' || (look() == '-' && look(1) == '-' &&
                             (blank_bytes(2) != 0 || is_control(look(2))));  // the end is a control, too
}

void SqlWords::skip_space() {
    while (at_ < sql_.size()) {
        if (std::size_t const blank = blank_bytes(0); blank != 0) {
            at_ += blank;
        } else if (at_line_comment()) {
            at_ = std::min(sql_.find('\n', at_), sql_.size());
        } else if (look() == '/' && look(1) == '*') {
            skip_comment();
        } else if (in_executed_comment_ && look() == '*' && look(1) == '/') {
            in_executed_comment_ = false;
            at_ += 2;
        } else {
            return;
        }
    }
}

void SqlWords::skip_comment() {
    std::size_t const mark = look(2) == '!' ? 3 : reading_.runs_m_comments && look(2) == 'M' && look(3) == '!' ? 4 : 0;
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

void SqlWords::take(SqlWord& word) {
    char const first = look();
    bool const brackets = first == '[' && reading_.bracket_quotes;
    if (first == '`' || first == '"' || first == '\'' || brackets) {
        bool const is_name = first == '`' || brackets || (first == '"' && reading_.ansi_quotes);
        word.kind = is_name ? SqlWord::Kind::kQuoted : SqlWord::Kind::kText;
        take_quoted(word, brackets ? ']' : first);
    } else if (is_word(first)) {
        word.kind = SqlWord::Kind::kWord;
        while (at_ < sql_.size() && is_word(sql_[at_]) && blank_bytes(0) == 0) {
            word.text += sql_[at_++];
        }
    } else {
        word.kind = SqlWord::Kind::kSign;
        word.text = first;
        ++at_;
    }
}

/// `quote` ends it, and stands for itself if it is doubled.
void SqlWords::take_quoted(SqlWord& word, char quote) {
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

}  // namespace pgrepl::mysql
