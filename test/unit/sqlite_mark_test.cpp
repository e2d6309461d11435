// Whether a target that holds one state of a SQLite file has what the file held at another.

#include "test/unit/sqlite_bank.hpp"

namespace pgrepl::test {
namespace {

/// Whether a target that holds `held` has what the source held at `mark`, and the other way round: it is one question.
bool same_rows(const core::Source& source, const core::StateName& held, const core::StateName& mark) {
    bool const there = source.has_all_of(held, mark);
    EXPECT_EQ(there, source.has_all_of(mark, held));
    return there;
}

class SqliteMark : public SqliteBank, public testing::WithParamInterface<const char*> {};

TEST_P(SqliteMark, a_state_is_reached_until_somebody_commits) {
    make_bank(GetParam());
    Program const program(path());
    auto const source = open();
    core::StateName const before = source->open_snapshot({})->state();
    EXPECT_TRUE(same_rows(*source, before, source->open_snapshot({})->state()));
    program.run("BEGIN; UPDATE a SET money = 0; ROLLBACK");
    EXPECT_TRUE(same_rows(*source, before, source->open_snapshot({})->state()));
    program.run("UPDATE a SET money = money + 1 WHERE id = 1");
    core::StateName const after = source->open_snapshot({})->state();
    EXPECT_FALSE(same_rows(*source, before, after));
    EXPECT_TRUE(same_rows(*source, after, source->open_snapshot({})->state()));
}

TEST_P(SqliteMark, a_private_copy_stands_for_the_state_that_was_copied) {
    make_bank(GetParam());
    Program const program(path());
    auto const source = open();
    core::StateName const first = source->open_snapshot({.join = {}, .durable = true})->state();
    core::StateName const second = source->open_snapshot({.join = {}, .durable = true})->state();
    EXPECT_NE(first.text, second.text);
    EXPECT_TRUE(same_rows(*source, first, second));
    EXPECT_TRUE(same_rows(*source, first, source->open_snapshot({})->state()));
    program.run("UPDATE a SET money = money + 1 WHERE id = 1");
    EXPECT_FALSE(same_rows(*source, first, source->open_snapshot({})->state()));
    EXPECT_FALSE(same_rows(*source, first, source->open_snapshot({.join = {}, .durable = true})->state()));
}

TEST_P(SqliteMark, a_text_that_cannot_be_understood_proves_nothing) {
    make_bank(GetParam());
    auto const source = open();
    core::StateName const now = source->open_snapshot({})->state();
    for (const char* const text : {"", "nonsense", "wal", "copy name=x", "copy name=x copy_bytes=1 of=nothing"}) {
        EXPECT_FALSE(same_rows(*source, core::StateName{text}, now)) << text;
    }
}

INSTANTIATE_TEST_SUITE_P(Modes, SqliteMark, testing::Values("WAL", "DELETE"));

}  // namespace
}  // namespace pgrepl::test
