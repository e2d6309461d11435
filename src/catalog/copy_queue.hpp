#pragma once
// The tables and chunks of the copy under way. A chunk is leased by a committed (pid, generation); every write
// of its progress checks the lease, so that rows and progress are committed together exactly once.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/target_relations.hpp"
#include "core/source.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

/// A table that takes part in the copy under way.
struct CopyTable {
    std::int32_t table_id = 0;
    core::TableName name;
    std::string target_schema;
    std::string target_name;
    bool target_created = false;
    TargetRelation relation;
    bool filled = false;           ///< a copy of it has been completed: readers rely on its rows
    bool locked = false;           ///< nothing is done with it until its target can be locked, or has room
    bool staging = false;          ///< its way; else direct
    Oid target_file = InvalidOid;  ///< where its rows were when the copy began
    bool complete = false;         ///< it is staged, and nothing is left to copy
    std::int64_t rows_copied = 0;
    std::int64_t pending_chunks = 0;  ///< not done, leased or not
};

/// Tables that this source replicates now: not excluded, unsupported, failed for good, gone or paused.
std::vector<CopyTable> tables_to_copy(std::int32_t source_id);

/// Tables that take part in the copy under way, and are not in yet.
std::vector<CopyTable> tables_in_copy(std::int32_t source_id);

/// One of them.
std::optional<CopyTable> table_in_copy(std::int32_t source_id, std::int32_t table_id);

/// Ids of the source's tables that are not staged in the copy under way, nor keep their staging tables: those of a
/// periodic source do, for the next refresh.
std::vector<std::int32_t> unstaged_tables(std::int32_t source_id);

/// Ids of all tables of all sources.
std::vector<std::int32_t> all_tables();

/// The chunks of a table that begins its copy, which has none yet.
void queue_chunks(std::int32_t table_id, const std::vector<core::ChunkRange>& chunks);

struct Chunk {
    std::int32_t table_id = 0;
    std::int32_t number = 0;
    core::ChunkRange range;
    std::int32_t leases = 1;  ///< more: it was interrupted before
};

/// Leases the next pending chunk for this process; nothing if none is pending, or `generation` is not the source's own.
std::optional<Chunk> lease_chunk(std::int32_t source_id, std::int64_t generation);

/// What was read from a chunk since the last call.
struct ChunkProgress {
    std::string resume_bound;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    std::int64_t tagged_values = 0;
    /// Of a refresh: the ids that the target holds, too (targets/seen_ids.hpp), and rows of which that is not known.
    std::int64_t found_rows = 0;
    std::int64_t found_first = 0;
    std::int64_t found_second = 0;
    std::int64_t unsure_rows = 0;
    bool done = false;
};

/// What the chunks of a table have found in the target, in the fields found_… and unsure_rows.
ChunkProgress found_in_target(std::int32_t table_id);

/// Saves progress in the transaction that wrote the rows. Throws if the lease is not ours any more.
void save_chunk_progress(const Chunk& chunk, std::int64_t generation, const ChunkProgress& progress);

/// Nothing of the leased chunk, the only one of its table, counts as read. False if nothing did.
bool restart_chunk(const Chunk& chunk, std::int64_t generation);

/// Gives the part of the chunk above `split` to others.
void split_chunk(const Chunk& chunk, std::int64_t generation, const std::string& split);

/// Gives a leased chunk back.
void release_chunk(const Chunk& chunk, std::int64_t generation);

/// Whether some chunk waits for a reader.
bool has_pending_chunks(std::int32_t source_id);

/// Whether some chunk is still to be copied, leased or not.
bool has_unfinished_chunks(std::int32_t source_id);

/// Makes chunks pending again whose reader is gone: leased by another generation, or by a process that is no
/// worker any more.
void release_dead_leases(std::int32_t source_id, std::int64_t generation);

}  // namespace pgrepl::catalog
