// Statements on replicator.source_state and replicator.position.

#include "catalog/source_state.hpp"

#include "catalog/events.hpp"
#include "catalog/noted_error.hpp"
#include "pg/spi.hpp"
#include "pg/stream_report.hpp"
#include "pg/worker.hpp"

namespace pgrepl::catalog {

namespace {

/// Microseconds since PostgreSQL's epoch, exact; null as 0.
constexpr const char* kLoad = R"(
    SELECT st.state, st.generation, coalesce(st.copy_position, ''), st.copy_durable, st.copy_sync_number,
           st.sync_requested, st.sync_done, st.retry_count, s.paused,
           w.has_work, coalesce((extract(epoch FROM st.copy_started_at - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint, 0),
           w.copy_plan, w.streams, st.reader_id, st.copy_replaced
    FROM replicator.source s JOIN replicator.source_state st ON st.source_id = s.id AND st.database_oid = $2
    JOIN replicator.source_work w ON w.source_id = s.id
    WHERE s.id = $1)";

constexpr const char* kSourceWork = R"(
    SELECT s.id, s.name,
           w.has_work AND (st.next_retry_at IS NULL OR st.next_retry_at <= clock_timestamp()),
           coalesce((extract(epoch FROM CASE
               WHEN w.has_work THEN st.next_retry_at
               ELSE w.refresh_at
           END - timestamptz '2000-01-01 00:00:00+00') * 1000000)::bigint, 0)
    FROM replicator.source s
    JOIN replicator.source_state st ON st.source_id = s.id AND st.database_oid = $1
    JOIN replicator.source_work w ON w.source_id = s.id
    WHERE NOT s.paused AND st.state <> 'failed'
    ORDER BY s.id)";

[[noreturn]] void throw_replaced() {
    throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                       "this worker's source was dropped or is served by a newer worker");
}

void require_changed(const pg::QueryResult& result) {
    if (result.processed() == 0) {
        throw_replaced();
    }
}

}  // namespace

std::optional<SourceState> load_source_state(std::int32_t source_id) {
    pg::QueryResult const row = pg::execute(kLoad, {source_id, pg::Param::oid(MyDatabaseId)});
    if (row.empty()) {
        return std::nullopt;
    }
    SourceState state;
    state.state = run_state(row.text(0, 0));
    state.generation = row.int64(0, 1);
    state.copy_position = row.text(0, 2);
    state.copy_durable = row.boolean(0, 3);
    state.copy_sync_number = row.int64(0, 4);
    state.sync_requested = row.int64(0, 5);
    state.sync_done = row.int64(0, 6);
    state.retry_count = static_cast<std::int32_t>(row.int64(0, 7));
    state.paused = row.boolean(0, 8);
    state.has_work = row.boolean(0, 9);
    state.copy_started_at = row.int64(0, 10);
    if (!row.is_null(0, 11)) {
        state.plan = copy_plan(row.text(0, 11));
    }
    state.streams = row.boolean(0, 12);
    state.reader_id = row.int64(0, 13);
    state.copy_replaced = static_cast<std::int32_t>(row.int64(0, 14));
    return state;
}

std::int64_t begin_generation(std::int32_t source_id, int worker_pid) {
    pg::QueryResult const row = pg::execute(
        R"(UPDATE replicator.source_state SET generation = generation + 1, worker_pid = $2, next_retry_at = NULL,
           state = 'starting', state_since = clock_timestamp() WHERE source_id = $1 RETURNING generation)",
        {source_id, worker_pid});
    require_changed(row);
    return row.int64(0, 0);
}

bool is_generation(std::int32_t source_id, std::int64_t generation) {
    return !pg::execute("SELECT 1 FROM replicator.source_state WHERE source_id = $1 AND generation = $2",
                        {source_id, generation})
                .empty();
}

bool may_go_on(std::int32_t source_id, std::int64_t generation) {
    return !pg::execute(
                R"(SELECT 1 FROM replicator.source_state st JOIN replicator.source s ON s.id = st.source_id
                   WHERE st.source_id = $1 AND st.generation = $2 AND NOT s.paused)",
                {source_id, generation})
                .empty();
}

void lock_state(std::int32_t source_id, std::int64_t generation) {
    pg::QueryResult const row =
        pg::execute("SELECT 1 FROM replicator.source_state WHERE source_id = $1 AND generation = $2 FOR NO KEY UPDATE",
                    {source_id, generation});
    require_changed(row);
}

void lock_state(std::int32_t source_id) {
    pg::execute("SELECT 1 FROM replicator.source_state WHERE source_id = $1 FOR NO KEY UPDATE", {source_id});
}

void take_turn(std::int32_t source_id) { pg::lock_writing(source_id); }

void take_turn(std::int32_t source_id, std::int64_t generation) {
    take_turn(source_id);
    if (!is_generation(source_id, generation)) {
        throw_replaced();
    }
}

void set_state(std::int32_t source_id, std::int64_t generation, RunState state) {
    require_changed(
        pg::execute(R"(UPDATE replicator.source_state SET state = $3::replicator.run_state, state_since = CASE
                       WHEN state = $3::replicator.run_state THEN state_since ELSE clock_timestamp() END
                       WHERE source_id = $1 AND generation = $2)",
                    {source_id, generation, name_of(state)}));
}

void set_source_version(std::int32_t source_id, const std::string& version) {
    pg::execute(
        R"(UPDATE replicator.source_state SET source_version = $2 WHERE source_id = $1
           AND source_version IS DISTINCT FROM $2)",
        {source_id, version});
}

void take_requests(std::int32_t source_id, std::int64_t generation) {
    require_changed(pg::execute(R"(UPDATE replicator.source_state SET copy_sync_number = sync_requested
                       WHERE source_id = $1 AND generation = $2)",
                                {source_id, generation}));
}

void begin_copy(std::int32_t source_id, std::int64_t generation, const CopyBegin& copy) {
    require_changed(pg::execute(
        R"(UPDATE replicator.source_state SET state = 'snapshot', state_since = clock_timestamp(), copy_position = $3,
           copy_durable = $4, copy_started_at = $5, copy_finished_at = NULL, copy_plan = $6::replicator.copy_plan,
           copy_replaced = 0,
           deaths = 0
           WHERE source_id = $1 AND generation = $2)",
        {source_id, generation, copy.position, copy.durable, pg::Param::timestamp(copy.read_at), name_of(copy.plan)}));
}

bool abandon_copy(std::int32_t source_id, std::int64_t generation, bool durable) {
    return pg::execute(
               R"(UPDATE replicator.source_state SET copy_position = NULL, copy_durable = $3, copy_plan = CASE WHEN
                  copy_position IS NOT NULL THEN nullif(copy_plan, 'beside_log_for_one_state') ELSE copy_plan END
                  WHERE source_id = $1 AND generation = $2)",
               {source_id, generation, durable})
               .processed() > 0;
}

std::int32_t note_replaced(std::int32_t source_id, std::int64_t generation) {
    pg::QueryResult const row = pg::execute(
        R"(UPDATE replicator.source_state SET copy_replaced = copy_replaced + 1 WHERE source_id = $1 AND generation = $2
           RETURNING copy_replaced)",
        {source_id, generation});
    require_changed(row);
    return static_cast<std::int32_t>(row.int64(0, 0));
}

void forget_replaced(std::int32_t source_id) {
    pg::execute("UPDATE replicator.source_state SET copy_replaced = 0 WHERE source_id = $1 AND copy_replaced > 0",
                {source_id});
}

void ask_for_durable_copy(std::int32_t source_id, std::int64_t generation) {
    pg::execute(
        R"(UPDATE replicator.source_state SET copy_durable = true
           WHERE source_id = $1 AND generation = $2 AND copy_position IS NOT NULL)",
        {source_id, generation});
}

void end_copy(std::int32_t source_id, std::int64_t generation, const std::string& position, std::int64_t changes,
              bool log_follows, bool complete) {
    tell_copy_end(source_id);
    require_changed(pg::execute(
        R"(UPDATE replicator.source_state SET state = CASE WHEN $4 THEN 'catching_up'::replicator.run_state
           ELSE 'idle' END,
           state_since = clock_timestamp(), copy_position = NULL, copy_durable = false,
           copy_finished_at = clock_timestamp(), copy_rows = (SELECT coalesce(sum(t.rows_copied), 0) FROM
           replicator.source_table t WHERE t.source_id = $1 AND t.copy_started_at >= source_state.copy_started_at),
           sync_done = CASE WHEN $4 OR NOT $5 THEN sync_done ELSE copy_sync_number END,
           state_read_at = copy_started_at, last_applied_at = clock_timestamp(), changes_applied = changes_applied + $3,
           last_error = NULL, last_sqlstate = NULL, last_detail = NULL, last_hint = NULL, last_error_at = NULL,
           retry_count = CASE WHEN $5 THEN 0 ELSE retry_count END, next_retry_at = NULL, deaths = 0
           WHERE source_id = $1 AND generation = $2)",
        {source_id, generation, changes, log_follows, complete}));
    pg::execute(
        R"(INSERT INTO replicator.position (source_id, position) VALUES ($1, $2) ON CONFLICT (source_id)
           DO UPDATE SET position = excluded.position, committed_at = clock_timestamp(), source_time = NULL,
           read_at = NULL, end_seen_at = NULL)",
        {source_id, position});
    pg::count_changes_at_commit(changes);
    if (complete && !log_follows) {
        tell_source_recovery(source_id);  // a stream tells it when it has caught up
    }
}

bool record_failure(std::int32_t source_id, std::int64_t generation, const pg::SqlError& error,
                    std::optional<std::int64_t> retry_ms, bool not_after_refresh) {
    NotedError const noted(error);
    RunState const state = retry_ms ? RunState::kBackingOff : RunState::kFailed;
    pg::execute(
        R"(UPDATE replicator.source_state SET state_since = CASE WHEN state = $3::replicator.run_state THEN state_since
           ELSE clock_timestamp() END, state = $3::replicator.run_state, last_error = $4, last_sqlstate = $5,
           last_detail = nullif($6, ''),
           last_hint = nullif($7, ''), last_error_at = clock_timestamp(), retry_count = retry_count + 1,
           next_retry_at = clock_timestamp() + least($8 * interval '1 millisecond', CASE WHEN $9 THEN (SELECT
           s.refresh_interval FROM replicator.source s WHERE s.id = $1) END)
           WHERE source_id = $1 AND generation = $2)",
        {source_id, generation, name_of(state), noted.message, noted.sqlstate, noted.detail, noted.hint, retry_ms,
         not_after_refresh});
    // A lock is no failure: the views say who holds it.
    return error.sqlstate() != ERRCODE_LOCK_NOT_AVAILABLE && tell_source_failure(source_id, state, error);
}

std::int32_t note_eviction(std::int32_t source_id, std::int64_t window_ms) {
    pg::QueryResult const row = pg::execute(
        R"(UPDATE replicator.source_state SET evictions = CASE WHEN evicted_at > clock_timestamp() - $2 * interval
           '1 millisecond' THEN evictions + 1 ELSE 1 END, evicted_at = clock_timestamp() WHERE source_id = $1
           RETURNING evictions)",
        {source_id, window_ms});
    require_changed(row);
    return static_cast<std::int32_t>(row.int64(0, 0));
}

void note_no_copy_workers(std::int32_t source_id) {
    pg::execute(
        R"(UPDATE replicator.source_state SET last_hint = 'The source worker copies alone: no background worker slot
           is free for copy workers. Raise max_worker_processes.' WHERE source_id = $1)",
        {source_id});
}

void clear_error(std::int32_t source_id) {
    note_that_work_goes_on(source_id);
    pg::execute(
        R"(UPDATE replicator.source_state SET retry_count = 0, next_retry_at = NULL
           WHERE source_id = $1 AND retry_count > 0)",
        {source_id});
    tell_source_recovery(source_id);
}

std::string target_position(std::int32_t source_id) {
    pg::QueryResult const row =
        pg::execute("SELECT position FROM replicator.position WHERE source_id = $1", {source_id});
    return row.empty() ? "" : row.text(0, 0);
}

bool is_source_moving(std::int32_t source_id) {
    return !pg::execute(
                R"(SELECT 1 FROM replicator.source_state WHERE source_id = $1 AND
                   (copy_position IS NOT NULL OR state IN ('catching_up', 'streaming')))",
                {source_id})
                .empty();
}

std::vector<WantedWorker> list_source_work() {
    return read_wanted_workers(pg::execute(kSourceWork, {pg::Param::oid(MyDatabaseId)}), pg::WorkerKind::kSource);
}

void tell_wait_for_slot(std::int32_t source_id) {
    // Who looks at a database does not wait for those who hold the row of one source. Of a source that fails anyway the
    // two errors would be told in turn; that it waits, the views show.
    std::uint64_t const to_tell =
        pg::execute(
            R"(WITH state AS (SELECT st.source_id FROM replicator.source_state st WHERE st.source_id = $1
               AND (st.failing_since IS NULL OR st.failing_until IS NOT NULL) AND EXISTS (SELECT 1 FROM
               replicator.slot_wait w WHERE w.source_id = $1 AND w.kind = $2::replicator.worker_kind AND NOT w.told)
               FOR NO KEY UPDATE SKIP LOCKED)
               UPDATE replicator.slot_wait w SET told = true FROM state
               WHERE w.source_id = state.source_id AND w.kind = $2::replicator.worker_kind)",
            {source_id, name_of(pg::WorkerKind::kSource)})
            .processed();
    if (to_tell == 0) {
        return;
    }
    tell_source_failure(source_id, RunState::kBackingOff,
                        pg::SqlError(ERRCODE_INSUFFICIENT_RESOURCES, "no free background worker slot", "",
                                     "Raise max_worker_processes in postgresql.conf and restart the server."));
}

}  // namespace pgrepl::catalog
