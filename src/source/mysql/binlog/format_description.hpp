#pragma once
// FORMAT_DESCRIPTION: the first event of each binlog file, and of each dump. It says how the following ones are
// framed (MySQL source code documentation, "FORMAT_DESCRIPTION_EVENT").

#include <string>

#include "source/mysql/binlog/event.hpp"

namespace pgrepl::mysql {

enum class ChecksumAlgorithm : std::uint8_t { kNone = 0, kCrc32 = 1 };

struct FormatDescription {
    static constexpr std::uint16_t kBinlogVersion = 4;

    std::string server_version;  ///< "8.4.3", "10.11.6-MariaDB-log"
    ChecksumAlgorithm checksum = ChecksumAlgorithm::kNone;
    bool maria_db = false;
};

/// `with_header` is the whole event. kUnsupported for a server older than MySQL 5.6 or MariaDB 5.3, whose event
/// does not name a checksum algorithm.
FormatDescription parse_format_description(ByteSpan with_header, const EventPlace& place);

}  // namespace pgrepl::mysql
