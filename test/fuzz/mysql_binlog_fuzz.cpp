// libFuzzer over the binlog decoder: the input is a row of events without checksums. Build and run:
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Isrc -I. -DPGREPL_ADAPTER \
//       test/fuzz/mysql_binlog_fuzz.cpp src/source/mysql/*.cpp src/source/mysql/binlog/*.cpp -lzstd -lz -o fuzz
//   ./fuzz -max_len=4096 -max_total_time=60

#include <cstring>

#include "test/unit/mysql_event_walk.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kLengthOffset = 9;
    using namespace pgrepl;
    test::EventWalk walk(mysql::ChecksumAlgorithm::kNone);
    while (size >= mysql::EventHeader::kBytes) {
        std::uint32_t length = 0;
        std::memcpy(&length, data + kLengthOffset, sizeof length);
        std::size_t const bytes = length > size ? size : length < mysql::EventHeader::kBytes ? size : length;
        try {
            walk.read(mysql::ByteSpan(data, bytes));
        } catch (const core::SourceError&) {
            // what damaged events are for
        }
        data += bytes;
        size -= bytes;
    }
    return 0;
}
