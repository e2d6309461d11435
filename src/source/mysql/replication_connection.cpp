// Asks for the log, and unpacks the packets in which it comes.

#include "source/mysql/replication_connection.hpp"

#include <utility>

#include "source/mysql/binlog/control_events.hpp"
#include "source/mysql/marks.hpp"

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
constexpr auto kDumpByGtid = static_cast<enum_server_command>(0x1e);  // COM_BINLOG_DUMP_GTID

template <typename Number>
void put(std::string& out, Number number) {
    for (std::size_t i = 0; i < sizeof number; ++i) {
        out += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i) & 0xff);
    }
}

[[noreturn]] void throw_diverged(const Connection& connection, const std::string& what) {
    throw SourceError(
        SourceErrorKind::kDiverged, 0,
        "MySQL server " + connection.server() + " has another history than the one that was followed", false, what,
        "It lost transactions (a crash without sync_binlog = 1, a failover to a server that was behind, a "
        "restore, or a reset of its log), or the URL names another server. Correct the URL with replicator_alter, or "
        "copy the "
        "source anew: replicator_resync(name).");
}

}  // namespace

ReplicationConnection::ReplicationConnection(std::unique_ptr<Connection> connection, const StreamPosition& position,
                                             std::uint32_t reader_id)
    : connection_(std::move(connection)), reader_id_(reader_id), framer_(ChecksumAlgorithm::kNone) {
    if (reader_id == 0) {
        throw SourceError(SourceErrorKind::kInternal, 0, "a reader of a log needs a server_id that is not 0", false);
    }
    require_same_history(position);
    set_up();
    send_dump(position);
    last_event_ = std::chrono::steady_clock::now();
}

/// The servers notice some of it by themselves, but neither transactions of another server's that are missing (MySQL),
/// nor a domain that is not known (MariaDB).
void ReplicationConnection::require_same_history(const StreamPosition& position) {
    if (position.start().is_mariadb != connection_->is_mariadb()) {
        throw_diverged(*connection_, std::string("It is ") + (connection_->is_mariadb() ? "MariaDB" : "MySQL") +
                                         ", and the position is the other's: " + position.text());
    }
    StateIdentity const mark = high_mark(*connection_);
    server_identity_ = mark.server;
    if (!holds_all_of(mark, position.start()) && !position.start().gtid.empty()) {
        throw_diverged(*connection_, "The position is " + position.start().gtid + "; the server has " +
                                         (mark.gtid.empty() ? "nothing" : mark.gtid) + ".");
    }
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
        connection_->execute("SET @mariadb_slave_capability = 4, @slave_gtid_strict_mode = 1", kDoing);
    }
}

void ReplicationConnection::send_dump(const StreamPosition& position) {
    std::string request;
    if (connection_->is_mariadb()) {
        connection_->execute("SET @slave_connect_state = " + quote_text(position.maria_position().text()), kDoing);
        put(request, std::uint32_t{4});
        put(request, std::uint16_t{0});
        put(request, reader_id_);
        connection_->send_command(COM_BINLOG_DUMP, request, kMostSilenceMs, kDoing);
        return;
    }
    constexpr std::uint16_t kThroughGtid = 4;
    std::string const set = position.mysql_set().encode();
    put(request, kThroughGtid);
    put(request, reader_id_);
    put(request, std::uint32_t{0});
    put(request, std::uint64_t{4});
    put(request, static_cast<std::uint32_t>(set.size()));
    connection_->send_command(kDumpByGtid, request + set, kMostSilenceMs, kDoing);
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
    constexpr std::size_t kLongestEnd = 9;
    std::string_view const packet = connection_->read_packet(kDoing);
    if (!packet.empty() && packet[0] == '\xfe' && packet.size() < kLongestEnd) {
        throw_ended();
    }
    if (packet.empty() || packet[0] != '\0') {
        throw SourceError(SourceErrorKind::kNotADatabase, 0,
                          "MySQL server " + server() + " sent something that is no event of its log", true);
    }
    bytes_read_ += packet.size() - 1;
    last_event_ = std::chrono::steady_clock::now();
    Event const event = framer_.open({reinterpret_cast<const std::uint8_t*>(packet.data()) + 1, packet.size() - 1},
                                     file_, next_position_);
    note_place(event);
    return event;
}

/// Where the next event stands, for messages. The place of `event` keeps pointing to the file's name: it is used only
/// until the next one is read, and a ROTATE's place is not.
void ReplicationConnection::note_place(const Event& event) {
    if (event.header.type == EventType::kRotate) {
        RotateEvent const rotate = parse_rotate(event);
        file_ = rotate.next_file;
        next_position_ = rotate.next_position;
    } else if (event.header.next_position != 0 && !event.header.artificial()) {
        next_position_ = event.header.next_position;
    }
}

void ReplicationConnection::throw_ended() {
    throw SourceError(SourceErrorKind::kUnreachable, 0, "MySQL server " + server() + " ended the stream of its log",
                      true, "We read it as server_id " + std::to_string(reader_id_) + ".",
                      "The server is being shut down; or another reader has the same server_id, which a server allows "
                      "one reader at a time only: look at SHOW REPLICAS (SHOW SLAVE HOSTS) there.");
}

}  // namespace pgrepl::mysql
