#pragma once
// A file whose tables have something to lose.

#include <string>

#include "test/unit/sqlite_fixture.hpp"

namespace pgrepl::test {

class SqliteBank : public SqliteTest {
  protected:
    /// Two tables between which money is moved: their sum never changes in a committed state.
    void make_bank(const std::string& mode) {
        Program(path()).run("PRAGMA journal_mode=" + mode +
                            "; CREATE TABLE a(id INTEGER PRIMARY KEY, money, filler); CREATE TABLE b(id INTEGER "
                            "PRIMARY KEY, money, filler);"
                            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000) INSERT INTO a SELECT i, "
                            "1000, zeroblob(200) FROM n;"
                            "INSERT INTO b SELECT id, 0, filler FROM a");
    }
};

}  // namespace pgrepl::test
