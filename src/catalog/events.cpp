// Statements on replicator.event.

#include "catalog/events.hpp"

#include <optional>

#include "catalog/noted_error.hpp"
#include "pg/error.hpp"
#include "pg/server_log.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"

namespace pgrepl::catalog {

namespace {

/// What is to be told, as its statement gives it: of which source or table, with which numbers.
struct Told {
    std::string source;
    std::string table;  ///< empty: of the source as a whole
    std::string arguments = "{}";
    std::string seconds;
    std::string rows;
    std::string tables;

    [[nodiscard]] std::string subject() const {
        std::string const of = "source \"" + source + "\"";
        return table.empty() ? of : "table \"" + table + "\" of " + of;
    }
};

/// Columns: name of the source, table, seconds, rows, number of tables; null where there is no such thing.
Told read_told(const pg::QueryResult& row) {
    Told told{row.text(0, 0), row.text(0, 1), "", row.text(0, 2), row.text(0, 3), row.text(0, 4)};
    told.arguments = pg::execute(
                         R"(SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('table', nullif($1, ''),
                            'seconds', nullif($2, '')::numeric, 'rows', nullif($3, '')::bigint, 'tables',
                            nullif($4, '')::bigint)))",
                         {told.table, told.seconds, told.rows, told.tables})
                         .text(0, 0);
    return told;
}

/// Whether events can be written without a wait.
bool can_record() {
    std::optional<pg::SqlError> const error =
        pg::run_in_subtransaction([] { pg::execute("LOCK TABLE replicator.event IN ROW EXCLUSIVE MODE NOWAIT"); });
    if (error && error->sqlstate() != ERRCODE_LOCK_NOT_AVAILABLE) {
        throw pg::SqlError(*error);
    }
    return !error;
}

/// No work waits for somebody who has locked the events: what is told is in the server log, too.
void record(const Told& told, const std::string& action, const std::string& sqlstate = {},
            const std::string& message = {}) {
    if (!can_record()) {
        return;
    }
    pg::execute(
        R"(INSERT INTO replicator.event (source, role, action, arguments, outcome, sqlstate, message)
           SELECT s.name, o.name, $2, $3::jsonb, CASE WHEN $4 = '' THEN 'ok' ELSE 'error' END, nullif($4, ''),
           nullif($5, '') FROM replicator.source s JOIN replicator.source_owner o ON o.source_id = s.id
           WHERE s.name = $1)",
        {told.source, action, told.arguments, sqlstate, message});
}

constexpr const char* kQualifiedName =
    "pg_catalog.concat_ws('.', nullif(t.database, ''), nullif(t.schema, ''), t.name)";

/// In the order of read_told.
Told look_up_table(std::int32_t table_id) {
    return read_told(pg::execute(std::string("SELECT s.name, ") + kQualifiedName +
                                     ", NULL, NULL, NULL FROM replicator.source_table t "
                                     "JOIN replicator.source s ON s.id = t.source_id WHERE t.id = $1",
                                 {table_id}));
}

/// Once, until the table is up to date again, or there is another error.
void tell_trouble(std::int32_t table_id, const std::string& sqlstate, const std::string& message, const char* action,
                  const char* what) {
    pg::QueryResult const row = pg::execute(
        std::string(R"(UPDATE replicator.source_table t SET failed_since = coalesce(t.failed_since, clock_timestamp()),
                       failed_with = $2, last_hint = coalesce(t.last_hint, CASE WHEN s.mode = 'continuous'
                       THEN pg_catalog.format('When the cause is gone: replicator_resync(%L, %L).', s.name, )") +
            kQualifiedName +
            ") ELSE pg_catalog.format('It is tried again with the next refresh; replicator_sync(%L) begins one.', "
            "s.name) END) FROM replicator.source s, replicator.source_table before "
            "WHERE t.id = $1 AND s.id = t.source_id AND before.id = $1 RETURNING s.name, " +
            kQualifiedName + ", NULL, NULL, NULL, before.failed_with IS DISTINCT FROM $2, t.last_hint",
        {table_id, sqlstate});
    if (row.empty() || !row.boolean(0, 5)) {
        return;
    }
    Told const told = read_told(row);
    record(told, action, sqlstate, message);
    pg::write_log(pg::LogLevel::kWarning, told.subject() + what + message, "The others go on.", row.text(0, 6));
}

}  // namespace

void record_call(const std::string& source, Oid role, const std::string& action, const std::string& arguments_json) {
    pg::execute(
        R"(INSERT INTO replicator.event (source, role, action, arguments, outcome)
           VALUES (nullif($1, ''), pg_catalog.pg_get_userbyid($2), $3, $4::jsonb, 'ok'))",
        {source, pg::Param::oid(role), action, arguments_json});
}

void record_work(const std::string& source, Oid owner, const std::string& action, const std::string& arguments_json) {
    if (can_record()) {
        record_call(source, owner, action, arguments_json);
    } else {
        pg::write_log(pg::LogLevel::kLog, "source \"" + source + "\": " + action, arguments_json, {});
    }
}

void record_failed_call(const pg::FailedCall& call) {
    pg::execute(
        R"(INSERT INTO replicator.event (at, source, role, action, arguments, outcome, sqlstate, message)
           VALUES ($1, nullif($2, ''), pg_catalog.pg_get_userbyid($3), $4, $5::jsonb, 'error', $6, $7))",
        {pg::Param::timestamp(call.at), call.source, pg::Param::oid(call.role), call.action, call.arguments,
         call.sqlstate, call.message});
}

void prune_events(int retention_s) {
    pg::execute(
        R"(DELETE FROM replicator.event WHERE id IN (SELECT id FROM replicator.event
           WHERE at < clock_timestamp() - $1 * interval '1 second' FOR UPDATE SKIP LOCKED))",
        {retention_s});
}

// ---- what workers tell ----

bool tell_source_failure(std::int32_t source_id, RunState state, const pg::SqlError& error) {
    NotedError const noted(error);
    pg::QueryResult const row = pg::execute(
        R"(UPDATE replicator.source_state st SET failing_since = coalesce(st.failing_since, clock_timestamp()),
           failing_until = NULL, failing_with = $2 FROM replicator.source s, replicator.source_state before
           WHERE st.source_id = $1 AND s.id = $1 AND before.source_id = $1
           RETURNING s.name, NULL, NULL, NULL, NULL, before.failing_with IS DISTINCT FROM $2)",
        {source_id, std::string(name_of(state)) + " " + noted.sqlstate});
    if (row.empty() || !row.boolean(0, 5)) {
        return false;
    }
    Told const told = read_told(row);
    bool const passes = state == RunState::kBackingOff;
    record(told, passes ? "source backs off" : "source failed", noted.sqlstate, noted.message);
    pg::write_log(passes ? pg::LogLevel::kLog : pg::LogLevel::kWarning,
                  told.subject() + (passes ? " backs off: " : " has failed: ") + error.what(), error.fields().detail,
                  error.fields().hint);
    return true;
}

void tell_failover(std::int32_t source_id, bool compares, const std::string& doubt) {
    Told const told =
        read_told(pg::execute("SELECT name, NULL, NULL, NULL, NULL FROM replicator.source WHERE id = $1", {source_id}));
    record(told, compares ? "another server: all tables are compared" : "another server: trusted", {}, doubt);
    pg::write_log(pg::LogLevel::kLog, told.subject() + ": " + doubt,
                  compares ? "All tables are compared with it, and what differs is mended."
                           : "The option after_failover is trust: nothing is compared.",
                  {});
}

void note_that_work_goes_on(std::int32_t source_id) {
    pg::execute(
        R"(UPDATE replicator.source_state SET last_error = NULL, last_sqlstate = NULL, last_detail = NULL,
           last_hint = NULL, last_error_at = NULL, failing_until = coalesce(failing_until, clock_timestamp())
           WHERE source_id = $1 AND (last_error IS NOT NULL OR (failing_since IS NOT NULL AND failing_until IS NULL)))",
        {source_id});
}

void tell_source_recovery(std::int32_t source_id) {
    pg::QueryResult const row = pg::execute(
        R"(UPDATE replicator.source_state st SET failing_since = NULL, failing_until = NULL, failing_with = NULL
           FROM replicator.source s, replicator.source_state before
           WHERE st.source_id = $1 AND st.failing_since IS NOT NULL AND s.id = $1 AND before.source_id = $1
           RETURNING s.name, NULL, round(extract(epoch FROM coalesce(before.failing_until, clock_timestamp())
           - before.failing_since), 1), NULL, NULL)",
        {source_id});
    if (row.empty()) {
        return;
    }
    Told const told = read_told(row);
    record(told, "source recovered");
    pg::write_log(pg::LogLevel::kLog, told.subject() + " works again after " + told.seconds + " s");
}

void tell_table_failure(std::int32_t table_id, const std::string& sqlstate, const std::string& message) {
    tell_trouble(table_id, sqlstate, message, "table failed", " has failed: ");
}

void tell_lack_of_room(std::int32_t table_id, const std::string& sqlstate, const std::string& message) {
    tell_trouble(table_id, sqlstate, message, "table lacks room", " has no room: ");
}

void tell_table_recovery(std::int32_t table_id) {
    pg::QueryResult const row = pg::execute(
        std::string(R"(UPDATE replicator.source_table t SET failed_since = NULL, failed_with = NULL
                       FROM replicator.source s, replicator.source_table before
                       WHERE t.id = $1 AND t.failed_since IS NOT NULL AND s.id = t.source_id AND before.id = $1
                       RETURNING s.name, )") +
            kQualifiedName + ", round(extract(epoch FROM clock_timestamp() - before.failed_since), 1), NULL, NULL",
        {table_id});
    if (row.empty()) {
        return;
    }
    Told const told = read_told(row);
    record(told, "table recovered");
    pg::write_log(pg::LogLevel::kLog, told.subject() + " is up to date again after " + told.seconds + " s");
}

void tell_left_out(std::int32_t table_id, TableState state, const std::string& reason) {
    Told const told = look_up_table(table_id);
    bool const unsupported = state == TableState::kUnsupported;
    record(told, "table left out", unsupported ? "0A000" : "", reason);
    pg::write_log(unsupported ? pg::LogLevel::kWarning : pg::LogLevel::kLog,
                  told.subject() + " is not replicated any more: " + reason, "Its target stays as it is.");
}

void tell_target_dropped(std::int32_t table_id, const std::string& reason) {
    Told const told = look_up_table(table_id);
    record(told, "target dropped", {}, reason);
    pg::write_log(pg::LogLevel::kLog, told.subject() + " is not replicated any more: " + reason,
                  "Its target was dropped with it.");
}

void tell_copy_end(std::int32_t source_id) {
    pg::QueryResult const row = pg::execute(
        R"(SELECT s.name, NULL, round(extract(epoch FROM clock_timestamp() - st.copy_started_at), 1),
           coalesce(sum(t.rows_copied), 0), count(t.id) FROM replicator.source s
           JOIN replicator.source_state st ON st.source_id = s.id
           LEFT JOIN replicator.source_table t ON t.source_id = s.id AND t.state = 'idle'
           AND t.copy_started_at >= st.copy_started_at
           WHERE s.id = $1 AND (st.copy_rows IS NULL OR st.copy_sync_number > st.sync_done)
           GROUP BY s.name, st.copy_started_at)",
        {source_id});
    if (row.empty()) {
        return;
    }
    Told const told = read_told(row);
    record(told, "copy finished");
    pg::write_log(pg::LogLevel::kLog, told.subject() + " was copied: " + told.tables + " tables with " + told.rows +
                                          " rows in " + told.seconds + " s");
}

void tell_table_copied(std::int32_t table_id) {
    Told const told = read_told(
        pg::execute(std::string("SELECT s.name, ") + kQualifiedName +
                        ", round(extract(epoch FROM clock_timestamp() - t.copy_started_at), 1), t.rows_copied, NULL "
                        "FROM replicator.source_table t JOIN replicator.source s ON s.id = t.source_id WHERE t.id = $1",
                    {table_id}));
    record(told, "table copied");
    pg::write_log(pg::LogLevel::kLog,
                  told.subject() + " was copied beside the stream: " + told.rows + " rows in " + told.seconds + " s");
}

}  // namespace pgrepl::catalog
