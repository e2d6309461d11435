// libFuzzer over the binlog decoder (make fuzz): the input is a row of events without checksums.

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
