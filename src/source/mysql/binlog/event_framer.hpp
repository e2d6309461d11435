#pragma once
// From the bytes of a packet or file to an Event: header read, length and checksum verified. The only state is
// what the last FORMAT_DESCRIPTION said.

#include "source/mysql/binlog/format_description.hpp"

namespace pgrepl::mysql {

class EventFramer {
  public:
    /// `assumed` is how events are framed before the first FORMAT_DESCRIPTION: the artificial ROTATE that opens a
    /// dump has a checksum if the session asked for one (@master_binlog_checksum).
    explicit EventFramer(ChecksumAlgorithm assumed) { format_.checksum = assumed; }

    /// One whole event. A FORMAT_DESCRIPTION takes effect at once.
    Event open(ByteSpan bytes, std::string_view file, std::uint64_t position);

    [[nodiscard]] const FormatDescription& format() const noexcept { return format_; }

  private:
    FormatDescription format_;
};

/// The header alone, to know how long an event in a file is. `place.type` is set.
EventHeader parse_event_header(ByteSpan bytes, EventPlace& place);

}  // namespace pgrepl::mysql
