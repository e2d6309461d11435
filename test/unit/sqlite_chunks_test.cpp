// Chunks and snapshots of the SQLite adapter, without a server: every row exactly once, and one state of the file.

#include <map>
#include <random>
#include <string>

#include "sqlite_fixture.hpp"

namespace pgrepl::test {
namespace {

class SqliteChunks : public SqliteTest {
  protected:
    void run(const std::string& sql) const { writer_.run(sql); }
    /// Reads a chunk with random limits, beginning again at the resume bound now and then.
    static void read(core::Snapshot& snapshot, const core::TableInfo& info, core::ChunkRange range,
                     std::mt19937& random, std::map<std::int64_t, int>& seen) {
        core::RowBatch batch(info.layout.columns.size());
        auto reader = snapshot.open_chunk(info, range);
        while (reader->read(batch, {1 + random() % 40, std::size_t{1} << 20})) {
            for (std::size_t i = 0; i < batch.row_count(); ++i) {
                ++seen[batch.row(i)[info.layout.key_columns.back()].payload.int64];
            }
            if (random() % 7 == 0) {
                range.lower = reader->resume_bound();
                reader = snapshot.open_chunk(info, range);
            }
        }
    }

  private:
    Program writer_{path()};
};

TEST_F(SqliteChunks, every_row_is_read_exactly_once_whatever_the_limits_and_restarts) {
    run("CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE w (a TEXT, b INTEGER, PRIMARY KEY (a, b)) WITHOUT "
        "ROWID;");
    std::mt19937 random(42);
    std::uniform_int_distribution<std::int64_t> any(INT64_MIN, INT64_MAX);
    run("BEGIN; INSERT INTO t VALUES (0, 'zero'), (-1, 'minus'), (9223372036854775807, 'most'), (-9223372036854775808, "
        "'least')");
    for (int i = 0; i < 2000; ++i) {
        run("INSERT OR IGNORE INTO t VALUES (" + std::to_string(i % 2 == 0 ? i : any(random)) + ", 'x')");
        run("INSERT INTO w VALUES ('k" + std::to_string(random() % 50) + "', " + std::to_string(i) + ")");
    }
    run("COMMIT");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    for (int wanted : {1, 3, 16}) {
        for (const char* name : {"t", "w"}) {
            core::TableInfo const info = table(*snapshot, name);
            std::map<std::int64_t, int> seen;
            for (const core::ChunkRange& range : snapshot->plan_chunks(info, wanted)) {
                std::optional<std::string> const split = snapshot->split_point(info, range);
                if (split) {
                    read(*snapshot, info, {range.lower, *split}, random, seen);
                    read(*snapshot, info, {*split, range.upper}, random, seen);
                } else {
                    read(*snapshot, info, range, random, seen);
                }
            }
            EXPECT_EQ(seen.size(), name[0] == 't' ? 2003U : 2000U) << name << ", " << wanted << " chunks";
            for (const auto& [key, count] : seen) {
                ASSERT_EQ(count, 1) << key;
            }
        }
    }
}

TEST_F(SqliteChunks, a_state_can_be_joined_until_a_writer_commits) {
    for (const char* mode : {"WAL", "DELETE"}) {
        run(std::string("PRAGMA journal_mode = ") + mode +
            "; DROP TABLE IF EXISTS t; CREATE TABLE t (v); INSERT INTO t VALUES (1)");
        auto const holder = open();
        auto const held = holder->open_snapshot({});
        auto const other = open();
        EXPECT_NO_THROW((void)other->open_snapshot({held->state(), false})) << mode;
        run("INSERT INTO t VALUES (2)");
        core::SourceError const error = error_of([&] { (void)open()->open_snapshot({held->state(), false}); });
        EXPECT_EQ(error.kind(), Kind::kStateLost) << mode << ": " << error.text();
    }
}

TEST_F(SqliteChunks, a_rollback_journal_file_that_changes_between_slices_is_noticed) {
    run("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i "
        "+ 1 "
        "FROM n WHERE i < 300000) SELECT i, 'some text of a row ' || i FROM n");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    core::TableInfo const info = table(*snapshot, "t");
    auto const reader = snapshot->open_chunk(info, {});
    core::RowBatch batch(info.layout.columns.size());
    ASSERT_TRUE(reader->read(batch, {10, 1 << 20}));
    run("UPDATE t SET v = 'changed' WHERE id = 300000");
    EXPECT_THROW(
        {
            while (reader->read(batch, {1000, 1 << 20})) {
            }
        },
        core::SourceError);
}

TEST_F(SqliteChunks, a_durable_snapshot_outlives_changes_and_is_joined_by_others) {
    run("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'old')");
    auto const source = open();
    auto const durable = source->open_snapshot({{}, true});
    run("UPDATE t SET v = 'new'; INSERT INTO t VALUES (2, 'new')");
    auto const other = open();
    auto const joined = other->open_snapshot({durable->state(), true});
    core::TableInfo const info = table(*joined, "t");
    auto const reader = joined->open_chunk(info, {});
    core::RowBatch batch(info.layout.columns.size());
    ASSERT_TRUE(reader->read(batch, {10, 1 << 20}));
    ASSERT_EQ(batch.row_count(), 1U);
    EXPECT_EQ(batch.row(0)[1].view(), "old");
}

TEST_F(SqliteChunks, a_wait_for_a_lock_ends_at_the_timeout_or_at_an_interrupt) {
    run("CREATE TABLE t (v); BEGIN EXCLUSIVE");
    auto const discover = [this] { (void)open(200)->discover(); };
    core::SourceError const busy = error_of(discover);
    EXPECT_EQ(busy.kind(), Kind::kBusy) << busy.text();
    EXPECT_TRUE(busy.retryable());
    EXPECT_FALSE(busy.hint().empty());
    interrupts().raise();
    core::SourceError const interrupted = error_of(discover);
    EXPECT_EQ(interrupted.kind(), Kind::kInterrupted) << interrupted.text();
}

TEST_F(SqliteChunks, large_values_are_handed_out_whole_one_row_a_batch) {
    run("CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, zeroblob(20000000)), (2, 'a'), (3, "
        "zeroblob(70000))");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    core::TableInfo const info = table(*snapshot, "t");
    auto const reader = snapshot->open_chunk(info, {});
    core::RowBatch batch(info.layout.columns.size());
    std::map<std::int64_t, std::size_t> sizes;
    while (reader->read(batch, {1000, 1 << 20})) {
        for (std::size_t i = 0; i < batch.row_count(); ++i) {
            sizes[batch.row(i)[0].payload.int64] = batch.row(i)[1].length;
        }
    }
    EXPECT_EQ(sizes, (std::map<std::int64_t, std::size_t>{{1, 20000000}, {2, 1}, {3, 70000}}));
}

}  // namespace
}  // namespace pgrepl::test
