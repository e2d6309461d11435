#pragma once
// WRITE_ROWS, UPDATE_ROWS and DELETE_ROWS of both versions and both servers, compressed or not: everything but the
// values (MySQL source code documentation, "Rows_event"; MariaDB knowledge base, "Rows_event_v1/v2").

#include <string>

#include "core/stream.hpp"
#include "source/mysql/binlog/event.hpp"

namespace pgrepl::mysql {

/// Views into the event, or into the storage given to parse_rows_event.
struct RowsEvent {
    core::ChangeKind kind = core::ChangeKind::kInsert;
    std::uint64_t table_id = 0;
    std::uint32_t column_count = 0;
    ByteSpan present;        ///< a bit for each column: whether the images hold it
    ByteSpan present_after;  ///< of an update, the image after it
    ByteSpan rows;           ///< images one after another; of an update the one before and the one after
    EventPlace place;
};

bool is_rows_event(EventType type) noexcept;

/// These, and what stands with them between the name of a transaction and its end, which is one of them.
bool is_part_of_transaction(EventType type) noexcept;

/// `storage` keeps decompressed rows, and must outlive the result. kUnsupported for PARTIAL_UPDATE_ROWS, naming
/// binlog_row_value_options.
RowsEvent parse_rows_event(const Event& event, std::string& storage);

}  // namespace pgrepl::mysql
