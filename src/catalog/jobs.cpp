// Statements on replicator.job, replicator.job_table and replicator.difference.

#include "catalog/jobs.hpp"

#include "catalog/noted_error.hpp"
#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

constexpr const char* kJob =
    R"(SELECT j.id, j.source_id, j.kind = 'repair', j.failures,
       j.state IN ('pending', 'running') FROM replicator.job j )";

constexpr const char* kJobTable = R"(
    SELECT t.id, t.database, t.schema, t.name, t.target_schema, t.target_name,
           t.state IN ('idle', 'streaming') AND NOT t.paused, coalesce(t.rows_expected, t.rows_copied),
           coalesce(r.relid, 0), r.table_id IS NOT NULL AND r.relid IS NULL
    FROM replicator.job_table jt JOIN replicator.source_table t ON t.id = jt.table_id
    LEFT JOIN replicator.target_relation r ON r.table_id = t.id
    WHERE jt.job_id = $1 AND )";

constexpr const char* kJobWork = R"(
    SELECT s.id, s.name, bool_or(j.next_attempt_at IS NULL OR j.next_attempt_at <= clock_timestamp()),
           coalesce((extract(epoch FROM min(j.next_attempt_at) - timestamptz '2000-01-01 00:00:00+00')
                     * 1000000)::bigint, 0)
    FROM replicator.job j JOIN replicator.source s ON s.id = j.source_id
    JOIN replicator.source_state st ON st.source_id = s.id AND st.database_oid = $1
    WHERE j.state IN ('pending', 'running') AND NOT s.paused
    GROUP BY s.id, s.name ORDER BY s.id)";

std::optional<Job> read_job(const pg::QueryResult& row) {
    if (row.empty()) {
        return std::nullopt;
    }
    return Job{row.int64(0, 0), static_cast<std::int32_t>(row.int64(0, 1)), row.boolean(0, 2),
               static_cast<std::int32_t>(row.int64(0, 3)), row.boolean(0, 4)};
}

std::vector<JobTable> read_tables(const pg::QueryResult& rows) {
    std::vector<JobTable> tables;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        tables.push_back({static_cast<std::int32_t>(rows.int64(i, 0)),
                          {rows.text(i, 1), rows.text(i, 2), rows.text(i, 3)},
                          rows.text(i, 4),
                          rows.text(i, 5),
                          rows.boolean(i, 6),
                          rows.int64(i, 7),
                          read_target_relation(rows, i, 8)});
    }
    return tables;
}

}  // namespace

std::int64_t request_job(std::int32_t source_id, bool repair, Oid caller, const std::vector<std::int32_t>& tables) {
    std::int64_t const id = pg::execute(
                                R"(INSERT INTO replicator.job (source_id, kind, requested_by)
                                   VALUES ($1, CASE WHEN $2 THEN 'repair'::replicator.job_kind ELSE 'verify' END,
                                   pg_catalog.pg_get_userbyid($3)) RETURNING id)",
                                {source_id, repair, pg::Param::oid(caller)})
                                .int64(0, 0);
    for (std::int32_t const table : tables) {
        // One that is forgotten meanwhile needs no comparison.
        pg::execute(
            R"(INSERT INTO replicator.job_table (job_id, table_id)
               SELECT $1, t.id FROM replicator.source_table t WHERE t.id = $2 FOR KEY SHARE)",
            {id, table});
    }
    return id;
}

std::optional<Job> find_job(std::int64_t job_id) {
    return read_job(pg::execute(std::string(kJob) + "WHERE j.id = $1", {job_id}));
}

std::optional<Job> next_job(std::int32_t source_id) {
    return read_job(pg::execute(std::string(kJob) +
                                    R"(WHERE j.source_id = $1 AND j.state IN ('pending', 'running') AND
                                       (j.next_attempt_at IS NULL OR j.next_attempt_at <= clock_timestamp())
                                       ORDER BY j.id LIMIT 1)",
                                {source_id}));
}

void begin_job(std::int64_t job_id, int worker_pid) {
    pg::execute(
        R"(UPDATE replicator.job SET state = 'running', worker_pid = $2,
           next_attempt_at = NULL, started_at = coalesce(started_at, clock_timestamp())
           WHERE id = $1 AND state IN ('pending', 'running'))",
        {job_id, worker_pid});
}

bool is_job_wanted(std::int64_t job_id) {
    return !pg::execute(
                R"(SELECT 1 FROM replicator.job j JOIN replicator.source s ON s.id = j.source_id
                   JOIN replicator.source_state st ON st.source_id = s.id AND st.database_oid = $2
                   WHERE j.id = $1 AND j.state IN ('pending', 'running') AND NOT s.paused)",
                {job_id, pg::Param::oid(MyDatabaseId)})
                .empty();
}

std::vector<JobTable> tables_of_job(std::int64_t job_id) {
    return read_tables(
        pg::execute(std::string(kJobTable) + "jt.state IN ('pending', 'running') ORDER BY t.id", {job_id}));
}

std::optional<JobTable> table_of_job(std::int64_t job_id, std::int32_t table_id) {
    std::vector<JobTable> tables = read_tables(pg::execute(std::string(kJobTable) + "t.id = $2", {job_id, table_id}));
    return tables.empty() ? std::nullopt : std::optional(std::move(tables.front()));
}

void begin_job_table(std::int64_t job_id, std::int32_t table_id) {
    pg::execute(
        R"(UPDATE replicator.job_table SET state = 'running', started_at = clock_timestamp(), rows_compared = 0
           WHERE job_id = $1 AND table_id = $2)",
        {job_id, table_id});
    pg::execute("DELETE FROM replicator.difference WHERE job_id = $1 AND table_id = $2", {job_id, table_id});
}

void save_rows_compared(std::int64_t job_id, std::int32_t table_id, std::int64_t rows) {
    pg::execute("UPDATE replicator.job_table SET rows_compared = $3 WHERE job_id = $1 AND table_id = $2",
                {job_id, table_id, rows});
}

void list_differences(std::int64_t job_id, std::int32_t table_id, const std::vector<Difference>& differences) {
    std::int64_t listed = pg::execute("SELECT count(*) FROM replicator.difference WHERE job_id = $1 AND table_id = $2",
                                      {job_id, table_id})
                              .int64(0, 0);
    for (const Difference& difference : differences) {
        if (listed++ >= kListedDifferences) {
            return;
        }
        pg::execute(
            R"(INSERT INTO replicator.difference (job_id, table_id, key, kind, repaired) VALUES ($1, $2, $3,
               $4::replicator.difference_kind, $5) ON CONFLICT (job_id, table_id, key) DO UPDATE SET kind =
               excluded.kind, repaired = excluded.repaired)",
            {job_id, table_id, difference.key, kDifferenceKinds.at(static_cast<std::size_t>(difference.kind)),
             difference.repaired});
    }
}

void finish_job_table(std::int64_t job_id, std::int32_t table_id, const Findings& findings) {
    pg::execute(
        R"(UPDATE replicator.job_table SET state = CASE WHEN $7 > 0 THEN 'behind'::replicator.job_table_state ELSE
           'done' END, rows_compared = $3,
           changed = $4, missing = $5, extra = $6, unconfirmed = $7, quarantined = $8, repaired = $9,
           finished_at = clock_timestamp(), last_hint = CASE WHEN $7 > 0 THEN
           'The source has changed since the target was last brought up to date: the rows that differ may be changes
           not copied yet. Call replicator_sync, then compare again.' END WHERE job_id = $1 AND table_id = $2)",
        {job_id, table_id, findings.rows_compared, findings.changed, findings.missing, findings.extra,
         findings.unconfirmed, findings.quarantined, findings.repaired});
}

void fail_job_table(std::int64_t job_id, std::int32_t table_id, const pg::SqlError& error) {
    NotedError const noted(error);
    pg::execute(
        R"(UPDATE replicator.job_table SET state = 'failed', finished_at = clock_timestamp(), last_error = $3,
           last_sqlstate = $4, last_hint = nullif($5, '') WHERE job_id = $1 AND table_id = $2)",
        {job_id, table_id, noted.message, noted.sqlstate, noted.hint});
}

void finish_job(std::int64_t job_id) {
    pg::execute(
        R"(UPDATE replicator.job j SET finished_at = clock_timestamp(), last_error = NULL, last_sqlstate = NULL,
           last_hint = NULL, state = CASE WHEN EXISTS (SELECT FROM replicator.job_table t WHERE t.job_id = j.id
           AND t.state = 'failed') THEN 'failed'::replicator.job_state ELSE 'done' END WHERE id = $1 AND state IN
           ('pending', 'running'))",
        {job_id});
}

void record_job_error(std::int64_t job_id, const pg::SqlError& error, std::optional<std::int64_t> retry_ms) {
    NotedError const noted(error);
    pg::execute(
        R"(UPDATE replicator.job SET state = CASE WHEN $5::bigint IS NULL THEN 'failed'::replicator.job_state ELSE
           'pending' END,
           failures = failures + 1, last_error = $2, last_sqlstate = $3, last_hint = nullif($4, ''),
           next_attempt_at = clock_timestamp() + $5 * interval '1 millisecond',
           finished_at = CASE WHEN $5::bigint IS NULL THEN clock_timestamp() END
           WHERE id = $1 AND state IN ('pending', 'running'))",
        {job_id, noted.message, noted.sqlstate, noted.hint, retry_ms});
}

void cancel_job(std::int64_t job_id) {
    pg::execute(
        R"(UPDATE replicator.job SET state = 'canceled', finished_at = clock_timestamp()
           WHERE id = $1 AND state IN ('pending', 'running'))",
        {job_id});
}

std::vector<WantedWorker> list_job_work() {
    return read_wanted_workers(pg::execute(kJobWork, {pg::Param::oid(MyDatabaseId)}), pg::WorkerKind::kJob);
}

void prune_jobs(int retention_s) {
    pg::execute(
        R"(DELETE FROM replicator.job WHERE id IN (SELECT id FROM replicator.job
           WHERE finished_at < clock_timestamp() - $1 * interval '1 second' FOR UPDATE SKIP LOCKED))",
        {retention_s});
}

}  // namespace pgrepl::catalog
