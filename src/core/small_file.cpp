// Opened without waiting, and looked at before it is read.

#include "core/small_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace pgrepl::core {

namespace {

constexpr std::size_t kMostBytes = 1 << 20;

class Descriptor {
  public:
    explicit Descriptor(const std::string& path)
        : number_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    [[nodiscard]] int number() const noexcept { return number_; }

  private:
    int number_;
};

SmallFile fault_of_system() { return {.text = {}, .fault = std::generic_category().message(errno) + "."}; }

}  // namespace

SmallFile read_small_file(const std::string& path) {
    Descriptor const file(path);
    struct stat info = {};
    if (file.number() < 0 || ::fstat(file.number(), &info) != 0) {
        return fault_of_system();
    }
    if (!S_ISREG(info.st_mode)) {
        return {.text = {}, .fault = "It is not a regular file."};
    }
    SmallFile result;
    // Its size says nothing: of some files the kernel makes it up, others grow while they are read.
    for (std::array<char, 8192> part; result.text.size() <= kMostBytes;) {
        ssize_t const bytes = ::read(file.number(), part.data(), part.size());
        if (bytes == 0) {
            return result;
        }
        if (bytes < 0 && errno != EINTR) {
            return fault_of_system();
        }
        result.text.append(part.data(), bytes < 0 ? 0 : static_cast<std::size_t>(bytes));
    }
    return {.text = {}, .fault = "It is longer than 1 MB."};
}

}  // namespace pgrepl::core
