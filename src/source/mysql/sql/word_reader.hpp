#pragma once
// Goes through the words of a statement from front to back.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "core/table_name.hpp"
#include "source/mysql/sql/sql_words.hpp"

namespace pgrepl::mysql {

class WordReader {
  public:
    /// `sql` outlives it.
    WordReader(std::string_view sql, const SqlReading& reading)
        : words_(sql, reading), word_(words_.next()), following_(words_.next()) {}

    [[nodiscard]] const SqlWord& word() const { return word_; }
    [[nodiscard]] const SqlWord& following() const { return following_; }
    [[nodiscard]] bool at_end() const { return word().kind == SqlWord::Kind::kEnd || word().is_sign(';'); }

    void skip() {
        word_ = std::move(following_);
        following_ = words_.next();
    }
    bool accept(std::string_view keyword) { return skip_if(word().is(keyword)); }
    bool accept_sign(char sign) { return skip_if(word().is_sign(sign)); }
    bool accept_any(std::initializer_list<std::string_view> keywords) {
        for (std::string_view const keyword : keywords) {
            if (accept(keyword)) {
                return true;
            }
        }
        return false;
    }
    bool accept_both(std::string_view first, std::string_view second) {
        if (!word().is(first) || !following_.is(second)) {
            return false;
        }
        skip();
        skip();
        return true;
    }
    void accept_if_exists() { accept_both("IF", "EXISTS"); }
    bool accept_if_not_exists() { return accept_both("IF", "NOT") && accept("EXISTS"); }
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

    /// table, .table or database.table; without a database if no name is there.
    core::TableName table(std::string_view database) {
        bool const begins_with_dot = accept_sign('.');
        std::string first = name();
        if (first.empty()) {
            return {};
        }
        if (!begins_with_dot && accept_sign('.')) {
            std::string second = name();
            return second.empty() ? core::TableName{}
                                  : core::TableName{.database = std::move(first), .schema = "", .table = second};
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
    bool skip_if(bool found) {
        if (found) {
            skip();
        }
        return found;
    }

    SqlWords words_;
    SqlWord word_;
    SqlWord following_;
};

}  // namespace pgrepl::mysql
