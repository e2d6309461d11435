#include "source/mysql/binlog/format_description.hpp"

#include <charconv>

namespace pgrepl::mysql {
namespace {

constexpr std::size_t kVersionBytes = 50;
/// At the end of the event: the algorithm's number and a checksum, which is there whatever the algorithm.
constexpr std::size_t kTailBytes = 5;

/// 506 for "5.6.51-log"; 0 if the text is no version.
int version_number(std::string_view text) {
    int major = 0;
    int minor = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), major);
    if (error != std::errc() || end == text.data() + text.size() || *end != '.') {
        return 0;
    }
    std::from_chars(end + 1, text.data() + text.size(), minor);
    return major > 0 && major < 1000 && minor >= 0 && minor < 100 ? major * 100 + minor : 0;
}

}  // namespace

FormatDescription parse_format_description(ByteSpan with_header, const EventPlace& place) {
    ByteReader reader(with_header, place);
    reader.skip(EventHeader::kBytes);
    if (reader.u16() != FormatDescription::kBinlogVersion) {
        throw_unsupported(place, "the binary log's format is not version 4");
    }
    FormatDescription format;
    std::string_view const version = reader.text(kVersionBytes);
    format.server_version = version.substr(0, version.find('\0'));
    format.maria_db = format.server_version.find("MariaDB") != std::string::npos;
    if (version_number(format.server_version) < (format.maria_db ? 503 : 506)) {
        throw_unsupported(place, "the server's version \"" + format.server_version + "\" is too old");
    }
    reader.skip(4);  // when the log was created
    if (reader.u8() != EventHeader::kBytes) {
        throw_unsupported(place, "event headers do not have 19 bytes");
    }
    if (reader.left() < kTailBytes) {
        reader.fail("it ends too early");
    }
    reader.skip(reader.left() - kTailBytes);
    std::uint8_t const algorithm = reader.u8();
    if (algorithm > static_cast<std::uint8_t>(ChecksumAlgorithm::kCrc32)) {
        throw_unsupported(place, "checksum algorithm " + std::to_string(algorithm) + " is not known");
    }
    format.checksum = static_cast<ChecksumAlgorithm>(algorithm);
    return format;
}

}  // namespace pgrepl::mysql
