// Events within a TRANSACTION_PAYLOAD, whose lengths a server says as it likes.

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "core/source_error.hpp"
#include "source/mysql/binlog/compressed_part.hpp"
#include "source/mysql/binlog/rows_event.hpp"
#include "source/mysql/binlog/transaction_payload.hpp"
#include "source/mysql/wire/byte_reader.hpp"

using namespace pgrepl;
using namespace pgrepl::mysql;

namespace {

using Bytes = std::vector<std::uint8_t>;

void add_number(Bytes& bytes, std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) {
        bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

/// An event of `body` bytes that are all `fill`.
void add_event(Bytes& bytes, std::size_t body, std::uint8_t fill) {
    add_number(bytes, 1'700'000'000, 4);
    bytes.push_back(static_cast<std::uint8_t>(EventType::kWriteRowsV2));
    add_number(bytes, 7, 4);
    add_number(bytes, EventHeader::kBytes + body, 4);
    add_number(bytes, 0, 6);
    bytes.insert(bytes.end(), body, fill);
}

/// A payload that is not compressed.
Bytes payload_of(const Bytes& events) {
    Bytes body = {1, 4, 0xFD};
    add_number(body, events.size(), 3);
    Bytes const compression = {2, 3, 0xFC, 255, 0, 0};
    body.insert(body.end(), compression.begin(), compression.end());
    body.insert(body.end(), events.begin(), events.end());
    return body;
}

}  // namespace

TEST(MysqlPayload, of_an_event_that_is_too_large_the_beginning_is_kept_and_the_next_is_read) {
    constexpr std::size_t kMost = 100'000;
    Bytes events;
    add_event(events, 100, 'a');
    add_event(events, kMost - EventHeader::kBytes, 'b');
    add_event(events, 3'000'000, 'c');
    add_event(events, 10, 'd');
    Bytes const body = payload_of(events);
    Event payload{.header = {}, .place = {}, .body = {body.data(), body.size()}};
    PayloadReader reader(kMost);
    reader.open(payload);

    std::vector<std::pair<std::uint8_t, std::size_t>> seen;
    for (Event event; reader.next(event);) {
        seen.emplace_back(event.body.front(), event.body.size());
        EXPECT_EQ(event.body.front(), event.body.back());
    }
    reader.open(payload);
    for (Event event; reader.next(event);) {
        std::string storage;
        bool const is_cut = event.body.front() == 'c';
        std::string error;
        try {
            (void)parse_rows_event(event, storage);
        } catch (const core::SourceError& refused) {
            error = refused.what();
        }
        EXPECT_EQ(error.find("more than any event may have") != std::string::npos, is_cut) << error;
    }
    std::vector<std::pair<std::uint8_t, std::size_t>> const expected = {
        {'a', 100}, {'b', kMost - EventHeader::kBytes}, {'c', 65'536 - EventHeader::kBytes}, {'d', 10}};
    EXPECT_EQ(seen, expected);
}

TEST(MysqlPayload, a_compressed_part_that_claims_more_than_an_event_may_have_is_refused_before_it_is_read) {
    Bytes part = {0x84, 0xFF, 0xFF, 0xFF, 0xFF};
    part.resize(5'000'000, 'x');
    EventPlace const place;
    ByteReader reader(ByteSpan(part.data(), part.size()), place);
    std::string out;
    try {
        decompress_part(reader, out);
        FAIL() << "it was taken";
    } catch (const core::SourceError& error) {
        EXPECT_NE(std::string(error.what()).find("4294967295 bytes"), std::string::npos) << error.what();
    }
    EXPECT_EQ(out.capacity(), std::string().capacity()) << "no memory was taken for it";
}
