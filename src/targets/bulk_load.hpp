#pragma once
// Writing encoded rows into a table that has no other writers of the same keys: the chunks of a first copy, and
// staging tables. Two routes: multi-insert into the heap, for a plain heap table that nobody has changed since
// we made it, and INSERT through SPI for every other (triggers, indexes, partitions, other access methods).

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pg/refused_row.hpp"
#include "targets/heap_append.hpp"
#include "targets/open_target.hpp"
#include "targets/row_encoder.hpp"
#include "targets/target_writer.hpp"

namespace pgrepl::target {

/// Appends rows to one table within one transaction. Create it, append, finish(); if an error ends the
/// transaction, just destroy it.
class BulkLoad {
  public:
    /// Into a target. It is opened to be filled.
    BulkLoad(const OpenTarget& target, TimestampTz synced_at);
    /// Into a staging table of ours. Takes RowExclusiveLock.
    BulkLoad(const TargetName& staging, TimestampTz synced_at);

    /// Rows that the table's constraints or triggers refuse are added to `refused`; the others are written. Errors that
    /// concern no single row are thrown.
    void append(const EncodedRows& rows, std::vector<pg::RefusedRow>& refused);

    /// Appends a row of the source that was set aside: its id without data. Staging tables only.
    void append_set_aside(const std::string& id);

    void finish();

  private:
    void append_to_heap(const EncodedRows& rows);
    void append_by_statement(const EncodedRows& rows, std::size_t first, std::size_t count);

    std::optional<TargetWriter> target_;
    std::string staging_;  ///< without a target: its name, for statements
    TimestampTz synced_at_;
    std::unique_ptr<HeapAppend> heap_;  ///< null: the other route
};

}  // namespace pgrepl::target
