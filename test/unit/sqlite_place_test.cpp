// Which file is opened: the one that was checked, whatever others make of its path and of the files beside it.

#include "sqlite_fixture.hpp"

#include <fcntl.h>
#include <sys/wait.h>

namespace pgrepl::test {
namespace {

/// A directory that SQLite files may lie in, with one of theirs; and a file elsewhere that must never be read.
class SqlitePlace : public SqliteTest {
  protected:
    SqlitePlace()
        : allowed_(directory() + "/allowed"), path_(allowed_ + "/deep/source.db"), secret_(directory() + "/secret") {
        std::filesystem::create_directories(allowed_ + "/deep");
        std::filesystem::create_directories(secret_);
        make(path_, "open");
        make(secret_ + "/source.db", "secret");
    }

    static void make(const std::string& path, const std::string& text, const std::string& mode = "delete") {
        Program(path).run("PRAGMA journal_mode = " + mode +
                          "; CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES('" + text + "')");
    }
    static void replace_by_link(const std::string& path, const std::string& to) {
        std::filesystem::rename(path, path + ".away");
        std::filesystem::create_symlink(to, path);
    }

    std::unique_ptr<core::Source> open_beneath() { return open(2000, path_, allowed_); }
    Rows rows() {
        auto const source = open_beneath();
        return read_table(*source->open_snapshot({}), "t");
    }

    std::string allowed_;
    std::string path_;
    std::string secret_;
};

TEST_F(SqlitePlace, a_file_below_its_directory_is_read_in_every_mode) {
    EXPECT_EQ(rows(), (Rows{"'open',1"}));
    make(path_, "more", "wal");
    EXPECT_EQ(rows(), (Rows{"'open',1", "'more',2"}));
    Program const writer(path_);
    writer.run("INSERT INTO t VALUES('third')");
    EXPECT_EQ(rows().size(), 3U);
    EXPECT_EQ(open(2000, path_, allowed_ + "/")->discover().size(), 1U);
    EXPECT_EQ(open(2000, path_, "/")->discover().size(), 1U);
}

TEST_F(SqlitePlace, a_link_in_the_place_of_the_file_is_not_followed) {
    auto const source = open_beneath();
    auto const snapshot = source->open_snapshot({});
    replace_by_link(path_, secret_ + "/source.db");
    EXPECT_EQ(error_of([&] { (void)rows(); }).kind(), Kind::kReplaced);
    EXPECT_EQ(error_of([&] { (void)source->discover(); }).kind(), Kind::kReplaced);
    EXPECT_EQ(error_of([&] { (void)snapshot->discover(); }).kind(), Kind::kReplaced);
    EXPECT_EQ(read_table(*open(2000, path_)->open_snapshot({}), "t"), (Rows{"'secret',1"}))
        << "where links may be followed";
}

TEST_F(SqlitePlace, a_link_in_the_place_of_a_directory_is_not_followed) {
    auto const source = open_beneath();
    auto const snapshot = source->open_snapshot({});
    replace_by_link(allowed_ + "/deep", secret_);
    core::SourceError const error = error_of([&] { (void)rows(); });
    EXPECT_EQ(error.kind(), Kind::kReplaced);
    EXPECT_NE(error.detail().find(allowed_ + "/deep"), std::string::npos) << error.detail();
    EXPECT_EQ(error_of([&] { (void)source->discover(); }).kind(), Kind::kReplaced);
    EXPECT_EQ(error_of([&] { (void)snapshot->discover(); }).kind(), Kind::kReplaced);
}

TEST_F(SqlitePlace, paths_that_leave_the_directory_are_refused) {
    for (const std::string& path : {allowed_ + "/../secret/source.db", allowed_ + "/deep/../../secret/source.db",
                                    secret_ + "/source.db", allowed_ + "x/source.db", allowed_}) {
        EXPECT_EQ(error_of([&] { (void)open(2000, path, allowed_); }).kind(), Kind::kPermissionDenied) << path;
    }
    EXPECT_EQ(error_of([&] { (void)open(2000, allowed_ + "/none/x.db", allowed_); }).kind(), Kind::kNotFound);
}

TEST_F(SqlitePlace, links_beside_the_database_are_refused) {
    make(path_, "more", "wal");
    make(secret_ + "/source.db", "more", "wal");
    Program const keeper(secret_ + "/source.db");
    keeper.run("INSERT INTO t VALUES('in the log')");
    for (const char* suffix : {"-wal", "-shm", "-journal"}) {
        std::filesystem::create_symlink(secret_ + "/source.db" + suffix, path_ + suffix);
        for (const std::string& beneath : {allowed_, std::string()}) {
            core::SourceError const error = error_of([&] { (void)open(2000, path_, beneath); });
            EXPECT_EQ(error.kind(), Kind::kPermissionDenied) << error.text();
            EXPECT_NE(error.text().find(suffix), std::string::npos) << error.text();
        }
        std::filesystem::remove(path_ + suffix);
    }
    EXPECT_EQ(rows().size(), 2U);
}

TEST_F(SqlitePlace, locks_of_an_open_state_outlive_other_openings_of_the_file) {
    make(path_, "more", "wal");
    Program const writer(path_);
    writer.run("INSERT INTO t VALUES('third')");
    auto const source = open_beneath();
    auto const snapshot = source->open_snapshot({});
    (void)rows();
    (void)source->discover();
    ::pid_t const child = ::fork();  // locks are a process's: another one sees ours
    if (child == 0) {
        int const file = ::open(path_.c_str(), O_RDWR);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510, .l_pid = 0};
        ::_exit(::fcntl(file, F_GETLK, &lock) == 0 && lock.l_type == F_RDLCK ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "the database is not locked any more";
}

}  // namespace
}  // namespace pgrepl::test
