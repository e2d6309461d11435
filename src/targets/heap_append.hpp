#pragma once
// Rows straight into a heap, past the executor: for a table of ours whose columns are id, data and _synced_at, where
// nothing can see or change rows on their way. Follows COPY (src/backend/commands/copyfrom.c,
// CopyMultiInsertBufferFlush): slots are filled, then written with one WAL record a page.

#include <memory>

#include "pg/error.hpp"
#include "targets/row_encoder.hpp"

namespace pgrepl::target {

/// Within one transaction. If an error ends it, just destroy the object.
class HeapAppend {
  public:
    /// Takes RowExclusiveLock. Nothing if rows must go another way. Throws SqlError if the current role may not insert.
    static std::unique_ptr<HeapAppend> open(Oid relid);

    void append(const EncodedRows& rows, TimestampTz synced_at);

    void finish();

  private:
    struct Route;
    explicit HeapAppend(Route* route) : route_(route) {}

    Route* route_;  ///< in PostgreSQL's memory, which ends with the transaction
};

}  // namespace pgrepl::target
