#include "source/mysql/binlog/event.hpp"

namespace pgrepl::mysql {

EventUse use_of(const Event& event) {
    switch (event.header.type) {
        case EventType::kQuery:
        case EventType::kRotate:
        case EventType::kFormatDescription:
        case EventType::kXid:
        case EventType::kTableMap:
        case EventType::kWriteRowsV1:
        case EventType::kUpdateRowsV1:
        case EventType::kDeleteRowsV1:
        case EventType::kHeartbeat:
        case EventType::kWriteRowsV2:
        case EventType::kUpdateRowsV2:
        case EventType::kDeleteRowsV2:
        case EventType::kMysqlGtid:
        case EventType::kAnonymousGtid:
        case EventType::kPreviousGtids:
        case EventType::kXaPrepare:
        case EventType::kPartialUpdateRows:
        case EventType::kTransactionPayload:
        case EventType::kHeartbeatV2:
        case EventType::kGtidTagged:
        case EventType::kMariaGtid:
        case EventType::kMariaGtidList:
        case EventType::kQueryCompressed:
        case EventType::kExecuteLoadQuery:
        case EventType::kWriteRowsCompressedV1:
        case EventType::kUpdateRowsCompressedV1:
        case EventType::kDeleteRowsCompressedV1:
        case EventType::kWriteRowsCompressed:
        case EventType::kUpdateRowsCompressed:
        case EventType::kDeleteRowsCompressed:
            return EventUse::kDecode;
        case EventType::kStop:
        case EventType::kBeginLoadQuery:  // the file of a LOAD DATA; its EXECUTE_LOAD_QUERY says whose rows it holds
        case EventType::kAppendBlock:
        case EventType::kDeleteFile:
        case EventType::kIntvar:
        case EventType::kRand:
        case EventType::kUserVar:
        case EventType::kIgnorable:
        case EventType::kRowsQuery:
        case EventType::kTransactionContext:
        case EventType::kViewChange:
        case EventType::kAnnotateRows:
        case EventType::kBinlogCheckpoint:
        case EventType::kStartEncryption:  // of the server's file: it sends the events after it in the clear
            return EventUse::kPassOver;
        case EventType::kIncident:
            throw_unsupported(event.place, "the server reports that events are missing from its binary log");
        default:
            if ((event.header.flags & EventHeader::kIgnorable) != 0) {
                return EventUse::kPassOver;
            }
            throw_unsupported(event.place, "its type is not known and it is not marked as ignorable");
    }
}

}  // namespace pgrepl::mysql
