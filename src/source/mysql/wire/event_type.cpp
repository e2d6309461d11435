#include "source/mysql/wire/event_type.hpp"

#include <array>
#include <utility>

namespace pgrepl::mysql {
namespace {

constexpr auto kNames = std::to_array<std::pair<EventType, const char*>>({
    {EventType::kStartV3, "START_V3"},
    {EventType::kQuery, "QUERY"},
    {EventType::kStop, "STOP"},
    {EventType::kRotate, "ROTATE"},
    {EventType::kIntvar, "INTVAR"},
    {EventType::kSlave, "SLAVE"},
    {EventType::kAppendBlock, "APPEND_BLOCK"},
    {EventType::kDeleteFile, "DELETE_FILE"},
    {EventType::kRand, "RAND"},
    {EventType::kUserVar, "USER_VAR"},
    {EventType::kFormatDescription, "FORMAT_DESCRIPTION"},
    {EventType::kXid, "XID"},
    {EventType::kBeginLoadQuery, "BEGIN_LOAD_QUERY"},
    {EventType::kExecuteLoadQuery, "EXECUTE_LOAD_QUERY"},
    {EventType::kTableMap, "TABLE_MAP"},
    {EventType::kWriteRowsV1, "WRITE_ROWS (version 1)"},
    {EventType::kUpdateRowsV1, "UPDATE_ROWS (version 1)"},
    {EventType::kDeleteRowsV1, "DELETE_ROWS (version 1)"},
    {EventType::kIncident, "INCIDENT"},
    {EventType::kHeartbeat, "HEARTBEAT"},
    {EventType::kIgnorable, "IGNORABLE"},
    {EventType::kRowsQuery, "ROWS_QUERY"},
    {EventType::kWriteRowsV2, "WRITE_ROWS"},
    {EventType::kUpdateRowsV2, "UPDATE_ROWS"},
    {EventType::kDeleteRowsV2, "DELETE_ROWS"},
    {EventType::kMysqlGtid, "GTID"},
    {EventType::kAnonymousGtid, "ANONYMOUS_GTID"},
    {EventType::kPreviousGtids, "PREVIOUS_GTIDS"},
    {EventType::kTransactionContext, "TRANSACTION_CONTEXT"},
    {EventType::kViewChange, "VIEW_CHANGE"},
    {EventType::kXaPrepare, "XA_PREPARE"},
    {EventType::kPartialUpdateRows, "PARTIAL_UPDATE_ROWS"},
    {EventType::kTransactionPayload, "TRANSACTION_PAYLOAD"},
    {EventType::kHeartbeatV2, "HEARTBEAT (version 2)"},
    {EventType::kGtidTagged, "GTID_TAGGED"},
    {EventType::kAnnotateRows, "ANNOTATE_ROWS"},
    {EventType::kBinlogCheckpoint, "BINLOG_CHECKPOINT"},
    {EventType::kMariaGtid, "GTID (MariaDB)"},
    {EventType::kMariaGtidList, "GTID_LIST"},
    {EventType::kStartEncryption, "START_ENCRYPTION"},
    {EventType::kQueryCompressed, "QUERY_COMPRESSED"},
    {EventType::kWriteRowsCompressedV1, "WRITE_ROWS_COMPRESSED (version 1)"},
    {EventType::kUpdateRowsCompressedV1, "UPDATE_ROWS_COMPRESSED (version 1)"},
    {EventType::kDeleteRowsCompressedV1, "DELETE_ROWS_COMPRESSED (version 1)"},
    {EventType::kWriteRowsCompressed, "WRITE_ROWS_COMPRESSED"},
    {EventType::kUpdateRowsCompressed, "UPDATE_ROWS_COMPRESSED"},
    {EventType::kDeleteRowsCompressed, "DELETE_ROWS_COMPRESSED"},
});

}  // namespace

std::string event_name(EventType type) {
    for (auto const& [known, name] : kNames) {
        if (known == type) {
            return name;
        }
    }
    return "type " + std::to_string(static_cast<unsigned>(type));
}

}  // namespace pgrepl::mysql
