#include "source/mysql/binlog/rows_event.hpp"

#include "source/mysql/binlog/compressed_part.hpp"

namespace pgrepl::mysql {
namespace {

using core::ChangeKind;

struct Layout {
    ChangeKind kind;
    bool extra_data;  ///< version 2
    bool compressed;
};

Layout layout_of(const Event& event) {
    switch (event.header.type) {
        case EventType::kWriteRowsV1:
            return {ChangeKind::kInsert, false, false};
        case EventType::kUpdateRowsV1:
            return {ChangeKind::kUpdate, false, false};
        case EventType::kDeleteRowsV1:
            return {ChangeKind::kDelete, false, false};
        case EventType::kWriteRowsV2:
            return {ChangeKind::kInsert, true, false};
        case EventType::kUpdateRowsV2:
            return {ChangeKind::kUpdate, true, false};
        case EventType::kDeleteRowsV2:
            return {ChangeKind::kDelete, true, false};
        case EventType::kWriteRowsCompressedV1:
            return {ChangeKind::kInsert, false, true};
        case EventType::kUpdateRowsCompressedV1:
            return {ChangeKind::kUpdate, false, true};
        case EventType::kDeleteRowsCompressedV1:
            return {ChangeKind::kDelete, false, true};
        case EventType::kWriteRowsCompressed:
            return {ChangeKind::kInsert, true, true};
        case EventType::kUpdateRowsCompressed:
            return {ChangeKind::kUpdate, true, true};
        case EventType::kDeleteRowsCompressed:
            return {ChangeKind::kDelete, true, true};
        case EventType::kPartialUpdateRows:
            throw_unsupported(event.place, "it holds parts of JSON values only",
                              "Set binlog_row_value_options = '' at the source, let sessions reconnect, and copy the "
                              "table again: replicator_resync(name, table).");
        default:
            throw_unsupported(event.place, "it holds no rows");
    }
}

}  // namespace

bool is_rows_event(EventType type) noexcept {
    return (type >= EventType::kWriteRowsV1 && type <= EventType::kDeleteRowsV1) ||
           (type >= EventType::kWriteRowsV2 && type <= EventType::kDeleteRowsV2) ||
           type == EventType::kPartialUpdateRows ||
           (type >= EventType::kWriteRowsCompressedV1 && type <= EventType::kDeleteRowsCompressed);
}

bool is_part_of_transaction(EventType type) noexcept {
    switch (type) {
        case EventType::kTableMap:
        case EventType::kQuery:
        case EventType::kQueryCompressed:
        case EventType::kExecuteLoadQuery:
        case EventType::kXid:
        case EventType::kXaPrepare:
        case EventType::kTransactionPayload:
            return true;
        default:
            return is_rows_event(type);
    }
}

RowsEvent parse_rows_event(const Event& event, std::string& storage) {
    constexpr std::uint64_t kMaxColumns = 4096;
    constexpr std::size_t kChecksumBytes = 4;
    Layout const layout = layout_of(event);
    ByteReader reader = event.reader();
    // It has no count of rows: what PayloadReader has left out must not pass for its end.
    if (event.header.length > EventHeader::kBytes + event.body.size() + kChecksumBytes) {
        reader.fail("it is of " + std::to_string(event.header.length) +
                    " bytes, which is more than any event may have");
    }
    RowsEvent rows;
    rows.kind = layout.kind;
    rows.place = event.place;
    rows.table_id = reader.u48();
    reader.skip(2);  // flags: the table maps before it are void after it, or not; sessions' settings of checks
    if (layout.extra_data) {
        std::uint16_t const bytes = reader.u16();  // itself included
        if (bytes < 2) {
            reader.fail("the size of its extra data is not valid");
        }
        reader.skip(bytes - 2U);
    }
    std::uint64_t const column_count = reader.lenenc();
    if (column_count > kMaxColumns) {
        reader.fail("it has " + std::to_string(column_count) + " columns");
    }
    rows.column_count = static_cast<std::uint32_t>(column_count);
    rows.present = reader.bytes((rows.column_count + 7) / 8);
    rows.present_after = layout.kind == ChangeKind::kUpdate ? reader.bytes((rows.column_count + 7) / 8) : rows.present;
    if (layout.compressed) {
        decompress_part(reader, storage);
        rows.rows = ByteSpan(reinterpret_cast<const std::uint8_t*>(storage.data()), storage.size());
    } else {
        rows.rows = reader.rest();
    }
    return rows;
}

}  // namespace pgrepl::mysql
