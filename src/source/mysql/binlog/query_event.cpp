#include "source/mysql/binlog/query_event.hpp"

#include "source/mysql/binlog/compressed_part.hpp"

namespace pgrepl::mysql {
namespace {

/// Number of the file, where its name stands in the statement, and what is done about duplicate keys.
constexpr std::size_t kLoadHeaderBytes = 4 + 4 + 4 + 1;

/// Codes of status variables (MySQL source, Query_event::Query_event_status_vars; MariaDB: from 128 on).
enum StatusVariable : std::uint8_t {
    kFlags2 = 0,
    kSqlMode = 1,
    kCatalog = 2,
    kAutoIncrement = 3,
    kCharset = 4,
    kTimeZone = 5,
    kCatalogWithoutNul = 6,
    kLcTimeNames = 7,
    kDatabaseCharset = 8,
    kTableMapForUpdate = 9,
    kMasterDataWritten = 10,
    kInvoker = 11,
    kUpdatedDatabases = 12,
    kMicroseconds = 13,
    kExplicitDefaultsForTimestamp = 16,
    kDdlXid = 17,
    kDefaultCollationForUtf8mb4 = 18,
    kRequirePrimaryKey = 19,
    kDefaultTableEncryption = 20,
    kMariaMicroseconds = 128,
    kMariaXid = 129,
    kMariaGtidFlags = 130,
    kMariaCollations = 131,
};

void skip_updated_databases(ByteReader& reader) {
    constexpr std::uint8_t kTooMany = 254;
    std::uint8_t const count = reader.u8();
    for (int i = 0; count != kTooMany && i < count; ++i) {
        while (reader.u8() != 0) {
        }
    }
}

/// The flags of MariaDB's GTID event again (Gtid_log_event::FL_…_ALTER_E1), and which START an end belongs to.
void read_alter_phase(ByteReader& reader, QueryEvent& query) {
    constexpr std::uint8_t kStart = 2;
    constexpr std::uint8_t kCommit = 4;
    constexpr std::uint8_t kRollback = 8;
    constexpr std::size_t kNumberOfStartBytes = 8;
    std::uint8_t const flags = reader.u8();
    using Phase = QueryEvent::AlterPhase;
    query.alter_phase = (flags & kStart) != 0      ? Phase::kStart
                        : (flags & kCommit) != 0   ? Phase::kCommit
                        : (flags & kRollback) != 0 ? Phase::kRollback
                                                   : Phase::kWhole;
    if ((flags & (kCommit | kRollback)) != 0) {
        reader.skip(kNumberOfStartBytes);
    }
}

/// Reads one variable. False for an unknown one: it and what follows is passed over, as the server does.
bool read_variable(ByteReader& reader, QueryEvent& query) {
    switch (reader.u8()) {
        case kSqlMode:
            query.sql_mode = reader.u64();
            return true;
        case kCharset:
            query.client_collation = reader.u16();
            reader.skip(4);  // connection and server collation
            return true;
        case kDatabaseCharset:
            reader.skip(2);
            return true;
        case kCatalog:
            reader.skip(reader.u8());
            reader.skip(1);
            return true;
        case kTimeZone:
        case kCatalogWithoutNul:
            reader.skip(reader.u8());
            return true;
        case kInvoker:
            reader.skip(reader.u8());
            reader.skip(reader.u8());
            return true;
        case kUpdatedDatabases:
            skip_updated_databases(reader);
            return true;
        case kMariaCollations:
            reader.skip(std::uint64_t{reader.u8()} * 4);
            return true;
        case kRequirePrimaryKey:
        case kDefaultTableEncryption:
        case kExplicitDefaultsForTimestamp:
            reader.skip(1);
            return true;
        case kLcTimeNames:
        case kDefaultCollationForUtf8mb4:
            reader.skip(2);
            return true;
        case kMariaGtidFlags:
            read_alter_phase(reader, query);
            return true;
        case kMicroseconds:
        case kMariaMicroseconds:
            reader.skip(3);
            return true;
        case kFlags2:
        case kAutoIncrement:
        case kMasterDataWritten:
            reader.skip(4);
            return true;
        case kTableMapForUpdate:
        case kDdlXid:
        case kMariaXid:
            reader.skip(8);
            return true;
        default:
            return false;
    }
}

}  // namespace

QueryEvent parse_query(const Event& event, std::string& storage) {
    ByteReader reader = event.reader();
    QueryEvent query;
    reader.skip(8);  // thread and seconds
    std::size_t const schema_bytes = reader.u8();
    query.error_code = reader.u16();
    std::size_t const variable_bytes = reader.u16();
    if (event.header.type == EventType::kExecuteLoadQuery) {
        reader.skip(kLoadHeaderBytes);
    }
    ByteReader status(reader.bytes(variable_bytes), event.place);
    while (!status.at_end() && read_variable(status, query)) {
    }
    query.schema = reader.text(schema_bytes);
    reader.skip(1);  // NUL
    if (event.header.type == EventType::kQueryCompressed) {
        decompress_part(reader, storage);
        query.sql = storage;
    } else {
        query.sql = reader.text(reader.left());
    }
    return query;
}

}  // namespace pgrepl::mysql
