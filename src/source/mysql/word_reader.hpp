#pragma once
// Goes through the words of a statement from front to back.

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/table_name.hpp"
#include "source/mysql/sql_words.hpp"

namespace pgrepl::mysql {

class WordReader {
  public:
    explicit WordReader(std::vector<SqlWord> words) : words_(std::move(words)) {}

    [[nodiscard]] const SqlWord& word() const { return words_[at_]; }
    [[nodiscard]] bool at_end() const { return word().kind == SqlWord::Kind::kEnd || word().is_sign(';'); }

    void skip() {
        if (word().kind != SqlWord::Kind::kEnd) {
            ++at_;
        }
    }
    bool accept(std::string_view keyword) { return advance_if(word().is(keyword)); }
    bool accept_sign(char sign) { return advance_if(word().is_sign(sign)); }
    bool accept_any(std::initializer_list<std::string_view> keywords) {
        for (std::string_view const keyword : keywords) {
            if (accept(keyword)) {
                return true;
            }
        }
        return false;
    }
    bool accept_both(std::string_view first, std::string_view second) {
        if (!word().is(first) || !words_[at_ + 1].is(second)) {
            return false;
        }
        at_ += 2;
        return true;
    }
    void accept_if_exists() { accept_both("IF", "EXISTS"); }
    void accept_if_not_exists() {
        if (accept_both("IF", "NOT")) {
            accept("EXISTS");
        }
    }
    /// MariaDB: how long a lock is waited for.
    void accept_wait() {
        if (accept("WAIT")) {
            skip();
        } else {
            accept("NOWAIT");
        }
    }

    /// A name; empty if none is there.
    std::string name() {
        std::string name;
        if (word().is_name()) {
            name = word().text;
            skip();
        }
        return name;
    }

    /// table or database.table; without a database if no name is there.
    core::TableName table(std::string_view database) {
        std::string first = name();
        if (first.empty()) {
            return {};
        }
        if (accept_sign('.')) {
            return {.database = std::move(first), .schema = "", .table = name()};
        }
        return {.database = std::string(database), .schema = "", .table = std::move(first)};
    }

    /// Passes over a parenthesis and all within it.
    void skip_parenthesis() {
        int depth = 0;
        do {
            depth += word().is_sign('(') ? 1 : word().is_sign(')') ? -1 : 0;
            skip();
        } while (depth > 0 && word().kind != SqlWord::Kind::kEnd);
    }

  private:
    bool advance_if(bool found) {
        at_ += found ? 1 : 0;
        return found;
    }

    std::vector<SqlWord> words_;  ///< the last is kEnd
    std::size_t at_ = 0;
};

}  // namespace pgrepl::mysql
