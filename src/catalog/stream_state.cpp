// Statements of streams.

#include "catalog/stream_state.hpp"

#include "catalog/table_life.hpp"
#include "pg/spi.hpp"
#include "pg/stream_report.hpp"

namespace pgrepl::catalog {

namespace {

constexpr const char* kAddChanges = R"(
    UPDATE replicator.source_table t
    SET rows_inserted = t.rows_inserted + c.inserted, rows_updated = t.rows_updated + c.updated,
        rows_deleted = t.rows_deleted + c.deleted, tagged_values = t.tagged_values + c.tagged,
        last_applied_at = clock_timestamp(), deaths = 0
    FROM ROWS FROM (pg_catalog.unnest($1::integer[]), pg_catalog.unnest($2::bigint[]),
                    pg_catalog.unnest($3::bigint[]), pg_catalog.unnest($4::bigint[]), pg_catalog.unnest($5::bigint[]))
         AS c(id, inserted, updated, deleted, tagged)
    WHERE t.id = c.id)";

// The index is looked for where it may be lacking only: this is asked for several times a second.
constexpr const char* kStreamTables = R"(
    SELECT t.id, t.database, t.schema, t.name, t.target_schema, t.target_name, t.target_created, t.state, t.definition,
           t.structure, t.copy_bound, t.copy_way,
           t.state = 'pending' AND EXISTS (
               SELECT FROM pg_catalog.pg_index i
               WHERE i.indrelid = coalesce(r.relid, pg_catalog.to_regclass(
                         pg_catalog.format('%I.%I', t.target_schema, t.target_name)))
                 AND i.indisunique AND i.indisvalid AND i.indimmediate),
           t.keyless, t.state = 'pending' AND t.locked_since IS NOT NULL, coalesce(r.relid, 0), r.table_id IS NOT NULL AND r.relid IS NULL,
           t.changed
    FROM replicator.source_table t LEFT JOIN replicator.target_relation r ON r.table_id = t.id
    WHERE t.source_id = $1 AND NOT t.paused AND t.target_name IS NOT NULL
      AND t.state NOT IN ('excluded', 'unsupported', 'failed'))";

constexpr const char* kHash = R"(
    pg_catalog.hashtextextended(pg_catalog.concat_ws('|', t.id, state, paused, target_created, copy_way,
        target_name, keyless, locked_since IS NULL, changed, structure, r.table_id, coalesce(r.relid, 0)), 0)
    FROM replicator.source_table t LEFT JOIN replicator.target_relation r ON r.table_id = t.id WHERE t.source_id = $1)";

std::vector<std::string> texts_of(const std::set<std::int32_t>& ids) {
    std::vector<std::string> texts;
    for (std::int32_t const id : ids) {
        texts.push_back(std::to_string(id));
    }
    return texts;
}

}  // namespace

std::optional<StreamStart> load_stream_start(std::int32_t source_id) {
    pg::QueryResult const row = pg::execute(
        R"(SELECT p.position, st.reader_id, st.rights_seen FROM replicator.position p
           JOIN replicator.source_state st ON st.source_id = p.source_id WHERE p.source_id = $1)",
        {source_id});
    if (row.empty()) {
        return std::nullopt;
    }
    return StreamStart{row.text(0, 0), row.int64(0, 1), row.text(0, 2)};
}

void forget_position(std::int32_t source_id) {
    pg::execute("DELETE FROM replicator.position WHERE source_id = $1", {source_id});
    ask_for_all_copies(source_id);
    pg::execute(
        R"(UPDATE replicator.source_state SET sync_requested = greatest(sync_requested, sync_done + 1),
           copy_plan = 'one_state', copy_position = NULL, copy_durable = false, copy_replaced = 0,
           compare_due = false, reread_due = NULL, discovery_due = NULL WHERE source_id = $1)",
        {source_id});
}

void start_over(std::int32_t source_id) {
    pg::execute("UPDATE replicator.source_state SET generation = generation + 1 WHERE source_id = $1", {source_id});
    forget_position(source_id);
}

void save_position(std::int32_t source_id, const std::string& position, const StreamTimes& times) {
    auto const known = [](TimestampTz at) {
        return at == 0 ? pg::Param(std::optional<std::string>()) : pg::Param::timestamp(at);
    };
    pg::execute(
        R"(UPDATE replicator.position SET position = $2, committed_at = clock_timestamp(), source_time = CASE
           WHEN $3 = 0 THEN source_time ELSE timestamptz '1970-01-01 00:00:00+00' + $3 * interval '1 microsecond' END,
           read_at = coalesce($4::timestamptz, read_at), end_seen_at = greatest(end_seen_at, $5::timestamptz)
           WHERE source_id = $1)",
        {source_id, position, times.committed_us, known(times.read_at), known(times.end_seen_at)});
}

std::vector<StreamTable> stream_tables(std::int32_t source_id, const std::optional<std::set<std::int32_t>>& ids) {
    pg::QueryResult const rows =
        ids ? pg::execute(kStreamTables + std::string(" AND t.id = ANY ($2::integer[]) ORDER BY t.id"),
                          {source_id, texts_of(*ids)})
            : pg::execute(kStreamTables + std::string(" ORDER BY t.id"), {source_id});
    std::vector<StreamTable> tables;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        StreamTable table;
        table.table_id = static_cast<std::int32_t>(rows.int64(i, 0));
        table.name = {rows.text(i, 1), rows.text(i, 2), rows.text(i, 3)};
        table.target_schema = rows.text(i, 4);
        table.target_name = rows.text(i, 5);
        table.target_created = rows.boolean(i, 6);
        table.state = table_state(rows.text(i, 7));
        table.definition = rows.text(i, 8);
        table.structure = rows.text(i, 9);
        table.copy_bound = rows.cell(i, 10);
        table.copy_way = copy_way(rows.cell(i, 11));
        table.has_key_index = rows.boolean(i, 12);
        table.keyless = rows.boolean(i, 13);
        table.locked = rows.boolean(i, 14);
        table.relation = read_target_relation(rows, i, 15);
        table.changed = rows.boolean(i, 17);
        tables.push_back(std::move(table));
    }
    return tables;
}

std::int64_t stream_tables_fingerprint(std::int32_t source_id) {
    return pg::execute("SELECT coalesce(pg_catalog.bit_xor(h), 0) FROM (SELECT " + std::string(kHash) + ") AS hash(h)",
                       {source_id})
        .int64(0, 0);
}

std::map<std::int32_t, std::int64_t> stream_table_hashes(std::int32_t source_id,
                                                         const std::optional<std::set<std::int32_t>>& ids) {
    std::string const query = "SELECT t.id, " + std::string(kHash);
    pg::QueryResult const rows =
        ids ? pg::execute(query + " AND t.id = ANY ($2::integer[])", {source_id, texts_of(*ids)})
            : pg::execute(query, {source_id});
    std::map<std::int32_t, std::int64_t> hashes;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        hashes.emplace(static_cast<std::int32_t>(rows.int64(i, 0)), rows.int64(i, 1));
    }
    return hashes;
}

void add_changes(std::int32_t source_id, const std::vector<ChangeCounts>& counts) {
    std::int64_t total = 0;
    std::vector<std::string> columns[5];
    for (const ChangeCounts& count : counts) {
        if (count.total() == 0) {
            continue;
        }
        total += count.total();
        std::int64_t const values[5] = {count.table_id, count.inserted, count.updated, count.deleted,
                                        count.tagged_values};
        for (int i = 0; i < 5; ++i) {
            columns[i].push_back(std::to_string(values[i]));
        }
    }
    if (total == 0) {
        return;
    }
    pg::execute(kAddChanges, {columns[0], columns[1], columns[2], columns[3], columns[4]});
    pg::execute(
        R"(UPDATE replicator.source_state SET changes_applied = changes_applied + $2,
           last_applied_at = clock_timestamp() WHERE source_id = $1)",
        {source_id, total});
    pg::count_changes_at_commit(total);
}

void save_rights(std::int32_t source_id, const std::string& rights) {
    pg::execute("UPDATE replicator.source_state SET rights_seen = $2 WHERE source_id = $1", {source_id, rights});
}

std::string rights_seen(std::int32_t source_id) {
    pg::QueryResult const row =
        pg::execute("SELECT rights_seen FROM replicator.source_state WHERE source_id = $1", {source_id});
    return row.empty() ? std::string() : row.text(0, 0);
}

void ask_for_comparison(std::int32_t source_id) {
    pg::execute("UPDATE replicator.source_state SET compare_due = true WHERE source_id = $1", {source_id});
}

bool begin_comparison(std::int32_t source_id) {
    pg::QueryResult const due = pg::execute(
        "UPDATE replicator.source_state SET compare_due = false WHERE source_id = $1 AND compare_due", {source_id});
    if (due.processed() == 0) {
        return false;
    }
    ask_for_comparisons(source_id);
    return true;
}

void ask_for_discovery(std::int32_t source_id, const std::string& statement) {
    pg::execute("UPDATE replicator.source_state SET discovery_due = $2 WHERE source_id = $1", {source_id, statement});
}

std::optional<std::string> discovery_due(std::int32_t source_id) {
    pg::QueryResult const row = pg::execute(
        "SELECT discovery_due FROM replicator.source_state WHERE source_id = $1 AND discovery_due IS NOT NULL",
        {source_id});
    return row.empty() ? std::nullopt : std::optional(row.text(0, 0));
}

void end_discovery(std::int32_t source_id) {
    pg::execute("UPDATE replicator.source_state SET discovery_due = NULL WHERE source_id = $1", {source_id});
}

bool ask_for_reread(std::int32_t source_id, const std::string& why) {
    return pg::execute("UPDATE replicator.source_state SET reread_due = $2 WHERE source_id = $1 AND reread_due IS NULL",
                       {source_id, why})
               .processed() > 0;
}

bool knows_of_reread(std::int32_t source_id) {
    return !pg::execute(
                R"(SELECT 1 FROM replicator.source_state WHERE source_id = $1
                   AND (reread_due IS NOT NULL OR reread_began_at IS NOT NULL AND reread_ended_at IS NULL))",
                {source_id})
                .empty();
}

bool begin_reread(std::int32_t source_id, bool at_once) {
    bool const begins =
        pg::execute(
            R"(UPDATE replicator.source_state SET reread_due = NULL, reread_began_at = clock_timestamp(),
               reread_ended_at = NULL WHERE source_id = $1 AND reread_due IS NOT NULL
               AND ($2 OR replicator.next_reread(reread_began_at, reread_ended_at) <= clock_timestamp()))",
            {source_id, at_once})
            .processed() > 0;
    if (begins) {
        ask_for_rereads(source_id);
    }
    return begins;
}

void end_reread(std::int32_t source_id) {
    pg::execute(
        R"(UPDATE replicator.source_state SET reread_ended_at = clock_timestamp()
           WHERE source_id = $1 AND reread_began_at IS NOT NULL AND reread_ended_at IS NULL)",
        {source_id});
}

void end_following(std::int32_t source_id, std::int64_t generation, TimestampTz read_at) {
    end_streaming(source_id);
    pg::execute(
        R"(UPDATE replicator.source_state SET state = 'idle', state_since = clock_timestamp(), copy_plan = 'one_state',
           state_read_at = $3 WHERE source_id = $1 AND generation = $2)",
        {source_id, generation, pg::Param::timestamp(read_at)});
}

void requests_served(std::int32_t source_id, std::int64_t generation) {
    pg::execute(
        R"(UPDATE replicator.source_state SET sync_done = copy_sync_number WHERE source_id = $1 AND generation = $2
           AND sync_done < copy_sync_number)",
        {source_id, generation});
}

std::vector<std::int32_t> tables_with_quarantine(std::int32_t source_id) {
    pg::QueryResult const rows =
        pg::execute("SELECT DISTINCT table_id FROM replicator.quarantine WHERE source_id = $1", {source_id});
    std::vector<std::int32_t> tables;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        tables.push_back(static_cast<std::int32_t>(rows.int64(i, 0)));
    }
    return tables;
}

void release_keys(std::int32_t table_id, const std::vector<std::string>& keys) {
    pg::execute("DELETE FROM replicator.quarantine WHERE table_id = $1 AND key = ANY ($2)", {table_id, keys});
}

}  // namespace pgrepl::catalog
