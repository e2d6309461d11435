// One state of a SQLite file, whatever its programs do meanwhile. The programs are processes of their own.

#include <algorithm>
#include <fstream>
#include <random>

#include "test/unit/sqlite_bank.hpp"

namespace pgrepl::test {
namespace {

constexpr std::int64_t kMoney = 1'000'000;

class SqliteSnapshot : public SqliteBank {
  protected:
    /// Moves money, renumbers rows, and now and then checkpoints, as fast as `pause_us` allows.
    std::unique_ptr<Process> start_bank(int pause_us) {
        std::string const file = path();
        return std::make_unique<Process>([file, pause_us] {
            static Program program(file);
            static std::mt19937 random(7);
            std::string const from = std::to_string(random() % 1000 + 1);
            std::string const to = std::to_string(random() % 1000 + 1);
            std::string const sum = std::to_string(random() % 100);
            program.run("PRAGMA synchronous=OFF; BEGIN IMMEDIATE; UPDATE a SET money=money-" + sum +
                        " WHERE id=" + from + "; UPDATE b SET money=money+" + sum + " WHERE id=" + to +
                        "; UPDATE a SET id=id+100000 WHERE id=" + to +
                        "; UPDATE a SET id=id-100000 WHERE id>100000; COMMIT");
            if (random() % 50 == 0) {
                sqlite3_wal_checkpoint_v2(program.handle(), nullptr, static_cast<int>(random() % 4), nullptr, nullptr);
            }
            ::usleep(static_cast<useconds_t>(pause_us));
        });
    }

    static std::int64_t money_in(core::Snapshot& snapshot, const std::string& name, std::size_t rows_per_batch) {
        core::TableInfo const info = table(snapshot, name);
        core::RowBatch batch(3);
        std::int64_t sum = 0;
        std::size_t rows = 0;
        for (const core::ChunkRange& range : snapshot.plan_chunks(info, 4)) {
            auto const reader = snapshot.open_chunk(info, range);
            while (reader->read(batch, {.rows = rows_per_batch})) {
                for (std::size_t i = 0; i < batch.row_count(); ++i) {
                    sum += batch.row(i)[1].payload.int64;
                }
                rows += batch.row_count();
            }
        }
        EXPECT_EQ(rows, 1000U) << name;
        return sum;
    }
    static std::int64_t money_in(core::Snapshot& snapshot) {
        return money_in(snapshot, "a", 37) + money_in(snapshot, "b", 37);
    }

    [[nodiscard]] bool joins(const core::StateName& position) {
        try {
            auto const source = open();
            (void)source->open_snapshot({.join = position});
            return true;
        } catch (const core::SourceError& error) {
            EXPECT_EQ(error.kind(), Kind::kStateLost) << error.text();
            EXPECT_TRUE(error.retryable());
            return false;
        }
    }
};

TEST_F(SqliteSnapshot, a_wal_snapshot_is_one_state_under_a_busy_writer_and_joiners_see_it_or_nothing) {
    make_bank("wal");
    auto const bank = start_bank(300);
    int joined = 0;
    for (int round = 0; round < 60; ++round) {
        auto const source = open();
        auto const held = source->open_snapshot({});
        try {
            auto const other = open();
            auto const same = other->open_snapshot({.join = held->state()});
            ++joined;
            EXPECT_EQ(money_in(*same, "a", 100) + money_in(*held, "b", 100), kMoney);
            EXPECT_EQ(money_in(*held, "a", 10) + money_in(*same, "b", 10), kMoney);
        } catch (const core::SourceError& error) {
            ASSERT_EQ(error.kind(), Kind::kStateLost) << error.text() << error.detail();
        }
        ASSERT_EQ(money_in(*held), kMoney);
    }
    RecordProperty("joined", joined);
}

TEST_F(SqliteSnapshot, a_rollback_journal_file_is_read_as_one_state_or_the_loss_is_noticed) {
    make_bank("delete");
    auto const bank = start_bank(3000);
    int lost = 0;
    int whole = 0;
    for (int round = 0; round < 200; ++round) {
        try {
            auto const source = open();
            auto const snapshot = source->open_snapshot({});
            std::int64_t const sum = money_in(*snapshot, "a", 500) + money_in(*snapshot, "b", 500);
            ASSERT_EQ(sum, kMoney);
            ++whole;
        } catch (const core::SourceError& error) {
            ASSERT_EQ(error.kind(), Kind::kStateLost) << error.text() << error.detail();
            ++lost;
        }
    }
    EXPECT_GT(lost, 0);
    RecordProperty("whole", whole);
}

TEST_F(SqliteSnapshot, a_durable_snapshot_under_a_busy_writer_is_one_state_and_outlives_its_maker) {
    for (const char* mode : {"wal", "delete", "persist", "truncate"}) {
        std::filesystem::remove(path());
        make_bank(mode);
        auto const bank = start_bank(200);
        for (int round = 0; round < 10; ++round) {
            core::StateName position;
            {
                auto const source = open(10'000);
                position = source->open_snapshot({.join = {}, .durable = true})->state();
            }
            auto const source = open(10'000);
            auto const snapshot = source->open_snapshot({.join = position, .durable = true});
            EXPECT_EQ(snapshot->state().text, position.text);
            ASSERT_EQ(money_in(*snapshot), kMoney) << mode;
        }
    }
}

TEST_F(SqliteSnapshot, opening_and_discovery_take_any_state_however_busy_the_writer) {
    make_bank("delete");
    auto const bank = start_bank(100);
    for (int round = 0; round < 30; ++round) {
        EXPECT_EQ(open(10'000)->discover().size(), 2U);
    }
}

TEST_F(SqliteSnapshot, reading_in_slices_leaves_the_file_to_writers_in_between) {
    make_bank("delete");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    core::TableInfo const info = table(*snapshot, "a");
    auto const reader = snapshot->open_chunk(info, {});
    core::RowBatch batch(3);
    ASSERT_TRUE(reader->read(batch, {.rows = 10}));
    Program program(path());
    sqlite3_busy_timeout(program.handle(), 0);
    EXPECT_NO_THROW(program.run("UPDATE b SET money=1 WHERE id=1"));
    core::SourceError const error = error_of([&] { reader->read(batch, {}); });
    EXPECT_EQ(error.kind(), Kind::kStateLost);
    EXPECT_EQ(batch.row_count(), 0U);
    EXPECT_NO_THROW(program.run("UPDATE b SET money=0 WHERE id=1"));
}

TEST_F(SqliteSnapshot, a_held_wal_snapshot_lets_writers_commit_and_does_not_see_them) {
    make_bank("wal");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    Program program(path());
    sqlite3_busy_timeout(program.handle(), 0);
    program.run("UPDATE a SET money=5; PRAGMA wal_checkpoint(PASSIVE); DROP TABLE b; CREATE TABLE c(x)");
    EXPECT_EQ(money_in(*snapshot), kMoney);
    EXPECT_FALSE(joins(snapshot->state()));
}

TEST_F(SqliteSnapshot, an_unchanged_file_is_joined_and_resumed_in_every_journal_mode) {
    for (const char* mode : {"wal", "delete", "persist", "truncate"}) {
        std::filesystem::remove(path());
        make_bank(mode);
        ::usleep(30'000);
        core::StateName position;
        {
            auto const source = open();
            auto const snapshot = source->open_snapshot({});
            position = snapshot->state();
            EXPECT_TRUE(joins(position)) << mode;
        }
        EXPECT_TRUE(joins(position)) << mode << " after its holder has gone";
        Program(path()).run("SELECT * FROM a");
        EXPECT_TRUE(joins(position)) << mode << " after another reader";
        Program(path()).run("BEGIN; UPDATE a SET money=money+1 WHERE id=1; ROLLBACK");
        EXPECT_TRUE(joins(position)) << mode << " after a rollback";
        Program(path()).run("UPDATE a SET filler=randomblob(200) WHERE id=1");
        EXPECT_FALSE(joins(position)) << mode << " after a commit";
    }
}

TEST_F(SqliteSnapshot, a_wal_state_is_joined_after_a_checkpoint_of_its_frames) {
    make_bank("wal");
    Program program(path());
    program.run("UPDATE a SET filler=randomblob(200) WHERE id<10");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    EXPECT_NE(snapshot->state().text.find("whole=0"), std::string::npos) << snapshot->state().text;
    program.run("PRAGMA wal_checkpoint(PASSIVE)");
    EXPECT_TRUE(joins(snapshot->state()));
    program.run("UPDATE a SET filler=randomblob(200) WHERE id<10");
    EXPECT_FALSE(joins(snapshot->state()));
}

TEST_F(SqliteSnapshot, a_state_wholly_in_the_file_is_joined_after_the_log_was_restarted_or_removed) {
    make_bank("wal");
    core::StateName position;
    {
        Program program(path());
        program.run("UPDATE a SET filler=randomblob(200) WHERE id<10; PRAGMA wal_checkpoint(PASSIVE)");
        auto const source = open();
        auto const snapshot = source->open_snapshot({});
        position = snapshot->state();
        EXPECT_NE(position.text.find("whole=1"), std::string::npos) << position.text;
        program.run("PRAGMA wal_checkpoint(TRUNCATE)");
        EXPECT_TRUE(joins(position));
    }
    EXPECT_TRUE(joins(position));
    Program(path()).run("UPDATE a SET filler=randomblob(200) WHERE id<10");
    EXPECT_FALSE(joins(position));
}

TEST_F(SqliteSnapshot, a_change_of_journal_mode_or_a_vacuum_ends_the_state) {
    for (const char* change : {"PRAGMA journal_mode=wal", "VACUUM", "PRAGMA user_version=3"}) {
        std::filesystem::remove(path());
        make_bank("delete");
        auto const source = open();
        auto const snapshot = source->open_snapshot({});
        core::TableInfo const info = table(*snapshot, "a");
        Program(path()).run(change);
        EXPECT_EQ(error_of([&] { (void)snapshot->discover(); }).kind(), Kind::kStateLost) << change;
        EXPECT_FALSE(joins(snapshot->state())) << change;
    }
}

TEST_F(SqliteSnapshot, a_file_overwritten_in_place_by_a_twin_is_another_state) {
    make_bank("delete");
    std::filesystem::copy_file(path(), path() + ".twin");
    Program(path()).run("UPDATE a SET money=1 WHERE id=1");
    Program(path() + ".twin").run("UPDATE a SET money=2 WHERE id=1");
    core::StateName const position = open()->open_snapshot({})->state();
    ::usleep(20'000);
    std::ofstream(path(), std::ios::binary) << std::ifstream(path() + ".twin", std::ios::binary).rdbuf();
    EXPECT_FALSE(joins(position));
}

TEST_F(SqliteSnapshot, a_file_replaced_by_rename_is_reported_as_replaced) {
    make_bank("delete");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    Program(path() + ".new").run("CREATE TABLE a(x)");
    std::filesystem::rename(path() + ".new", path());
    core::SourceError const during = error_of([&] { (void)snapshot->discover(); });
    EXPECT_EQ(during.kind(), Kind::kReplaced);
    EXPECT_TRUE(during.retryable());
    EXPECT_EQ(error_of([&] { (void)source->open_snapshot({}); }).kind(), Kind::kReplaced);
    std::filesystem::remove(path());
    EXPECT_EQ(error_of([&] { (void)source->open_snapshot({}); }).kind(), Kind::kReplaced);
}

TEST_F(SqliteSnapshot, a_position_that_is_nonsense_is_a_lost_state) {
    make_bank("wal");
    for (const char* text : {"x", "wal", "rollback inode=1", "copy name=../../etc/passwd bytes=3",
                             "copy name=snapshot-0.sqlite bytes=3"}) {
        EXPECT_FALSE(joins(core::StateName{text})) << text;
    }
}

TEST_F(SqliteSnapshot, copies_are_discarded_except_the_one_that_is_kept) {
    make_bank("wal");
    auto const source = open();
    source->discard_snapshots({});  // no directory yet
    core::StateName const first = source->open_snapshot({.join = {}, .durable = true})->state();
    core::StateName const second = source->open_snapshot({.join = {}, .durable = true})->state();
    std::ofstream(scratch() + "/snapshot-0123.partial") << "half";
    std::ofstream(scratch() + "/other") << "not ours";
    source->discard_snapshots(second);
    EXPECT_FALSE(joins(first));
    EXPECT_TRUE(joins(second));
    EXPECT_FALSE(std::filesystem::exists(scratch() + "/snapshot-0123.partial"));
    EXPECT_TRUE(std::filesystem::exists(scratch() + "/other"));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch()), {}), 2);
}

TEST_F(SqliteSnapshot, a_copy_is_private_complete_and_needs_no_files_beside_it) {
    make_bank("wal");
    Program program(path());
    program.run("UPDATE a SET filler=randomblob(200)");
    auto const source = open();
    auto const snapshot = source->open_snapshot({.join = {}, .durable = true});
    for (const auto& entry : std::filesystem::directory_iterator(scratch())) {
        EXPECT_EQ(entry.status().permissions() & std::filesystem::perms::mask, std::filesystem::perms(0600));
        Program copy(entry.path());
        sqlite3_stmt* check = nullptr;
        sqlite3_prepare_v2(copy.handle(), "PRAGMA integrity_check", -1, &check, nullptr);
        ASSERT_EQ(sqlite3_step(check), SQLITE_ROW);
        EXPECT_STREQ(reinterpret_cast<const char*>(sqlite3_column_text(check, 0)), "ok");
        sqlite3_finalize(check);
    }
    EXPECT_EQ(std::filesystem::status(scratch()).permissions(), std::filesystem::perms(0700));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch()), {}), 1);
    std::filesystem::resize_file(std::filesystem::directory_iterator(scratch())->path(), 8192);
    EXPECT_FALSE(joins(snapshot->state()));
}

TEST_F(SqliteSnapshot, an_interrupted_copy_leaves_nothing_behind) {
    make_bank("wal");
    auto const source = open();
    interrupts().raise();
    EXPECT_EQ(error_of([&] { (void)source->open_snapshot({.join = {}, .durable = true}); }).kind(), Kind::kInterrupted);
    if (std::filesystem::exists(scratch())) {
        EXPECT_TRUE(std::filesystem::is_empty(scratch()));
    }
}

TEST_F(SqliteSnapshot, a_wait_for_a_lock_is_interrupted_within_a_second) {
    make_bank("delete");
    Program program(path());
    program.run("BEGIN EXCLUSIVE");
    std::thread raiser([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        interrupts().raise();
    });
    auto const begin = std::chrono::steady_clock::now();
    core::SourceError const error = error_of([&] { (void)open(60'000); });
    raiser.join();
    EXPECT_EQ(error.kind(), Kind::kInterrupted);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

class SqliteSnapshotInMode : public SqliteSnapshot, public testing::WithParamInterface<const char*> {};

TEST_P(SqliteSnapshotInMode, an_interrupt_ends_a_read_at_the_next_batch_and_loses_no_row) {
    make_bank(GetParam());
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    auto const reader = snapshot->open_chunk(table(*snapshot, "a"), {});
    core::RowBatch batch(3);
    ASSERT_TRUE(reader->read(batch, {.rows = 10}));
    EXPECT_EQ(reader->resume_bound(), "10");
    interrupts().raise();
    EXPECT_EQ(error_of([&] { reader->read(batch, {.rows = 10}); }).kind(), Kind::kInterrupted);
    EXPECT_EQ(reader->resume_bound(), "10");
}

INSTANTIATE_TEST_SUITE_P(Modes, SqliteSnapshotInMode, testing::Values("wal", "delete"));

}  // namespace
}  // namespace pgrepl::test
