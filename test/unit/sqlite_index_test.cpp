// The shared index of a write-ahead log (-shm), which SQLite maps: what others do to that file does not end the
// process.

#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <fstream>

#include "test/unit/sqlite_fixture.hpp"

namespace pgrepl::test {
namespace {

constexpr std::size_t kPartBytes = 32768;
constexpr std::size_t kReach = 65535 * 4;  ///< of an entry

class SqliteIndex : public SqliteTest {
  protected:
    /// A log that nobody has written into the file: its program has died. It was another process: one that has the
    /// database open in ours would have mapped the index, too.
    SqliteIndex() {
        pid_t const program = ::fork();
        if (program == 0) {
            Program(path()).run("PRAGMA journal_mode = wal; CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
            Program const left(path());
            left.run(
                "PRAGMA wal_autocheckpoint = 0; WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000) "
                "INSERT INTO t SELECT i, zeroblob(1000) FROM n");
            ::_exit(0);
        }
        ::waitpid(program, nullptr, 0);
    }

    [[nodiscard]] std::string index() const { return path() + "-shm"; }
    /// Not by a descriptor: to close one of it in this process would drop SQLite's locks.
    void truncate_index(off_t bytes) const { ASSERT_EQ(::truncate(index().c_str(), bytes), 0); }

    void expect_cut_off(const std::function<void()>& call) {
        core::SourceError const error = error_of(call);
        EXPECT_EQ(error.kind(), Kind::kBusy) << error.text();
        EXPECT_EQ(error.text(), "\"" + index() + "\" was cut off while it was read");
        EXPECT_TRUE(error.retryable());
    }
};

TEST_F(SqliteIndex, that_is_truncated_while_it_is_read_is_an_error_that_passes) {
    {
        auto const source = open();
        auto const snapshot = source->open_snapshot({});
        truncate_index(0);
        expect_cut_off([&] { (void)read_table(*snapshot, "t"); });
        truncate_index(kPartBytes);
        expect_cut_off([&] { (void)read_table(*snapshot, "t"); });
        expect_cut_off([&] { (void)open(); });
    }
    EXPECT_EQ(read_table("t").size(), 2000U);
}

TEST_F(SqliteIndex, that_is_truncated_again_and_again_ends_no_process) {
    std::string const file = index();
    (void)read_table("t");
    Process const vandal([file] {
        for (off_t const bytes : {0, 4096, static_cast<int>(kPartBytes)}) {
            if (::truncate(file.c_str(), bytes) != 0) {
                ::_exit(1);
            }
            ::usleep(200);
        }
    });
    for (int cut_off = 0; cut_off < 5;) {
        try {
            (void)read_table("t");
        } catch (const core::SourceError& error) {
            cut_off += error.text().find("was cut off") != std::string::npos ? 1 : 0;
        } catch (const std::runtime_error&) {
            // An index of zeros shows the file as it was before its log.
        }
    }
}

/// The header of an index that counts `frames`, which are not in the log, and entries that lead past the part they are
/// in.
void write_impossible_index(const std::string& path, std::uint32_t frames) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    std::array<std::uint32_t, 12> header = {};
    file.read(reinterpret_cast<char*>(header.data()), sizeof header);
    header[4] = frames;
    std::uint32_t first = 0;
    std::uint32_t second = 0;
    for (std::size_t word = 0; word < 10; word += 2) {
        first += header[word] + second;
        second += header[word + 1] + first;
    }
    header[10] = first;
    header[11] = second;
    std::vector<std::uint16_t> const entries(kPartBytes / 4, 0xffff);
    file.seekp(kPartBytes / 2);
    file.write(reinterpret_cast<const char*>(entries.data()), static_cast<std::streamsize>(kPartBytes / 2));
    file.seekp(0);
    file.write(reinterpret_cast<const char*>(header.data()), sizeof header);
    file.write(reinterpret_cast<const char*>(header.data()), sizeof header);
    std::filesystem::resize_file(path, (frames / 4096 + 1) * kPartBytes);
}

/// Whether it would be met without that room depends on what else lies there.
void expect_room_behind_parts(const std::string& index) {
    std::ifstream maps("/proc/self/maps");
    std::size_t parts = 0;
    std::string part_end;
    for (std::string line; std::getline(maps, line);) {
        std::string const begin = line.substr(0, line.find('-'));
        std::string const end = line.substr(begin.size() + 1, line.find(' ') - begin.size() - 1);
        if (!part_end.empty()) {
            EXPECT_EQ(begin, part_end) << line;
            EXPECT_EQ(line[line.find(' ') + 1], 'r') << line;
            EXPECT_GE(std::stoull(end, nullptr, 16) - std::stoull(begin, nullptr, 16), kReach) << line;
        }
        bool const is_part = line.ends_with(index);
        parts += is_part ? 1 : 0;
        part_end = is_part ? end : "";
    }
    EXPECT_GT(parts, 0U);
}

TEST_F(SqliteIndex, whose_entries_lead_beyond_it_ends_no_process) {
    auto const source = open();
    auto const snapshot = source->open_snapshot({});  // keeps the index from being rebuilt
    pid_t const vandal = ::fork();
    if (vandal == 0) {
        write_impossible_index(index(), 100'000);
        ::_exit(0);
    }
    ::waitpid(vandal, nullptr, 0);
    EXPECT_THROW((void)read_table("t"), std::exception);
    expect_room_behind_parts(index());
}

using SqliteIndexDeathTest = SqliteIndex;

/// SIGBUS in memory that is not the index of a source.
void fail_elsewhere(const std::string& path) {
    int const file = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_EQ(::ftruncate(file, 4096), 0);
    auto* const memory = static_cast<volatile char*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0));
    ASSERT_EQ(::ftruncate(file, 0), 0);
    (void)memory[0];
}

TEST_F(SqliteIndexDeathTest, leaves_other_bus_errors_as_they_were) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process of its own, in which no handler was set before
    auto const snapshot = [&] { return open()->open_snapshot({}); };
    EXPECT_EXIT(
        {
            auto const held = snapshot();
            fail_elsewhere(directory() + "/other");
        },
        testing::KilledBySignal(SIGBUS), "");
    EXPECT_EXIT(
        {
            auto const held = snapshot();
            ::raise(SIGBUS);
            ::_exit(0);
        },
        testing::KilledBySignal(SIGBUS), "");
    EXPECT_EXIT(
        {
            std::signal(SIGBUS, [](int) { ::_exit(42); });
            auto const held = snapshot();
            fail_elsewhere(directory() + "/other");
        },
        testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace pgrepl::test
