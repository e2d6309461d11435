// Small files that URLs name: whatever has the name, reading it ends.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/small_file.hpp"

namespace pgrepl::test {
namespace {

using core::read_small_file;

class SmallFile : public testing::Test {
  protected:
    SmallFile() { EXPECT_NE(::mkdtemp(directory_.data()), nullptr); }
    ~SmallFile() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }

    std::string directory_ = (std::filesystem::temp_directory_path() / "small_file_XXXXXX").string();
};

TEST_F(SmallFile, is_read_whole) {
    std::string const text("one\ntwo\0three", 13);
    std::ofstream(path("f")) << text;
    EXPECT_EQ(read_small_file(path("f")).text, text);
    EXPECT_EQ(read_small_file(path("f")).fault, "");
    std::filesystem::create_symlink(path("f"), path("link"));
    EXPECT_EQ(read_small_file(path("link")).text, text);
    EXPECT_EQ(read_small_file(path("none")).fault, "No such file or directory.");
}

TEST_F(SmallFile, that_is_no_file_is_not_waited_for) {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    for (const std::string& name : {path("fifo"), std::string("/dev/zero"), directory_}) {
        EXPECT_EQ(read_small_file(name).fault, "It is not a regular file.") << name;
        EXPECT_EQ(read_small_file(name).text, "");
    }
}

TEST_F(SmallFile, that_is_long_is_not_read_to_its_end) {
    std::ofstream(path("f")) << "geheim";
    std::filesystem::resize_file(path("f"), std::uintmax_t{1} << 40);
    EXPECT_EQ(read_small_file(path("f")).fault, "It is longer than 1 MB.");
    EXPECT_EQ(read_small_file(path("f")).text, "");
    EXPECT_NE(read_small_file("/proc/self/status").text, "") << "the kernel says that it has no bytes";
}

}  // namespace
}  // namespace pgrepl::test
