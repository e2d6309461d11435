// How fast row events become values: build/mysql_binlog_decode FILE [ROUNDS], FILE being a binlog of a server.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "test/unit/mysql_event_walk.hpp"

int main(int argc, char** argv) {
    constexpr std::size_t kMagicBytes = 4;
    constexpr std::size_t kLengthOffset = 9;
    using namespace pgrepl;
    if (argc < 2) {
        return 2;
    }
    std::ifstream file(argv[1], std::ios::binary);
    std::string const bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    int const rounds = argc > 2 ? std::atoi(argv[2]) : 1;
    std::size_t changes = 0;
    std::size_t values = 0;
    auto const start = std::chrono::steady_clock::now();
    for (int round = 0; round < rounds; ++round) {
        test::EventWalk walk(mysql::ChecksumAlgorithm::kNone);
        walk.on_change = [&](auto const&, auto, auto const& batch) {
            ++changes;
            values += batch.row_count() * batch.column_count();
        };
        for (std::size_t at = kMagicBytes; at < bytes.size();) {
            std::uint32_t length = 0;
            std::memcpy(&length, bytes.data() + at + kLengthOffset, sizeof length);
            walk.read({reinterpret_cast<const std::uint8_t*>(bytes.data()) + at, length});
            at += length;
        }
    }
    std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - start;
    std::printf("%zu changes, %zu values, %.1f MB in %.3f s: %.0f changes/s\n", changes, values,
                static_cast<double>(bytes.size()) * rounds / 1e6, seconds.count(),
                static_cast<double>(changes) / seconds.count());
    return 0;
}
