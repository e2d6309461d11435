// Damaged events: a SourceError or a value, never a crash, a read beyond the event, or memory without bound. Checksums
// are taken off, else they would find all damage. Run it with -fsanitize=address,undefined after a change.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <random>

#include "test/unit/mysql_corpus.hpp"
#include "test/unit/mysql_event_walk.hpp"

namespace pgrepl::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kTypeOffset = 4;
constexpr std::size_t kLengthOffset = 9;

void set_length(Bytes& event) {
    auto const length = static_cast<std::uint32_t>(event.size());
    if (event.size() >= kLengthOffset + sizeof length) {
        std::memcpy(event.data() + kLengthOffset, &length, sizeof length);
    }
}

/// FORMAT_DESCRIPTION keeps its last bytes, but says that there are no checksums.
Bytes without_checksum(mysql::ByteSpan event) {
    constexpr std::size_t kTailBytes = 5;
    Bytes bytes(event.begin(), event.end());
    if (bytes.at(kTypeOffset) == static_cast<std::uint8_t>(mysql::EventType::kFormatDescription)) {
        bytes.at(bytes.size() - kTailBytes) = 0;
        return bytes;
    }
    bytes.resize(bytes.size() - 4);
    set_length(bytes);
    return bytes;
}

class MysqlMalformed : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        for (mysql::ByteSpan const event : corpus_.events) {
            events_.push_back(without_checksum(event));
        }
        walk_.complete = [&](mysql::EventTable& table) { corpus_.complete(table); };
        walk_.on_change = [&](auto&&...) { ++changes_; };
    }
    void TearDown() override { EXPECT_GT(changes_, expected_changes_) << "the events were not even read"; }

    /// Copied, so that a sanitizer sees each read beyond the end.
    void read(const Bytes& bytes) {
        auto const exact = std::make_unique_for_overwrite<std::uint8_t[]>(bytes.size());
        std::copy(bytes.begin(), bytes.end(), exact.get());
        try {
            walk_.read({exact.get(), bytes.size()});
        } catch (const core::SourceError& error) {
            EXPECT_FALSE(error.text().empty());
        }
    }

    Corpus const corpus_ = load_corpus(GetParam());
    std::vector<Bytes> events_;
    EventWalk walk_{mysql::ChecksumAlgorithm::kNone};
    std::mt19937 random_{20240131};
    int changes_ = 0;
    int expected_changes_ = 1000;
};

TEST_P(MysqlMalformed, every_prefix_of_every_event_is_read_or_refused) {
    constexpr std::size_t kPrefixesOfLarge = 300;
    for (const Bytes& event : events_) {
        std::size_t const step = event.size() <= 2000 ? 1 : event.size() / kPrefixesOfLarge;
        for (std::size_t size = 0; size < event.size(); size += step) {
            Bytes prefix(event.begin(), event.begin() + static_cast<std::ptrdiff_t>(size));
            set_length(prefix);
            read(prefix);
        }
        read(event);
    }
}

TEST_P(MysqlMalformed, single_flipped_bits_are_read_or_refused) {
    constexpr int kFlipsPerEvent = 6;
    for (const Bytes& event : events_) {
        for (int i = 0; i < kFlipsPerEvent; ++i) {
            Bytes flipped = event;
            // Structure stands at the front, so most flips go there.
            std::size_t const range = i % 3 == 0 ? event.size() : std::min<std::size_t>(event.size(), 120);
            std::size_t const bit = random_() % (range * 8);
            flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
            set_length(flipped);
            read(flipped);
        }
        read(event);
    }
}

TEST_P(MysqlMalformed, random_bytes_behind_a_true_beginning_are_read_or_refused) {
    for (std::size_t round = 0; round < 20000; ++round) {
        const Bytes& event = events_[round % events_.size()];
        std::size_t const kept = std::min<std::size_t>(event.size(), mysql::EventHeader::kBytes + random_() % 80);
        Bytes bytes(kept + random_() % 200);
        std::copy_n(event.begin(), kept, bytes.begin());
        std::generate(bytes.begin() + static_cast<std::ptrdiff_t>(kept), bytes.end(),
                      [&] { return static_cast<std::uint8_t>(random_() % 4 == 0 ? random_() : random_() % 8); });
        set_length(bytes);
        read(bytes);
        read(event);
    }
}

TEST_P(MysqlMalformed, memory_stays_bounded) {
    constexpr long kMostKilobytes = 1024 * 1024;  // of the whole test program, sanitizers included
    for (const Bytes& event : events_) {
        Bytes lying = event;
        for (std::size_t at = 19; at + 4 < std::min<std::size_t>(lying.size(), 60); at += 5) {
            lying = event;
            std::fill_n(lying.begin() + static_cast<std::ptrdiff_t>(at), 4, std::uint8_t{0xfd});
            read(lying);
        }
        read(event);
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    EXPECT_LT(usage.ru_maxrss, kMostKilobytes);
}

TEST_P(MysqlMalformed, a_damaged_event_fails_its_checksum) {
    expected_changes_ = -1;
    mysql::EventFramer framer(mysql::ChecksumAlgorithm::kCrc32);
    for (mysql::ByteSpan const event : corpus_.events) {
        Bytes flipped(event.begin(), event.end());
        flipped[19 + random_() % (flipped.size() - 19)] ^= 0x10;
        EXPECT_THROW(framer.open(flipped, "f", 0), core::SourceError);
        EXPECT_NO_THROW(framer.open(event, "f", 0));
    }
}

INSTANTIATE_TEST_SUITE_P(Servers, MysqlMalformed, testing::Values("mysql97", "mariadb1011"),
                         [](auto const& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace pgrepl::test
