#pragma once
// Copies chunks of the copy under way: leases one, reads it from the snapshot, encodes, writes, and saves how
// far it came in the same transaction. Used by copy workers and by the source worker alike.

#include <cstdint>
#include <map>
#include <string>

#include "catalog/copy_queue.hpp"
#include "catalog/quarantine.hpp"
#include "core/source.hpp"
#include "pg/error.hpp"

namespace pgrepl::replication {

/// Whose copy it is, and how much may be held.
struct CopyContext {
    std::int32_t source_id = 0;
    std::int64_t generation = 0;
    Oid owner = InvalidOid;
    int supervisor_pid = 0;   ///< woken when a chunk is done; 0: nobody
    int max_quarantined = 0;  ///< rows of a table that may be set aside; more, and the table fails

    [[nodiscard]] catalog::Quarantine quarantine(std::int32_t table_id) const noexcept {
        return {source_id, table_id, max_quarantined};
    }
};

class ChunkCopier {
  public:
    /// `snapshot` outlives it.
    ChunkCopier(CopyContext context, core::Snapshot& snapshot);

    /// Copies one chunk to its end. False if none was pending. An error of the table alone makes the table fail
    /// and returns true; any other is thrown, with the chunk given back.
    bool copy_next_chunk();

    /// The table as the snapshot shows it; null if it is not there.
    [[nodiscard]] const core::TableInfo* find(const core::TableName& name) const;
    [[nodiscard]] const std::map<core::TableName, core::TableInfo>& tables() const noexcept { return tables_; }

  private:
    class ChunkInHand;
    class ChunkWriter;

    void start_over(const catalog::Chunk& chunk) const;
    void copy_chunk(ChunkInHand& chunk);
    void note_progress();

    CopyContext context_;
    core::Snapshot& snapshot_;
    std::map<core::TableName, core::TableInfo> tables_;
    bool has_progressed_ = false;  ///< some rows have been committed
};

}  // namespace pgrepl::replication
