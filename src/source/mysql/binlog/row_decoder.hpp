#pragma once
// Row images -> rows of a core::RowBatch. The adapter's inner loop for a change stream: one switch and at most one
// copy a value, no allocation but from the batch's arena.

#include <optional>
#include <span>

#include "core/row_batch.hpp"
#include "source/mysql/binlog/event_table.hpp"
#include "source/mysql/binlog/json_binary.hpp"
#include "source/mysql/binlog/rows_event.hpp"
#include "source/mysql/values/json_text.hpp"

namespace pgrepl::mysql {

/// Decodes the rows of one table. Values point into the batch's arena and stay when decoder, table and event are
/// gone. After an error the batch's last row is not complete: clear the batch.
class RowDecoder {
  public:
    explicit RowDecoder(EventTable table) : table_(std::move(table)) {}

    [[nodiscard]] const EventTable& table() const noexcept { return table_; }

    /// Begins an event of this table; it must stay until next() says false. kCorrupt if its columns are not the
    /// table's; kUnsupported, naming binlog_row_image, if images lack a column that is read.
    void open(const RowsEvent& event);

    /// Appends the next change: one row, or for an update two, as it was and as it is. False at the event's end.
    bool next(core::RowBatch& batch);

    /// Why the change that next() gave is to be set aside: a value of it cannot be represented, and is null in the
    /// batch. The changes after it are not affected.
    [[nodiscard]] const std::optional<core::SourceError>& invalid_value() const noexcept { return invalid_value_; }

  private:
    [[nodiscard]] bool require_columns(ByteSpan present) const;
    [[nodiscard]] std::size_t count_columns(ByteSpan present) const;
    void decode_image(const ByteSpan* present, core::RowBatch& batch);
    core::Value decode_value(const EventColumn& column, ByteReader& reader, core::Arena& arena);
    core::Value decode_string(const EventColumn& column, ByteSpan bytes, core::Arena& arena);
    core::Value decode_padded(const EventColumn& column, ByteSpan bytes, core::Arena& arena);
    core::Value decode_enum(const EventColumn& column, ByteReader& reader, core::Arena& arena);
    core::Value decode_set(const EventColumn& column, ByteReader& reader, core::Arena& arena);
    core::Value decode_compressed(const EventColumn& column, ByteSpan bytes, core::Arena& arena);

    EventTable table_;
    JsonBinaryReader json_;
    JsonScratch json_text_;
    std::string decompressed_;
    RowsEvent event_;
    ByteSpan left_;
    // Which columns the event's images hold; null if all.
    const ByteSpan* present_ = nullptr;
    const ByteSpan* present_after_ = nullptr;
    std::optional<core::SourceError> invalid_value_;
};

}  // namespace pgrepl::mysql
