#include "source/mysql/binlog/transaction_payload.hpp"

#include <zstd.h>

#include <algorithm>
#include <new>

#include "source/mysql/binlog/event_framer.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::size_t kGrowBytes = 256 * 1024;
constexpr std::size_t kMostKeptBytes = 4 * 1024 * 1024;
/// Of an event that is too large: enough to tell which table it concerns.
constexpr std::size_t kBytesOfTooLarge = 64 * 1024;

enum Field : std::uint8_t { kEnd = 0, kPayloadBytes = 1, kCompression = 2, kUncompressedBytes = 3 };
enum Compression : std::uint8_t { kZstd = 0, kNone = 255 };

}  // namespace

PayloadReader::PayloadReader(std::size_t most_event_bytes)
    : stream_(ZSTD_createDCtx()), most_event_bytes_(most_event_bytes) {
    if (stream_ == nullptr) {
        throw std::bad_alloc();
    }
}

PayloadReader::~PayloadReader() { ZSTD_freeDCtx(stream_); }

/// Fields of a type, a length and a value each; what a newer server adds is passed over.
void PayloadReader::parse_header(ByteReader& reader) {
    std::uint64_t compression = kNone;
    std::uint64_t size = 0;
    for (;;) {
        std::uint64_t const field = reader.lenenc();
        if (field == kEnd) {
            break;
        }
        ByteReader value(reader.bytes(reader.lenenc()), reader.place());
        if (field == kPayloadBytes) {
            size = value.lenenc();
        } else if (field == kCompression) {
            compression = value.lenenc();
        }
    }
    if (compression != kZstd && compression != kNone) {
        throw_unsupported(reader.place(), "compression " + std::to_string(compression) + " is not known");
    }
    stored_ = compression == kNone;
    compressed_ = reader.bytes(size);
}

void PayloadReader::open(const Event& payload) {
    place_ = payload.place;
    ByteReader reader = payload.reader();
    parse_header(reader);
    ZSTD_DCtx_reset(stream_, ZSTD_reset_session_only);
    frame_open_ = false;
    if (event_.size() > kMostKeptBytes) {
        event_ = {};
    }
}

/// Makes event_[0, bytes) valid. False if the payload ends before the first byte.
bool PayloadReader::fill(std::size_t bytes) {
    while (filled_ < bytes) {
        if (compressed_.empty() && !frame_open_) {
            if (filled_ == 0) {
                return false;
            }
            throw_corrupt(place_, "its payload ends within an event");
        }
        if (event_.size() < bytes && filled_ == event_.size()) {
            event_.resize(std::min(bytes, event_.size() + std::max(kGrowBytes, event_.size())));
        }
        std::size_t const room = std::min(bytes, event_.size()) - filled_;
        if (stored_) {
            std::size_t const size = std::min(room, compressed_.size());
            std::copy_n(compressed_.data(), size, event_.data() + filled_);
            compressed_ = compressed_.subspan(size);
            filled_ += size;
            continue;
        }
        ZSTD_inBuffer in{compressed_.data(), compressed_.size(), 0};
        ZSTD_outBuffer out{event_.data() + filled_, room, 0};
        std::size_t const left = ZSTD_decompressStream(stream_, &out, &in);
        if (ZSTD_isError(left) != 0) {
            throw_corrupt(place_, std::string("zstd says: ") + ZSTD_getErrorName(left));
        }
        if (in.pos == 0 && out.pos == 0) {
            throw_corrupt(place_, "its payload is cut off");
        }
        frame_open_ = left != 0;
        compressed_ = compressed_.subspan(in.pos);
        filled_ += out.pos;
    }
    return true;
}

bool PayloadReader::next(Event& event) {
    filled_ = 0;
    if (!fill(EventHeader::kBytes)) {
        return false;
    }
    event.place = place_;
    event.header = parse_event_header(ByteSpan(event_.data(), EventHeader::kBytes), event.place);
    std::size_t const length = event.header.length;
    std::size_t const kept = length <= most_event_bytes_ ? length : std::min(length, kBytesOfTooLarge);
    fill(kept);
    pass_over(length - kept);
    event.body = ByteSpan(event_.data(), kept).subspan(EventHeader::kBytes);
    return true;
}

/// What follows the bytes that are filled.
void PayloadReader::pass_over(std::size_t bytes) {
    std::size_t const kept = filled_;
    while (bytes > 0) {
        std::size_t const part = std::min(bytes, kGrowBytes);
        filled_ = kept;
        fill(kept + part);
        bytes -= part;
    }
}

}  // namespace pgrepl::mysql
