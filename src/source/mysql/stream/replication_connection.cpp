// Asks for the log, and unpacks the packets in which it comes.

#include "source/mysql/stream/replication_connection.hpp"

#include <limits>
#include <utility>

#include "source/mysql/binlog/control_events.hpp"
#include "source/mysql/server/marks.hpp"

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;

constexpr std::string_view kDoing = "follow the log of";
constexpr std::uint64_t kHeartbeatNanoseconds = 500'000'000;
/// Heartbeats come when nothing else does; so a server that is silent for longer is not there any more. While it looks
/// for the place to begin it may be silent for a while.
constexpr int kMostSilenceMs = 60'000;
constexpr int kSignOfLifeMs = 2'000;
constexpr std::uint16_t kNoWaiting = 1;                               // BINLOG_DUMP_NON_BLOCK
constexpr auto kDumpByGtid = static_cast<enum_server_command>(0x1e);  // COM_BINLOG_DUMP_GTID

template <typename Number>
void put(std::string& out, Number number) {
    for (std::size_t i = 0; i < sizeof number; ++i) {
        out += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i) & 0xff);
    }
}

}  // namespace

bool is_of_one_event(const SourceError& error) noexcept {
    bool const is_of_server = error.code() != 0;  // which says something instead of an event
    return !is_of_server &&
           (error.kind() == SourceErrorKind::kCorrupt || error.kind() == SourceErrorKind::kUnsupported);
}

ReplicationConnection::ReplicationConnection(std::unique_ptr<Connection> connection, std::uint32_t reader_id)
    : connection_(std::move(connection)), reader_id_(reader_id), framer_(ChecksumAlgorithm::kNone) {
    if (reader_id == 0) {
        throw SourceError(SourceErrorKind::kInternal, 0, "a reader of a log needs a server_id that is not 0", false);
    }
    set_up();
}

void ReplicationConnection::set_up() {
    bool const checksums = value_or_empty(*connection_, "SELECT @@global.binlog_checksum") == "CRC32";
    framer_ = EventFramer(checksums ? ChecksumAlgorithm::kCrc32 : ChecksumAlgorithm::kNone);
    std::string const period = std::to_string(kHeartbeatNanoseconds);
    std::string const checksum = checksums ? "'CRC32'" : "'NONE'";
    connection_->execute("SET @master_binlog_checksum = " + checksum + ", @source_binlog_checksum = " + checksum +
                             ", @master_heartbeat_period = " + period + ", @source_heartbeat_period = " + period,
                         kDoing);
    if (connection_->is_mariadb()) {
        connection_->execute("SET @mariadb_slave_capability = 4", kDoing);
    }
}

void ReplicationConnection::send(enum_server_command command, const std::string& request) {
    connection_->send_command(command, request, kMostSilenceMs, kDoing);
    last_event_ = std::chrono::steady_clock::now();
}

void ReplicationConnection::begin(const StreamPosition& position, Until until, bool strict) {
    if (!connection_->is_mariadb()) {
        begin(position.mysql_set(), until);
        return;
    }
    connection_->execute("SET @slave_gtid_strict_mode = " + std::string(strict ? "1" : "0") +
                             ", @slave_connect_state = " + quote_text(position.maria_position().text()),
                         kDoing);
    std::string request;
    put(request, kFirstOffset);
    put(request, until == Until::kEnd ? kNoWaiting : std::uint16_t{0});
    put(request, reader_id_);
    send(COM_BINLOG_DUMP, request);
}

void ReplicationConnection::begin(const MysqlGtidSet& position, Until until) {
    constexpr std::uint16_t kThroughGtid = 4;
    std::string const set = position.encode();
    std::string request;
    put(request, static_cast<std::uint16_t>(kThroughGtid | (until == Until::kEnd ? kNoWaiting : 0)));
    put(request, reader_id_);
    put(request, std::uint32_t{0});
    put(request, std::uint64_t{kFirstOffset});
    put(request, static_cast<std::uint32_t>(set.size()));
    send(kDumpByGtid, request + set);
}

void ReplicationConnection::begin(const std::string& file, std::uint32_t offset) {
    std::string request;
    put(request, offset);
    put(request, kNoWaiting);
    put(request, reader_id_);
    send(COM_BINLOG_DUMP, request + file);
}

bool ReplicationConnection::has_input(int timeout_ms) {
    if (connection_->has_input(timeout_ms)) {
        return true;
    }
    if (std::chrono::steady_clock::now() - last_event_ > std::chrono::milliseconds(kMostSilenceMs)) {
        throw SourceError(
            SourceErrorKind::kUnreachable, 0,
            "no sign of life of MySQL server " + server() + " for " + std::to_string(kMostSilenceMs / 1000) + " s",
            true, "It was to send a heartbeat every half second.", "Check the server and the network between.");
    }
    return false;
}

bool ReplicationConnection::is_alive() const {
    return std::chrono::steady_clock::now() - last_event_ < std::chrono::milliseconds(kSignOfLifeMs);
}

Event ReplicationConnection::read_event() {
    std::optional<Event> const event = next_event();
    if (!event) {
        throw_ended();
    }
    return *event;
}

std::optional<Event> ReplicationConnection::next_event() {
    constexpr std::size_t kLongestEnd = 9;
    std::string_view const packet = connection_->read_packet(kDoing);
    if (!packet.empty() && packet[0] == '\xfe' && packet.size() < kLongestEnd) {
        return std::nullopt;
    }
    if (packet.empty() || packet[0] != '\0') {
        throw SourceError(SourceErrorKind::kNotADatabase, 0,
                          "MySQL server " + server() + " sent something that is no event of its log", true);
    }
    bytes_read_ += packet.size() - 1;
    last_event_ = std::chrono::steady_clock::now();
    Event event = framer_.open({reinterpret_cast<const std::uint8_t*>(packet.data()) + 1, packet.size() - 1}, file_,
                               next_position_);
    // The event before it may stand anywhere, where the server has looked for our place in the file.
    bool const tells_place = event.header.next_position >= event.header.length + kFirstOffset &&
                             next_position_ <= std::numeric_limits<std::uint32_t>::max() && !event.header.artificial();
    if (tells_place) {
        event.place.position = event.header.next_position - event.header.length;
    }
    note_end_of_file(event);
    note_place(event);
    return event;
}

/// Where the next event stands, for messages. The place of `event` keeps pointing to the file's name: it is used only
/// until the next one is read, and a ROTATE's place is not.
void ReplicationConnection::note_place(const Event& event) {
    if (event.header.type == EventType::kRotate) {
        RotateEvent const rotate = parse_rotate(event);
        last_offset_ = file_ == rotate.next_file ? last_offset_ : 0;
        file_ = rotate.next_file;
        next_position_ = rotate.next_position;
    } else if (event.header.next_position != 0 && !event.header.artificial()) {
        next_position_ = event.header.next_position;
    }
    if (event.header.type == EventType::kFormatDescription) {
        file_time_ = event.header.timestamp_s;
    }
}

/// Between two files the server makes up a ROTATE, whatever the first one ends with.
void ReplicationConnection::note_end_of_file(const Event& event) {
    bool const is_made_up = event.header.artificial() || event.header.timestamp_s == 0;
    if (event.header.type == EventType::kFormatDescription) {
        follows_crash_ = any_file_ && !is_ended_;
        any_file_ = true;
        is_ended_ = false;
    } else if (event.header.type == EventType::kStop || (event.header.type == EventType::kRotate && !is_made_up)) {
        is_ended_ = true;
    }
}

/// Offsets that begin again at 0 within a file have passed 4 GiB.
LogPlace ReplicationConnection::place_of(const Event& event) {
    std::uint32_t const offset = event.header.next_position - event.header.length;
    if (event.header.next_position < event.header.length + kFirstOffset || offset < last_offset_) {
        return {};
    }
    last_offset_ = offset;
    return {.file = file_, .offset = offset, .file_time = file_time_, .gtid = {}, .time = event.header.timestamp_s};
}

void ReplicationConnection::throw_ended() {
    throw SourceError(SourceErrorKind::kUnreachable, 0, "MySQL server " + server() + " ended the stream of its log",
                      true, "We read it as server_id " + std::to_string(reader_id_) + ".",
                      "The server is being shut down; or another reader has the same server_id, which a server allows "
                      "one reader at a time only: look at SHOW REPLICAS (SHOW SLAVE HOSTS) there.");
}

}  // namespace pgrepl::mysql
