// Statements on replicator.chunk, and on what copies count in replicator.source_table.

#include "catalog/copy_queue.hpp"

#include "catalog/states.hpp"
#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

constexpr const char* kCopyTable = R"(
    SELECT t.id, t.database, t.schema, t.name, t.target_schema, t.target_name, t.target_created, t.copy_way,
           t.rows_copied,
           (SELECT count(*) FROM replicator.chunk c WHERE c.table_id = t.id AND c.state <> 'done'),
           coalesce(t.copy_target_file, 0), t.consistency <> 'copying', t.locked_since IS NOT NULL, )";

constexpr const char* kInCopy = "t.copy_way IN ('direct', 'staging', 'staged')";

// One snapshot shows the generation and the chunks: whoever is of an older generation sees none of a newer copy's
// chunks. The choice is materialized: a subquery could be run again for each row of the join, and lease more than one.
constexpr const char* kLease = R"(
    WITH next AS MATERIALIZED (
        SELECT q.table_id, q.number
        FROM replicator.chunk q
        JOIN replicator.source_table t ON t.id = q.table_id
        WHERE q.source_id = $1 AND q.state = 'pending' AND t.copy_way IN ('direct', 'staging') AND NOT t.paused
          AND t.locked_since IS NULL
          AND EXISTS (SELECT FROM replicator.source_state s WHERE s.source_id = $1 AND s.generation = $2)
        ORDER BY q.source_id, q.table_rows DESC, q.table_id, q.number
        LIMIT 1
        FOR UPDATE OF q SKIP LOCKED)
    UPDATE replicator.chunk c
    SET state = 'leased', lease_pid = pg_catalog.pg_backend_pid(), lease_generation = $2, leases = c.leases + 1
    FROM next
    WHERE c.table_id = next.table_id AND c.number = next.number
    RETURNING c.table_id, c.number, c.lower_bound, c.upper_bound, c.leases)";

constexpr const char* kSaveProgress = R"(
    UPDATE replicator.chunk
    SET lower_bound = $5, rows = rows + $6, state = CASE WHEN $7 THEN 'done' ELSE state END,
        found_rows = found_rows + $8, found_first = found_first # $9, found_second = found_second # $10,
        unsure_rows = unsure_rows + $11,
        lease_pid = CASE WHEN $7 THEN NULL ELSE lease_pid END
    WHERE table_id = $1 AND number = $2 AND state = 'leased' AND lease_pid = $3 AND lease_generation = $4
    RETURNING died AND (state = 'done' OR $5 <> ''))";

std::vector<CopyTable> read_tables(std::int32_t source_id, const char* condition,
                                   std::optional<std::int64_t> table_id = std::nullopt) {
    pg::QueryResult const rows =
        pg::execute(std::string(kCopyTable) + kTargetRelationColumns + " FROM replicator.source_table t" +
                        kTargetRelationJoin + "WHERE t.source_id = $1 AND " + condition +
                        (table_id ? " AND t.id = $2" : " AND $2::bigint IS NULL") + " ORDER BY t.id",
                    {source_id, table_id});
    std::vector<CopyTable> tables;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        CopyTable table;
        table.table_id = static_cast<std::int32_t>(rows.int64(i, 0));
        table.name = {rows.text(i, 1), rows.text(i, 2), rows.text(i, 3)};
        table.target_schema = rows.text(i, 4);
        table.target_name = rows.text(i, 5);
        table.target_created = rows.boolean(i, 6);
        std::optional<CopyWay> const way = copy_way(rows.cell(i, 7));
        table.staging = way == CopyWay::kStaging || way == CopyWay::kStaged;
        table.complete = way == CopyWay::kStaged;
        table.rows_copied = rows.int64(i, 8);
        table.pending_chunks = rows.int64(i, 9);
        table.target_file = rows.oid(i, 10);
        table.filled = rows.boolean(i, 11);
        table.locked = rows.boolean(i, 12);
        table.relation = read_target_relation(rows, i, 13);
        tables.push_back(std::move(table));
    }
    return tables;
}

std::vector<std::int32_t> read_ids(const pg::QueryResult& rows) {
    std::vector<std::int32_t> ids;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        ids.push_back(static_cast<std::int32_t>(rows.int64(i, 0)));
    }
    return ids;
}

[[noreturn]] void throw_lease_lost() {
    throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                       "the lease of a chunk was lost: the source was dropped, or its worker was replaced");
}

}  // namespace

std::vector<CopyTable> tables_to_copy(std::int32_t source_id) {
    return read_tables(source_id,
                       "t.state IN ('pending', 'copying', 'idle', 'failed') AND NOT t.paused "
                       // One whose copy has killed its process too often waits for a person.
                       "AND t.target_name IS NOT NULL AND NOT (t.state = 'failed' AND t.deaths >= 3)");
}

std::vector<CopyTable> tables_in_copy(std::int32_t source_id) { return read_tables(source_id, kInCopy); }

std::optional<CopyTable> table_in_copy(std::int32_t source_id, std::int32_t table_id) {
    std::vector<CopyTable> tables = read_tables(source_id, kInCopy, table_id);
    return tables.empty() ? std::nullopt : std::optional(std::move(tables[0]));
}

std::vector<std::int32_t> unstaged_tables(std::int32_t source_id) {
    return read_ids(
        pg::execute(R"(SELECT t.id FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id
                       WHERE t.source_id = $1 AND coalesce(t.copy_way NOT IN ('staging', 'staged'), true)
                       AND NOT (s.mode = 'periodic' AND NOT t.paused AND t.state IN ('pending', 'copying', 'idle')))",
                    {source_id}));
}

std::vector<std::int32_t> all_tables() { return read_ids(pg::execute("SELECT id FROM replicator.source_table")); }

void queue_chunks(std::int32_t table_id, const std::vector<core::ChunkRange>& chunks) {
    std::int32_t number = 0;
    for (const core::ChunkRange& range : chunks) {
        pg::execute(
            R"(INSERT INTO replicator.chunk (table_id, number, source_id, table_rows, lower_bound, upper_bound)
               SELECT $1, $2, source_id, coalesce(rows_expected, 9223372036854775807), $3, $4
               FROM replicator.source_table WHERE id = $1)",
            {table_id, number++, range.lower, range.upper});
    }
}

std::optional<Chunk> lease_chunk(std::int32_t source_id, std::int64_t generation) {
    pg::QueryResult const row = pg::execute(kLease, {source_id, generation});
    if (row.empty()) {
        return std::nullopt;
    }
    return Chunk{static_cast<std::int32_t>(row.int64(0, 0)),
                 static_cast<std::int32_t>(row.int64(0, 1)),
                 {row.text(0, 2), row.text(0, 3)},
                 static_cast<std::int32_t>(row.int64(0, 4))};
}

void save_chunk_progress(const Chunk& chunk, std::int64_t generation, const ChunkProgress& progress) {
    pg::QueryResult const saved =
        pg::execute(kSaveProgress, {chunk.table_id, chunk.number, static_cast<std::int32_t>(MyProcPid), generation,
                                    progress.resume_bound, progress.rows, progress.done, progress.found_rows,
                                    progress.found_first, progress.found_second, progress.unsure_rows});
    if (saved.processed() == 0) {
        throw_lease_lost();
    }
    pg::execute(
        R"(UPDATE replicator.source_table SET rows_copied = rows_copied + $2, bytes_copied = bytes_copied + $3,
           tagged_values = tagged_values + $4, deaths = CASE WHEN $5 THEN 0 ELSE deaths END WHERE id = $1)",
        {chunk.table_id, progress.rows, progress.bytes, progress.tagged_values, saved.boolean(0, 0)});
}

bool restart_chunk(const Chunk& chunk, std::int64_t generation) {
    pg::QueryResult const restarted = pg::execute(
        R"(UPDATE replicator.chunk SET rows = 0, found_rows = 0, found_first = 0, found_second = 0, unsure_rows = 0
           WHERE table_id = $1 AND number = $2 AND state = 'leased' AND lease_pid = $3 AND lease_generation = $4
           AND rows > 0)",
        {chunk.table_id, chunk.number, static_cast<std::int32_t>(MyProcPid), generation});
    if (restarted.processed() == 0) {
        return false;
    }
    pg::execute("UPDATE replicator.source_table SET rows_copied = 0, bytes_copied = 0, tagged_values = 0 WHERE id = $1",
                {chunk.table_id});
    return true;
}

ChunkProgress found_in_target(std::int32_t table_id) {
    pg::QueryResult const row = pg::execute(
        R"(SELECT coalesce(sum(found_rows), 0), coalesce(bit_xor(found_first), 0), coalesce(bit_xor(found_second), 0),
           coalesce(sum(unsure_rows), 0) FROM replicator.chunk WHERE table_id = $1)",
        {table_id});
    ChunkProgress found;
    found.found_rows = row.int64(0, 0);
    found.found_first = row.int64(0, 1);
    found.found_second = row.int64(0, 2);
    found.unsure_rows = row.int64(0, 3);
    return found;
}

void split_chunk(const Chunk& chunk, std::int64_t generation, const std::string& split) {
    pg::QueryResult const cut = pg::execute(
        R"(UPDATE replicator.chunk SET upper_bound = $5 WHERE table_id = $1 AND number = $2 AND state = 'leased'
           AND lease_pid = $3 AND lease_generation = $4)",
        {chunk.table_id, chunk.number, static_cast<std::int32_t>(MyProcPid), generation, split});
    if (cut.processed() == 0) {
        throw_lease_lost();
    }
    pg::execute(
        R"(INSERT INTO replicator.chunk (table_id, number, source_id, table_rows, lower_bound, upper_bound)
           SELECT $1, max(number) + 1, min(source_id), min(table_rows), $2, $3 FROM replicator.chunk
           WHERE table_id = $1)",
        {chunk.table_id, split, chunk.range.upper});
}

void release_chunk(const Chunk& chunk, std::int64_t generation) {
    pg::execute(
        R"(UPDATE replicator.chunk SET state = 'pending', lease_pid = NULL WHERE table_id = $1 AND number = $2
           AND state = 'leased' AND lease_pid = $3 AND lease_generation = $4)",
        {chunk.table_id, chunk.number, static_cast<std::int32_t>(MyProcPid), generation});
}

bool has_unfinished_chunks(std::int32_t source_id) {
    return !pg::execute(
                R"(SELECT 1 FROM replicator.chunk c JOIN replicator.source_table t ON t.id = c.table_id
                   WHERE t.source_id = $1 AND c.state <> 'done' AND t.copy_way IN ('direct', 'staging') AND NOT t.paused
                   LIMIT 1)",
                {source_id})
                .empty();
}

bool has_pending_chunks(std::int32_t source_id) {
    return !pg::execute(
                R"(SELECT 1 FROM replicator.chunk c JOIN replicator.source_table t ON t.id = c.table_id
                   WHERE t.source_id = $1 AND c.state = 'pending' LIMIT 1)",
                {source_id})
                .empty();
}

void release_dead_leases(std::int32_t source_id, std::int64_t generation) {
    pg::execute(
        R"(UPDATE replicator.chunk c SET state = 'pending', lease_pid = NULL FROM replicator.source_table t
           WHERE t.id = c.table_id AND t.source_id = $1 AND c.state = 'leased' AND (c.lease_generation <> $2
           OR NOT EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity(c.lease_pid) a
           WHERE a.pid = c.lease_pid AND a.backend_type LIKE 'pg\_replicator%')))",
        {source_id, generation});
}

}  // namespace pgrepl::catalog
