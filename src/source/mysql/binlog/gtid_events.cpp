#include "source/mysql/binlog/gtid_events.hpp"

#include <algorithm>

#include "source/mysql/wire/varlen.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::uint64_t kSecondTimeFollows = 1ULL << 55;

void check_number(const ByteReader& reader, const MysqlGtidEvent& gtid) {
    bool const good = gtid.anonymous || (gtid.number >= 1 && gtid.number <= MysqlGtidSet::kLastNumber);
    if (!good) {
        reader.fail("its number is " + std::to_string(gtid.number));
    }
}

/// Fields of fixed places; what a newer server adds at the end is not read.
MysqlGtidEvent parse_untagged(const Event& event) {
    constexpr std::uint8_t kLogicalTimes = 2;
    ByteReader reader = event.reader();
    MysqlGtidEvent gtid;
    gtid.anonymous = event.header.type == EventType::kAnonymousGtid;
    reader.skip(1);  // whether statement format is possible
    ByteSpan const uuid = reader.bytes(gtid.origin.uuid.size());
    std::copy(uuid.begin(), uuid.end(), gtid.origin.uuid.begin());
    gtid.number = static_cast<std::int64_t>(reader.u64());
    check_number(reader, gtid);
    if (reader.left() < 17 || reader.u8() != kLogicalTimes) {
        return gtid;
    }
    reader.skip(16);  // by which replicas apply in parallel
    if (reader.left() >= 7) {
        std::uint64_t const time = reader.little(7);
        gtid.commit_time_us = time & ~kSecondTimeFollows;
        gtid.original_time_us = (time & kSecondTimeFollows) != 0 ? reader.little(7) : gtid.commit_time_us;
    }
    if (!reader.at_end()) {
        gtid.transaction_bytes = reader.lenenc();
    }
    return gtid;
}

/// Numbers of fields (MySQL source, Gtid_event::define_fields).
enum TaggedField : std::uint8_t {
    kFlags,
    kUuid,
    kNumber,
    kTag,
    kLastCommitted,
    kSequenceNumber,
    kCommitTime,
    kOriginalCommitTime,
    kTransactionBytes,
    kServerVersion,
    kOriginalServerVersion,
    kCommitGroupTicket,
};

void read_uuid(ByteReader& reader, Uuid& uuid) {
    for (std::uint8_t& byte : uuid) {
        std::uint64_t const value = read_varlen(reader);
        if (value > 0xff) {
            reader.fail("its UUID is not valid");
        }
        byte = static_cast<std::uint8_t>(value);
    }
}

void read_tag(ByteReader& reader, std::string& tag) {
    std::uint64_t const size = read_varlen(reader);
    if (size > MysqlGtidSet::kMaxTagBytes) {
        reader.fail("its tag is too long");
    }
    tag = reader.text(size);
}

/// False for a field that is not known: its length is not told, so nothing after it can be read.
bool read_field(ByteReader& reader, std::uint64_t field, MysqlGtidEvent& gtid) {
    switch (field) {
        case kUuid:
            read_uuid(reader, gtid.origin.uuid);
            return true;
        case kNumber:
            gtid.number = read_varlen_signed(reader);
            return true;
        case kTag:
            read_tag(reader, gtid.origin.tag);
            return true;
        case kLastCommitted:
        case kSequenceNumber:
            (void)read_varlen_signed(reader);
            return true;
        case kCommitTime:
            gtid.commit_time_us = read_varlen(reader);
            return true;
        case kTransactionBytes:
            gtid.transaction_bytes = read_varlen(reader);
            return true;
        case kOriginalCommitTime:
            gtid.original_time_us = read_varlen(reader);
            return true;
        case kFlags:
        case kServerVersion:
        case kOriginalServerVersion:
        case kCommitGroupTicket:
            read_varlen(reader);
            return true;
        default:
            return false;
    }
}

MysqlGtidEvent parse_tagged(const Event& event) {
    constexpr std::uint64_t kSerializationVersion = 1;
    ByteReader reader = event.reader();
    MysqlGtidEvent gtid;
    if (read_varlen(reader) != kSerializationVersion) {
        throw_unsupported(event.place, "its serialization version is not known");
    }
    read_varlen(reader);                                    // size of the message
    std::uint64_t const last_needed = read_varlen(reader);  // one more than the last field that must be understood
    while (!reader.at_end()) {
        std::uint64_t const field = read_varlen(reader);
        if (!read_field(reader, field, gtid)) {
            if (field < last_needed) {
                throw_unsupported(event.place, "field " + std::to_string(field) + " is not known");
            }
            break;
        }
    }
    check_number(reader, gtid);
    if (gtid.original_time_us == 0) {
        gtid.original_time_us = gtid.commit_time_us;  // told where it is another time only
    }
    return gtid;
}

}  // namespace

MysqlGtidEvent parse_mysql_gtid(const Event& event) {
    return event.header.type == EventType::kGtidTagged ? parse_tagged(event) : parse_untagged(event);
}

MariaGtidEvent parse_maria_gtid(const Event& event) {
    ByteReader reader = event.reader();
    MariaGtidEvent result;
    result.gtid.sequence = reader.u64();
    result.gtid.domain = reader.u32();
    result.gtid.server = event.header.server_id;
    result.flags = reader.u8();
    return result;
}

MysqlGtidSet parse_previous_gtids(const Event& event) {
    ByteReader reader = event.reader();
    return MysqlGtidSet::decode(reader);
}

std::vector<MariaGtid> parse_gtid_list(const Event& event) {
    constexpr std::uint32_t kCountMask = 0x0fffffff;  // the upper bits are flags
    ByteReader reader = event.reader();
    std::uint32_t const count = reader.u32() & kCountMask;
    std::vector<MariaGtid> list;
    for (std::uint32_t i = 0; i < count; ++i) {
        MariaGtid gtid;
        gtid.domain = reader.u32();
        gtid.server = reader.u32();
        gtid.sequence = reader.u64();
        list.push_back(gtid);
    }
    return list;
}

}  // namespace pgrepl::mysql
