#pragma once
// The numbers of binlog events, and their names for messages (MySQL source, mysql/binlog/event/binlog_event.h:
// Log_event_type; MariaDB source, sql/log_event.h: Log_event_type). MariaDB's own begin at 160.

#include <cstdint>
#include <string>

#include "core/postgres_free.hpp"

namespace pgrepl::mysql {

enum class EventType : std::uint8_t {
    kUnknown = 0,
    kStartV3 = 1,
    kQuery = 2,
    kStop = 3,
    kRotate = 4,
    kIntvar = 5,
    kSlave = 7,
    kAppendBlock = 9,
    kDeleteFile = 11,
    kRand = 13,
    kUserVar = 14,
    kFormatDescription = 15,
    kXid = 16,
    kBeginLoadQuery = 17,
    kExecuteLoadQuery = 18,
    kTableMap = 19,
    kWriteRowsV1 = 23,
    kUpdateRowsV1 = 24,
    kDeleteRowsV1 = 25,
    kIncident = 26,
    kHeartbeat = 27,
    kIgnorable = 28,
    kRowsQuery = 29,
    kWriteRowsV2 = 30,
    kUpdateRowsV2 = 31,
    kDeleteRowsV2 = 32,
    kMysqlGtid = 33,
    kAnonymousGtid = 34,
    kPreviousGtids = 35,
    kTransactionContext = 36,
    kViewChange = 37,
    kXaPrepare = 38,
    kPartialUpdateRows = 39,
    kTransactionPayload = 40,
    kHeartbeatV2 = 41,
    kGtidTagged = 42,
    kAnnotateRows = 160,
    kBinlogCheckpoint = 161,
    kMariaGtid = 162,
    kMariaGtidList = 163,
    kStartEncryption = 164,
    kQueryCompressed = 165,
    kWriteRowsCompressedV1 = 166,
    kUpdateRowsCompressedV1 = 167,
    kDeleteRowsCompressedV1 = 168,
    kWriteRowsCompressed = 169,
    kUpdateRowsCompressed = 170,
    kDeleteRowsCompressed = 171,
};

/// "WRITE_ROWS" for a known type, "type 99" for others.
std::string event_name(EventType type);

}  // namespace pgrepl::mysql
