#pragma once
// TRANSACTION_PAYLOAD: a transaction's events, compressed as one (MySQL source code documentation,
// "Transaction_payload_event"; binlog_transaction_compression). The events inside have no checksums.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "source/mysql/binlog/event.hpp"

struct ZSTD_DCtx_s;

namespace pgrepl::mysql {

/// Decompresses one event at a time: memory is bounded by the largest event and zstd's window (128 MB at most).
/// One reader serves many payloads, and keeps its buffers.
class PayloadReader {
  public:
    /// Of an event of more than `most_event_bytes` only the beginning is kept, which the reader of rows refuses.
    explicit PayloadReader(std::size_t most_event_bytes = kMostEventBytes);
    PayloadReader(const PayloadReader&) = delete;
    PayloadReader& operator=(const PayloadReader&) = delete;
    ~PayloadReader();

    /// Begins `payload`, whose bytes must stay until the last next().
    void open(const Event& payload);

    /// The next event of the payload, valid until the next call; false at the payload's end.
    bool next(Event& event);

  private:
    void parse_header(ByteReader& reader);
    bool fill(std::size_t bytes);
    void pass_over(std::size_t bytes);

    ZSTD_DCtx_s* stream_;
    std::size_t most_event_bytes_;
    EventPlace place_;     ///< of the payload
    ByteSpan compressed_;  ///< what is still to be read
    bool stored_ = false;  ///< the payload is not compressed
    bool frame_open_ = false;
    std::vector<std::uint8_t> event_;  ///< grows as bytes come, not by what a length claims
    std::size_t filled_ = 0;
};

}  // namespace pgrepl::mysql
