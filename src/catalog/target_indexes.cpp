// Statements on replicator.target_index.

#include "catalog/target_indexes.hpp"

#include <algorithm>

#include "catalog/noted_error.hpp"
#include "pg/shared_state.hpp"
#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

/// Of an index `i` of a table `t`: it is to be built, and its table can be read in full. Never null.
constexpr const char* kBuildable = R"(
    coalesce(i.state IN ('pending', 'building') AND t.target_created AND t.state IN ('idle', 'streaming') AND NOT t.paused
    AND t.consistency <> 'copying' AND EXISTS (
        SELECT FROM replicator.target_relation known JOIN pg_catalog.pg_class there ON there.oid = coalesce(known.relid,
            pg_catalog.to_regclass(pg_catalog.format('%I.%I', t.target_schema, t.target_name))::oid)
        WHERE known.table_id = t.id),
    false))";

/// It is to be built, or a build of it was begun and is to be cleaned up.
std::string has_work() { return std::string("(i.state IN ('unwanted', 'building') OR ") + kBuildable + ")"; }

}  // namespace

void set_wanted_indexes(std::int32_t table_id, const std::vector<WantedIndex>& wanted) {
    std::vector<std::string> names;
    for (const WantedIndex& index : wanted) {
        names.push_back(index.name);
        pg::execute(
            R"(INSERT INTO replicator.target_index (id, table_id, name, method, definition)
               VALUES (coalesce((SELECT k.id FROM replicator.target_index k WHERE k.table_id = $1 AND k.name = $2),
               pg_catalog.nextval('replicator.target_index_id_seq')), $1, $2, $3, $4)
               ON CONFLICT (table_id, name) DO UPDATE SET state = 'pending', failures = 0
               WHERE target_index.state = 'unwanted')",
            {table_id, index.name, index.method, index.definition});
    }
    pg::execute(
        R"(DELETE FROM replicator.target_index WHERE table_id = $1 AND name <> ALL ($2)
           AND (state = 'ready' OR started_at IS NULL))",
        {table_id, names});
    pg::execute("UPDATE replicator.target_index SET state = 'unwanted' WHERE table_id = $1 AND name <> ALL ($2)",
                {table_id, names});
}

std::optional<TargetIndex> next_index(std::int32_t source_id) {
    pg::QueryResult const row =
        pg::execute(std::string(R"(SELECT i.id, i.failures, t.database, t.schema, t.name, t.id, t.target_schema,
                                   t.target_name, i.name, i.method, i.definition, NOT )") +
                        kBuildable + ", " + kTargetRelationColumns +
                        " FROM replicator.target_index i JOIN replicator.source_table t ON t.id = i.table_id " +
                        kTargetRelationJoin +
                        R"(JOIN replicator.source s ON s.id = t.source_id
                           JOIN replicator.source_state st ON st.source_id = s.id AND st.database_oid = $2
                           WHERE s.id = $1 AND NOT s.paused AND
                           (i.next_attempt_at IS NULL OR i.next_attempt_at <= clock_timestamp()) AND )" +
                        has_work() + " ORDER BY i.id LIMIT 1",
                    {source_id, pg::Param::oid(MyDatabaseId)});
    if (row.empty()) {
        return std::nullopt;
    }
    TargetIndex index;
    index.id = static_cast<std::int32_t>(row.int64(0, 0));
    index.failures = static_cast<std::int32_t>(row.int64(0, 1));
    index.table = {row.text(0, 2), row.text(0, 3), row.text(0, 4)};
    index.source_id = source_id;
    index.table_id = static_cast<std::int32_t>(row.int64(0, 5));
    index.target_schema = row.text(0, 6);
    index.target_name = row.text(0, 7);
    index.index = {row.text(0, 8), row.text(0, 9), row.text(0, 10)};
    index.clean_up = row.boolean(0, 11);
    index.relation = read_target_relation(row, 0, 12);
    return index;
}

void finish_clean_up(std::int32_t index_id) {
    pg::execute("DELETE FROM replicator.target_index WHERE id = $1 AND state = 'unwanted'", {index_id});
    pg::execute("UPDATE replicator.target_index SET state = 'pending' WHERE id = $1 AND state = 'building'",
                {index_id});
}

std::vector<std::string> invalid_indexes(std::int32_t source_id) {
    pg::QueryResult const rows = pg::execute(
        R"(SELECT c.oid::regclass::text FROM replicator.target_index i
           JOIN replicator.source_table t ON t.id = i.table_id
           JOIN replicator.target_relation r ON r.table_id = t.id
           JOIN pg_catalog.pg_index x ON x.indrelid = r.relid
           JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid AND c.relname = i.name
           WHERE t.source_id = $1 AND NOT x.indisvalid)",
        {source_id});
    std::vector<std::string> names;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        names.push_back(rows.text(i, 0));
    }
    return names;
}

bool begin_index(std::int32_t index_id, int worker_pid) {
    return pg::execute(
               R"(UPDATE replicator.target_index i SET state = 'building', worker_pid = $2,
                  next_attempt_at = NULL, started_at = clock_timestamp(), finished_at = NULL
                  FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id
                  WHERE i.id = $1 AND i.state IN ('pending', 'building') AND t.id = i.table_id AND NOT t.paused
                  AND NOT s.paused)",
               {index_id, worker_pid})
               .processed() > 0;
}

void finish_index(std::int32_t index_id) {
    pg::execute(
        R"(UPDATE replicator.target_index SET state = 'ready', finished_at = clock_timestamp(), failures = 0,
           last_error = NULL, last_sqlstate = NULL, last_hint = NULL WHERE id = $1)",
        {index_id});
}

void record_index_error(std::int32_t index_id, const pg::SqlError& error, std::optional<std::int64_t> retry_ms) {
    NotedError const noted(error);
    pg::execute(
        R"(UPDATE replicator.target_index SET state = CASE WHEN $5::bigint IS NULL THEN 'failed'::replicator.index_state
           ELSE 'pending' END,
           failures = failures + 1, last_error = $2, last_sqlstate = $3, last_hint = nullif($4, ''), finished_at =
           clock_timestamp(),
           next_attempt_at = clock_timestamp() + $5 * interval '1 millisecond' WHERE id = $1)",
        {index_id, noted.message, noted.sqlstate, noted.hint, retry_ms});
}

void wait_for_lock(const TargetIndex& index, const pg::SqlError& error, std::int64_t retry_ms) {
    pg::execute(
        R"(UPDATE replicator.target_index SET state = CASE WHEN $4 THEN state ELSE 'pending' END,
           last_error = 'its table is locked', last_sqlstate = $2, last_hint = 'blocked_by names the processes that have
           locked it. The index is built when they are done.',
           next_attempt_at = clock_timestamp() + $3 * interval '1 millisecond'
           WHERE id = $1 AND state IN ('building', 'unwanted'))",
        {index.id, pg::sqlstate_text(error.sqlstate()), retry_ms, index.clean_up});
}

void retry_failed_indexes(std::int32_t source_id) {
    pg::execute(
        R"(UPDATE replicator.target_index i SET state = 'pending', failures = 0, next_attempt_at = NULL
           FROM replicator.source_table t WHERE t.id = i.table_id AND t.source_id = $1
           AND (i.state = 'failed' OR i.next_attempt_at IS NOT NULL))",
        {source_id});
}

void notice_lost_indexes() {
    pg::execute(R"(
        UPDATE replicator.target_index SET state = 'pending', finished_at = NULL WHERE id IN (
            SELECT i.id FROM replicator.target_index i JOIN replicator.target_relation r ON r.table_id = i.table_id
            WHERE r.relid IS NOT NULL AND i.state = 'ready' AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_index x JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
                WHERE x.indrelid = r.relid AND c.relname = i.name AND x.indisvalid)
            FOR NO KEY UPDATE OF i SKIP LOCKED))");
}

std::vector<WantedWorker> list_index_work() {
    pg::QueryResult const rows = pg::execute(std::string(R"(SELECT s.id, s.name,
                                   bool_or(i.next_attempt_at IS NULL OR i.next_attempt_at <= clock_timestamp()),
                                   coalesce((extract(epoch FROM min(i.next_attempt_at)
                                   - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint, 0)
                                   FROM replicator.target_index i JOIN replicator.source_table t ON t.id = i.table_id
                                   JOIN replicator.source s ON s.id = t.source_id
                                   JOIN replicator.source_state st ON st.source_id = s.id AND st.database_oid = $1
                                   WHERE NOT s.paused AND )") +
                                                 has_work() + " GROUP BY s.id, s.name ORDER BY s.id",
                                             {pg::Param::oid(MyDatabaseId)});
    return read_wanted_workers(rows, pg::WorkerKind::kIndex);
}

void look_for_index_work_at_commit(std::int32_t source_id, std::optional<std::int32_t> table_id) {
    pg::QueryResult const index = pg::execute(
        R"(SELECT 1 FROM replicator.target_index i JOIN replicator.source_table t ON t.id = i.table_id
           WHERE t.source_id = $1 AND ($2::bigint IS NULL OR t.id = $2) LIMIT 1)",
        {source_id, std::optional<std::int64_t>(table_id)});
    if (!index.empty()) {
        pg::probe_at_commit();
    }
}

}  // namespace pgrepl::catalog
