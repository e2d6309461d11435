// Files that cannot be read, or not in the usual way: each has its own error, which says what to do.

#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <random>

#include "test/unit/sqlite_fixture.hpp"

namespace pgrepl::test {
namespace {

/// Does without root's rights for a while; does nothing for other users.
class Unprivileged {
  public:
    Unprivileged() {
        if (::geteuid() == 0) {
            was_root_ = ::setegid(65534) == 0 && ::seteuid(65534) == 0;
        }
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;
    ~Unprivileged() {
        if (was_root_) {
            (void)(::seteuid(0) == 0 && ::setegid(0) == 0);
        }
    }

  private:
    bool was_root_ = false;
};

class SqliteFile : public SqliteTest {
  protected:
    void write(const std::string& bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }
    [[nodiscard]] std::string bytes() const {
        std::ifstream file(path(), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void overwrite(std::streamoff offset, const std::string& with) const {
        std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(offset);
        file << with;
    }
    void set_mode(const std::string& name, mode_t mode) const { ASSERT_EQ(::chmod(name.c_str(), mode), 0) << name; }

    core::SourceError open_error(std::optional<std::string> other = {}) {
        return error_of([&] { (void)open(50, other); });
    }
    void expect(const core::SourceError& error, Kind kind, const std::string& words) {
        EXPECT_EQ(error.kind(), kind) << error.text();
        EXPECT_NE((error.text() + "|" + error.detail() + "|" + error.hint()).find(words), std::string::npos)
            << error.text() << "|" << error.detail() << "|" << error.hint();
        EXPECT_FALSE(error.hint().empty()) << error.text();
    }
    [[nodiscard]] bool has_sidecar() const {
        return std::filesystem::exists(path() + "-wal") || std::filesystem::exists(path() + "-shm");
    }
};

TEST_F(SqliteFile, a_missing_file_or_directory_is_not_found) {
    expect(open_error(), Kind::kNotFound, "does not exist");
    expect(open_error(directory() + "/no/where/x.db"), Kind::kNotFound, directory() + "/no\" does not exist either");
}

TEST_F(SqliteFile, a_log_without_its_database_is_named) {
    std::ofstream(path() + "-wal") << "frames";
    expect(open_error(), Kind::kNotFound, "-wal\" is there");
}

TEST_F(SqliteFile, a_directory_a_pipe_and_an_empty_file_are_no_databases) {
    expect(open_error(directory()), Kind::kNotADatabase, "directory");
    ASSERT_EQ(::mkfifo((directory() + "/pipe.db").c_str(), 0600), 0);
    expect(open_error(directory() + "/pipe.db"), Kind::kNotADatabase, "regular file");
    write("");
    expect(open_error(), Kind::kNotADatabase, "empty");
}

TEST_F(SqliteFile, other_formats_and_encrypted_files_are_told_apart) {
    write("hello");
    expect(open_error(), Kind::kNotADatabase, "not a SQLite database");
    write(std::string(8192, 'x'));
    expect(open_error(), Kind::kNotADatabase, "not a SQLite database");
    std::mt19937 random(1);
    std::string noise;
    for (int i = 0; i < 8192; ++i) {
        noise += static_cast<char>(random());
    }
    write(noise);
    expect(open_error(), Kind::kEncrypted, "encrypted");
    write("** This file contains an SQLite 2.1 database **" + std::string(4096, '\0'));
    expect(open_error(), Kind::kUnsupported, "SQLite 2");
}

TEST_F(SqliteFile, a_damaged_header_and_a_newer_format_are_told_apart) {
    Program(path()).run("CREATE TABLE t(a)");
    overwrite(16, std::string("\x12\x34", 2));
    expect(open_error(), Kind::kCorrupt, "damaged");
    overwrite(16, std::string("\x10\x00", 2));
    overwrite(18, std::string("\x03\x03", 2));
    expect(open_error(), Kind::kUnsupported, "newer libsqlite3");
    write(std::string("SQLite format 3\0", 16));
    expect(open_error(), Kind::kCorrupt, "truncated");
}

TEST_F(SqliteFile, a_truncated_file_is_called_truncated_with_both_sizes) {
    for (const char* mode : {"delete", "wal"}) {
        std::filesystem::remove(path());
        Program(path()).run(std::string("PRAGMA journal_mode=") + mode +
                            "; CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(100000))");
        auto const whole = std::filesystem::file_size(path());
        std::filesystem::resize_file(path(), whole - 20'000);
        core::SourceError const error = open_error();
        expect(error, Kind::kCorrupt, "truncated");
        expect(error, Kind::kCorrupt, std::to_string(whole));
        expect(error, Kind::kCorrupt, std::to_string(whole - 20'000));
    }
}

TEST_F(SqliteFile, a_damaged_table_is_named_and_others_are_read) {
    Program(path()).run(
        "CREATE TABLE bad(a); CREATE TABLE good(a); INSERT INTO good VALUES(1);"
        "WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000) INSERT INTO bad SELECT zeroblob(50) FROM n");
    overwrite(10 * 4096, std::string(60'000, '\x7f'));
    core::SourceError const error = error_of([&] { (void)read_table("bad"); });
    expect(error, Kind::kCorrupt, "\"bad\"");
    EXPECT_FALSE(error.retryable());
    EXPECT_EQ(read_table("good"), Rows{"1,1"});
}

TEST_F(SqliteFile, a_lock_held_for_long_is_busy_and_says_how_to_find_its_holder) {
    Program program(path());
    program.run("CREATE TABLE t(a); BEGIN EXCLUSIVE");
    core::SourceError const error = open_error();
    expect(error, Kind::kBusy, "fuser");
    EXPECT_TRUE(error.retryable());
    program.run("COMMIT; PRAGMA journal_mode=wal; PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES(1)");
    expect(open_error(), Kind::kBusy, "locked");
}

TEST_F(SqliteFile, a_file_or_directory_without_permission_is_denied) {
    Program(path()).run("CREATE TABLE t(a)");
    set_mode(directory(), 0755);
    set_mode(path(), 0200);
    {
        Unprivileged const now;
        expect(open_error(), Kind::kPermissionDenied, "may not be read");
    }
    set_mode(path(), 0644);
    set_mode(directory(), 0600);
    Unprivileged const now;
    expect(open_error(), Kind::kPermissionDenied, "may not be entered");
}

/// A file t with one row, whose writer has died within a transaction.
void leave_journal(const std::string& path) {
    Program(path).run("CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(3000000))");
    pid_t const child = ::fork();
    if (child == 0) {
        Program program(path);
        program.run("PRAGMA cache_size=5; BEGIN; UPDATE t SET a=randomblob(3000000)");
        ::kill(::getpid(), SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
    ASSERT_TRUE(std::filesystem::exists(path + "-journal"));
}

TEST_F(SqliteFile, a_journal_that_goes_away_at_once_was_left_by_nobody) {
    leave_journal(path());
    interrupts().on_wait = [this] { Program(path()).run("SELECT * FROM t"); };
    EXPECT_EQ(read_table("t").size(), 1U);
}

TEST_F(SqliteFile, a_journal_left_by_a_dead_writer_is_busy_until_its_program_comes_back) {
    leave_journal(path());
    core::SourceError const error = open_error();
    expect(error, Kind::kBusy, "middle of a transaction");
    EXPECT_TRUE(error.retryable());
    Program(path()).run("SELECT * FROM t");
    EXPECT_EQ(read_table("t").size(), 1U);
}

TEST_F(SqliteFile, a_wal_database_in_a_read_only_directory_is_read_without_locks) {
    Program(path()).run("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    ASSERT_FALSE(has_sidecar());
    set_mode(path(), 0644);
    set_mode(directory(), 0555);
    Unprivileged const now;
    auto const source = open();
    EXPECT_NE(source->describe().description.find("without locks"), std::string::npos);
    auto const snapshot = source->open_snapshot({});
    EXPECT_EQ(read_table(*snapshot, "t"), Rows{"1,1"});
    EXPECT_NO_THROW((void)source->open_snapshot({.join = snapshot->state()}));
    EXPECT_FALSE(has_sidecar());
}

TEST_F(SqliteFile, a_write_to_a_file_that_is_read_without_locks_is_noticed) {
    Program(path()).run("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    set_mode(path(), 0644);
    set_mode(directory(), 0555);
    std::unique_ptr<core::Source> source;
    std::unique_ptr<core::Snapshot> snapshot;
    core::TableInfo info;
    {
        Unprivileged const now;
        source = open();
        snapshot = source->open_snapshot({});
        info = table(*snapshot, "t");
    }
    set_mode(directory(), 0755);
    Program(path()).run("INSERT INTO t VALUES(2)");
    EXPECT_EQ(error_of([&] { (void)read_chunk(*snapshot, info, {}); }).kind(), Kind::kStateLost);
    EXPECT_EQ(error_of([&] { (void)source->open_snapshot({.join = snapshot->state()}); }).kind(), Kind::kStateLost);
}

TEST_F(SqliteFile, no_file_is_left_that_the_database_s_own_programs_cannot_write) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "takes two users";
    }
    Program(path()).run("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    set_mode(path(), 0644);
    set_mode(directory(), 0777);
    Unprivileged const now;
    EXPECT_EQ(read_table("t"), Rows{"1,1"});
    EXPECT_FALSE(has_sidecar());
}

TEST_F(SqliteFile, a_wal_database_in_use_by_its_program_is_read_with_read_rights_only) {
    Program program(path());
    program.run("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    set_mode(path(), 0444);
    set_mode(path() + "-wal", 0444);
    set_mode(path() + "-shm", 0444);
    set_mode(directory(), 0555);
    Unprivileged const now;
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    program.run("INSERT INTO t VALUES(2)");
    EXPECT_EQ(read_table(*snapshot, "t"), Rows{"1,1"});
    EXPECT_EQ(read_table("t"), (Rows{"1,1", "2,2"}));
}

TEST_F(SqliteFile, a_log_with_changes_that_cannot_be_used_is_explained) {
    Program program(path());
    program.run("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1)");
    std::string const copy = directory() + "/copy/x.db";
    std::filesystem::create_directory(directory() + "/copy");
    std::filesystem::copy_file(path(), copy);
    std::filesystem::copy_file(path() + "-wal", copy + "-wal");
    set_mode(directory(), 0755);
    set_mode(copy, 0444);
    set_mode(copy + "-wal", 0444);
    set_mode(directory() + "/copy", 0555);
    {
        Unprivileged const now;
        expect(open_error(copy), Kind::kPermissionDenied, "wal_checkpoint(TRUNCATE)");
    }
    set_mode(directory() + "/copy", 0755);
}

}  // namespace
}  // namespace pgrepl::test
