// The steps. Each is one UPDATE of the row, with the states that it is taken from.

#include "catalog/table_life.hpp"

#include "catalog/copy_queue.hpp"
#include "catalog/events.hpp"
#include "catalog/locked_tables.hpp"
#include "catalog/noted_error.hpp"
#include "pg/spi.hpp"

namespace pgrepl::catalog {

namespace {

constexpr const char* kOneTarget = "source_table_target_schema_target_name_key";

// What a table begins with, and what discovery changes later. A row that is there keeps its number: one of the
// sequence's would be used up by each refresh, and they are not without end.
constexpr const char* kSave = R"(
    INSERT INTO replicator.source_table AS t
        (id, source_id, database, schema, name, kind, target_schema, target_name, state, reason, note, key_columns,
         definition, rows_expected, bytes_expected, structure, keyless, followed)
    VALUES (coalesce((SELECT k.id FROM replicator.source_table k
                      WHERE k.source_id = $1 AND k.database = $2 AND k.schema = $3 AND k.name = $4),
                     pg_catalog.nextval('replicator.source_table_id_seq')),
            $1, $2, $3, $4, $5, nullif($6, ''), nullif($7, ''), $8::replicator.table_state, nullif($9, ''),
            nullif($10, ''), $11, $12, $13, $14, $15, $16, $17::replicator.consistency)
    ON CONFLICT (source_id, database, schema, name) DO UPDATE
    SET kind = excluded.kind,
        target_schema = CASE WHEN t.target_created THEN t.target_schema ELSE excluded.target_schema END,
        target_name = CASE WHEN t.target_created THEN t.target_name ELSE excluded.target_name END,
        (state, copy_way, copy_bound) = (
            SELECT CASE WHEN is_left_out THEN excluded.state WHEN is_asked_for THEN 'pending' ELSE t.state END,
                   CASE WHEN NOT is_left_out AND NOT is_asked_for THEN t.copy_way END,
                   CASE WHEN NOT is_left_out AND NOT is_asked_for THEN t.copy_bound END
            FROM (SELECT excluded.state <> 'pending',
                         t.state IN ('excluded', 'unsupported')
                         OR t.key_columns <> excluded.key_columns
                            AND (t.state IN ('catching_up', 'streaming', 'idle')
                                 OR t.copy_way IN ('beside', 'beside_seen', 'whole'))) AS now(is_left_out, is_asked_for)),
        reason = CASE WHEN excluded.state <> 'pending' OR t.state IN ('excluded', 'unsupported') THEN excluded.reason
                      WHEN t.state NOT IN ('catching_up', 'streaming', 'idle') THEN t.reason END,
        last_error = CASE WHEN excluded.state = 'pending' THEN t.last_error END,
        last_sqlstate = CASE WHEN excluded.state = 'pending' THEN t.last_sqlstate END,
        last_hint = CASE WHEN excluded.state = 'pending' THEN t.last_hint END,
        failed_since = CASE WHEN excluded.state = 'pending' THEN t.failed_since END,
        failed_with = CASE WHEN excluded.state = 'pending' THEN t.failed_with END,
        (changed, definition, structure) = (
            SELECT is_read AND excluded.state = 'pending' AND t.changed,
                   CASE WHEN is_read THEN t.definition ELSE excluded.definition END,
                   CASE WHEN is_read THEN t.structure ELSE excluded.structure END
            FROM (SELECT t.state NOT IN ('pending', 'excluded', 'unsupported')) AS now(is_read)),
        note = excluded.note, key_columns = excluded.key_columns, keyless = excluded.keyless,
        followed = excluded.followed,
        rows_expected = excluded.rows_expected, bytes_expected = excluded.bytes_expected)";

constexpr const char* kNoteChange = R"(
    INSERT INTO replicator.source_table (id, source_id, database, schema, name, state, changed)
    VALUES (coalesce((SELECT k.id FROM replicator.source_table k
                      WHERE k.source_id = $1 AND k.database = $2 AND k.schema = $3 AND k.name = $4),
                     pg_catalog.nextval('replicator.source_table_id_seq')),
            $1, $2, $3, $4, 'pending', true)
    ON CONFLICT (source_id, database, schema, name) DO UPDATE SET changed = true)";

constexpr const char* kMarkGone = R"(
    UPDATE replicator.source_table
    SET state = 'failed', copy_way = NULL, copy_bound = NULL, changed = false, reason = 'is no longer at the source',
        last_error = 'the table is no longer at the source', last_sqlstate = '42P01',
        last_hint = 'Its target keeps the rows of the last copy. Call replicator_remove_table to stop replicating it.'
    WHERE id = $1 AND state IN ('pending', 'copying', 'catching_up', 'streaming', 'idle', 'failed')
    RETURNING last_sqlstate, last_error)";

// From any state; whether that was another one is what is told.
constexpr const char* kLeaveOut = R"(
    UPDATE replicator.source_table t
    SET state = $2::replicator.table_state, copy_way = NULL, copy_bound = NULL, reason = $3, locked_since = NULL,
        last_error = NULL, last_sqlstate = NULL, last_hint = NULL, failed_since = NULL, failed_with = NULL, deaths = 0
    FROM replicator.source_table before
    WHERE t.id = $1 AND before.id = $1
    RETURNING before.state <> t.state)";

constexpr const char* kAskForCopy = R"(
    UPDATE replicator.source_table
    SET state = 'pending', copy_way = NULL, copy_bound = NULL, reason = $2, last_error = NULL, last_sqlstate = NULL,
        last_hint = NULL
    WHERE id = $1 AND state IN ('pending', 'copying', 'catching_up', 'streaming', 'idle', 'failed'))";

// That a table was denied is kept until it has been read: out of sight it is not taken for gone.
constexpr const char* kAskForCopyByCall = R"(
    UPDATE replicator.source_table
    SET state = 'pending', copy_way = NULL, copy_bound = NULL, reason = NULL, last_error = NULL, last_sqlstate = NULL,
        last_hint = NULL, locked_since = NULL, deaths = 0,
        failed_with = CASE WHEN failed_with = '42501' THEN failed_with END
    WHERE id = $1 AND state IN ('pending', 'copying', 'catching_up', 'streaming', 'idle', 'failed'))";

constexpr const char* kAskForAllCopies = R"(
    UPDATE replicator.source_table
    SET state = 'pending', copy_way = NULL, copy_bound = NULL, consistency = 'copying'
    WHERE source_id = $1 AND state IN ('copying', 'catching_up', 'streaming', 'idle'))";

constexpr const char* kRetryFailed = R"(
    UPDATE replicator.source_table
    SET state = 'pending', reason = NULL, deaths = 0, last_error = NULL, last_sqlstate = NULL, last_hint = NULL,
        failed_with = CASE WHEN failed_with = '42501' THEN failed_with END
    WHERE source_id = $1 AND state = 'failed')";

constexpr const char* kAskForComparisons = R"(
    UPDATE replicator.source_table
    SET state = 'pending', copy_way = NULL, copy_bound = NULL, consistency = 'copying',
        reason = 'is compared with the source, whose rows may differ from what was read of it'
    WHERE source_id = $1 AND target_name IS NOT NULL AND state IN ('copying', 'catching_up', 'streaming', 'idle'))";

constexpr const char* kAskForRereads = R"(
    UPDATE replicator.source_table
    SET state = 'pending', copy_way = NULL, copy_bound = NULL, last_error = NULL, last_sqlstate = NULL, last_hint = NULL,
        reason = 'perhaps changed at the source: it is being read again beside the stream'
    WHERE source_id = $1 AND target_name IS NOT NULL AND state IN ('copying', 'catching_up', 'streaming', 'idle'))";

constexpr const char* kBeginTableCopy = R"(
    UPDATE replicator.source_table
    SET state = 'copying', copy_way = CASE WHEN $2 THEN 'staging'::replicator.copy_way ELSE 'direct' END,
        copy_bound = NULL, consistency = CASE WHEN $2 THEN consistency ELSE 'copying' END, reason = NULL,
        definition = $4, structure = $5, rows_copied = 0, bytes_copied = 0, tagged_values = 0, copy_started_at = clock_timestamp(),
        copy_finished_at = NULL, copy_target_file = $3, last_error = NULL, last_sqlstate = NULL, last_hint = NULL,
        locked_since = NULL
    WHERE id = $1 AND NOT paused AND state IN ('pending', 'copying', 'idle', 'failed'))";

constexpr const char* kCompleteTableCopy = R"(
    UPDATE replicator.source_table
    SET state = CASE copy_way WHEN 'direct' THEN 'idle'::replicator.table_state ELSE state END,
        consistency = CASE copy_way WHEN 'direct' THEN coalesce($2::replicator.consistency, 'copying')
                                    ELSE consistency END,
        copy_way = CASE copy_way WHEN 'staging' THEN 'staged'::replicator.copy_way END,
        deaths = 0, copy_finished_at = clock_timestamp(), last_applied_at = clock_timestamp()
    WHERE id = $1 AND state = 'copying' AND copy_way IN ('direct', 'staging')
    RETURNING state = 'idle' AND failed_since IS NOT NULL)";

constexpr const char* kRecordMerge = R"(
    UPDATE replicator.source_table
    SET state = 'idle', copy_way = NULL, consistency = coalesce($2::replicator.consistency, 'copying'), deaths = 0,
        served_request = greatest(served_request, $6),
        rows_inserted = rows_inserted + $3, rows_updated = rows_updated + $4, rows_deleted = rows_deleted + $5,
        copy_finished_at = clock_timestamp(),
        last_applied_at = CASE WHEN $3 + $4 + $5 > 0 THEN clock_timestamp() ELSE last_applied_at END
    WHERE id = $1 AND state = 'copying' AND copy_way IN ('staged', 'whole'))";

constexpr const char* kWithdraw = R"(
    UPDATE replicator.source_table SET state = 'pending', copy_way = NULL
    WHERE source_id = $1 AND paused AND state = 'copying' AND copy_way IN ('direct', 'staging', 'staged'))";

constexpr const char* kForgetLostChunks = R"(
    DELETE FROM replicator.chunk c
    WHERE c.source_id = $1 AND NOT EXISTS (SELECT FROM replicator.source_table t
                                           WHERE t.id = c.table_id AND t.copy_way IN ('direct', 'staging', 'staged')))";

constexpr const char* kForgetCopy = R"(
    UPDATE replicator.source_table SET state = 'pending', copy_way = NULL
    WHERE source_id = $1 AND state = 'copying' AND copy_way IN ('direct', 'staging', 'staged'))";

constexpr const char* kForgetCopiesUnderWay = R"(
    UPDATE replicator.source_table SET state = 'pending', copy_way = NULL, copy_bound = NULL
    WHERE source_id = $1 AND state = 'copying')";

constexpr const char* kLeaveStream = R"(
    UPDATE replicator.source_table SET state = 'pending', copy_way = NULL, copy_bound = NULL
    WHERE source_id = $1 AND (state IN ('catching_up', 'streaming')
                              OR state = 'copying' AND copy_way IN ('beside', 'beside_seen', 'whole')))";

constexpr const char* kBeginCatchingUp = R"(
    UPDATE replicator.source_table SET state = 'catching_up', consistency = 'copying'
    WHERE source_id = $1 AND state = 'idle' AND NOT keyless)";

constexpr const char* kCaughtUp = R"(
    UPDATE replicator.source_table SET state = 'streaming', consistency = followed
    WHERE source_id = $1 AND state = 'catching_up')";

// A table that is paused has missed changes.
constexpr const char* kEndStreaming = R"(
    UPDATE replicator.source_table
    SET state = CASE WHEN paused THEN 'pending'::replicator.table_state ELSE 'idle' END,
        consistency = CASE WHEN state = 'streaming' THEN 'state' WHEN copy_way = 'whole' THEN consistency
                           ELSE 'copying' END,
        copy_way = NULL, copy_bound = NULL
    WHERE source_id = $1 AND (state IN ('catching_up', 'streaming')
                              OR state = 'copying' AND copy_way IN ('beside', 'beside_seen', 'whole')))";

constexpr const char* kBeginBesideCopy = R"(
    UPDATE replicator.source_table
    SET state = 'copying', copy_way = CASE WHEN $2 THEN 'beside_seen'::replicator.copy_way ELSE 'beside' END,
        copy_bound = '', consistency = 'copying', reason = NULL, target_created = true, definition = $3,
        structure = $4, rows_copied = 0, bytes_copied = 0, copy_started_at = clock_timestamp(),
        copy_finished_at = NULL, last_error = NULL, last_sqlstate = NULL, last_hint = NULL, locked_since = NULL
    WHERE id = $1 AND NOT paused
      AND (state = 'pending' OR state = 'copying' AND copy_way IN ('beside', 'beside_seen')))";

constexpr const char* kSaveBesideProgress = R"(
    UPDATE replicator.source_table
    SET copy_bound = $2, rows_copied = rows_copied + $3, bytes_copied = bytes_copied + $4,
        tagged_values = tagged_values + $5, last_applied_at = clock_timestamp(), deaths = 0, reason = NULL
    WHERE id = $1 AND state = 'copying' AND copy_way IN ('beside', 'beside_seen'))";

constexpr const char* kEndBesideCopy = R"(
    UPDATE replicator.source_table
    SET state = CASE WHEN $2 THEN 'streaming'::replicator.table_state ELSE 'catching_up' END,
        consistency = CASE WHEN $2 THEN followed ELSE 'copying' END, copy_way = NULL,
        copy_bound = NULL,
        copy_finished_at = clock_timestamp()
    WHERE id = $1 AND state = 'copying' AND copy_way IN ('beside', 'beside_seen'))";

constexpr const char* kBeginKeylessRefresh = R"(
    UPDATE replicator.source_table
    SET state = 'copying', copy_way = 'whole', copy_bound = NULL, reason = NULL, target_created = true,
        rows_copied = 0, bytes_copied = 0, tagged_values = 0, copy_started_at = clock_timestamp(),
        copy_finished_at = NULL, last_error = NULL, last_sqlstate = NULL, last_hint = NULL, locked_since = NULL
    WHERE id = $1 AND keyless AND NOT paused AND state IN ('pending', 'copying', 'idle'))";

constexpr const char* kFail = R"(
    UPDATE replicator.source_table
    SET state = 'failed', copy_way = NULL, copy_bound = NULL, locked_since = NULL, reason = $2, last_error = $2,
        last_sqlstate = $3, last_hint = nullif($4, '')
    WHERE id = $1 AND state IN ('pending', 'copying', 'catching_up', 'streaming', 'idle', 'failed'))";

constexpr const char* kLeaveAside = R"(
    UPDATE replicator.source_table
    SET state = 'pending', copy_way = NULL, copy_bound = NULL,
        consistency = CASE WHEN keyless OR consistency = 'copying' THEN consistency WHEN $5 THEN 'no room'
                           ELSE 'locked' END,
        locked_since = coalesce(locked_since, clock_timestamp()), lacks_room = $5,
        reason = CASE WHEN $5 THEN 'it has no room: it waits aside' ELSE 'its target is locked: it waits aside' END,
        last_error = $2, last_sqlstate = $3, last_hint = $4
    WHERE id = $1 AND state IN ('pending', 'copying', 'catching_up', 'streaming', 'idle', 'failed'))";

constexpr const char* kStayAside = R"(
    UPDATE replicator.source_table
    SET state = 'pending', copy_way = NULL, copy_bound = NULL,
        consistency = CASE WHEN keyless OR consistency = 'copying' THEN consistency WHEN lacks_room THEN 'no room'
                           ELSE 'locked' END,
        reason = CASE WHEN lacks_room THEN 'it has no room: it waits aside'
                      ELSE 'its target is locked: it waits aside' END
    WHERE id = $1 AND locked_since IS NOT NULL
      AND state IN ('pending', 'copying', 'catching_up', 'streaming', 'idle', 'failed'))";

/// Nothing, where its rows are of different times: the statements make it `copying`.
std::optional<std::string> name_of_known(std::optional<core::Consistency> consistency) {
    return consistency ? std::optional(std::string(name_of(*consistency))) : std::nullopt;
}

/// Whether the step was taken.
bool take_step(const char* update, std::initializer_list<pg::Param> params) {
    return pg::execute(update, params).processed() > 0;
}

/// Of a step that nothing can have come in between.
void require_step(const char* update, std::initializer_list<pg::Param> params, std::int32_t table_id) {
    if (!take_step(update, params)) {
        throw pg::SqlError(ERRCODE_INTERNAL_ERROR, "table " + std::to_string(table_id) +
                                                       " of the catalog is not in the state that a step is taken from");
    }
}

bool set_left_out(std::int32_t table_id, TableState state, const std::string& reason) {
    pg::QueryResult const left = pg::execute(kLeaveOut, {table_id, name_of(state), reason});
    return !left.empty() && left.boolean(0, 0);
}

void forget_chunks(std::int32_t table_id) {
    pg::execute("DELETE FROM replicator.chunk WHERE table_id = $1", {table_id});
}

}  // namespace

void save_discovered_table(std::int32_t source_id, const SourceTable& table) {
    try {
        pg::execute(kSave, {source_id, table.name.database, table.name.schema, table.name.table, table.kind,
                            table.target_schema, table.target_name, name_of(table.state), table.reason, table.note,
                            table.key_columns, table.definition, table.rows_expected, table.bytes_expected,
                            table.structure, table.keyless, name_of(table.followed)});
    } catch (const pg::SqlError& error) {
        if (error.fields().constraint_name != kOneTarget) {
            throw;
        }
        throw pg::SqlError(
            ERRCODE_DUPLICATE_TABLE,
            "table " + pg::quoted(table.target_schema, table.target_name) + " is the target of another source",
            "It would have become the target of \"" + table.name.qualified() + "\"; another call has just taken it.",
            "Choose another target_schema.");
    }
}

void note_change(std::int32_t source_id, const core::TableName& name) {
    pg::execute(kNoteChange, {source_id, name.database, name.schema, name.table});
}

void mark_gone(std::int32_t table_id) {
    pg::QueryResult const gone = pg::execute(kMarkGone, {table_id});
    if (!gone.empty()) {
        tell_table_failure(table_id, gone.text(0, 0), gone.text(0, 1));
    }
    pg::execute(
        R"(DELETE FROM replicator.source_table WHERE id = $1 AND (state IN ('excluded', 'unsupported')
           OR target_name IS NULL) AND NOT target_created)",
        {table_id});
}

void leave_out(std::int32_t table_id, TableState excluded_or_unsupported, const std::string& reason) {
    if (set_left_out(table_id, excluded_or_unsupported, reason)) {
        tell_left_out(table_id, excluded_or_unsupported, reason);
    }
}

void exclude_by_call(std::int32_t table_id, const std::string& reason) {
    (void)set_left_out(table_id, TableState::kExcluded, reason);
}

void forget_table(std::int32_t table_id) {
    pg::execute("DELETE FROM replicator.source_table WHERE id = $1", {table_id});
}

void ask_for_copy(std::int32_t table_id, const std::string& reason) { take_step(kAskForCopy, {table_id, reason}); }

void ask_for_copy_by_call(std::int32_t table_id) {
    if (!take_step(kAskForCopyByCall, {table_id})) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the table is not replicated any more",
                           "It was when this call began, and has been left out meanwhile.",
                           "replicator_tables.reason says why.");
    }
}

void ask_for_all_copies(std::int32_t source_id) { pg::execute(kAskForAllCopies, {source_id}); }

void retry_failed_tables(std::int32_t source_id) { pg::execute(kRetryFailed, {source_id}); }

void ask_for_comparisons(std::int32_t source_id) { pg::execute(kAskForComparisons, {source_id}); }

void ask_for_rereads(std::int32_t source_id) { pg::execute(kAskForRereads, {source_id}); }

bool begin_table_copy(std::int32_t table_id, bool staging, Oid target_file, const core::TableInfo& info,
                      const std::vector<core::ChunkRange>& chunks) {
    if (!take_step(kBeginTableCopy,
                   {table_id, staging, pg::Param::oid(target_file), info.definition, info.structure})) {
        return false;
    }
    forget_chunks(table_id);
    queue_chunks(table_id, chunks);
    return true;
}

bool complete_table_copy(std::int32_t table_id, std::optional<core::Consistency> consistency) {
    pg::QueryResult const completed = pg::execute(kCompleteTableCopy, {table_id, name_of_known(consistency)});
    if (!completed.empty() && completed.boolean(0, 0)) {
        tell_table_recovery(table_id);
    }
    return !completed.empty();
}

bool record_merge(std::int32_t table_id, const MergeRecord& merge) {
    bool const merged = take_step(kRecordMerge, {table_id, name_of_known(merge.consistency), merge.inserted,
                                                 merge.updated, merge.deleted, merge.request});
    if (merged) {
        tell_table_recovery(table_id);
    }
    return merged;
}

void withdraw_tables(std::int32_t source_id) {
    pg::execute(kWithdraw, {source_id});
    pg::execute(kForgetLostChunks, {source_id});
}

void forget_copy(std::int32_t source_id) {
    pg::execute(kForgetCopy, {source_id});
    pg::execute(kForgetLostChunks, {source_id});
}

void forget_copies_under_way(std::int32_t source_id) {
    pg::execute(kForgetCopiesUnderWay, {source_id});
    pg::execute(kForgetLostChunks, {source_id});
}

void leave_stream(std::int32_t source_id) { pg::execute(kLeaveStream, {source_id}); }

void begin_catching_up(std::int32_t source_id) { pg::execute(kBeginCatchingUp, {source_id}); }

void tables_caught_up(std::int32_t source_id) { pg::execute(kCaughtUp, {source_id}); }

void end_streaming(std::int32_t source_id) { pg::execute(kEndStreaming, {source_id}); }

bool begin_beside_copy(std::int32_t table_id, bool seen, const std::string& definition, const std::string& structure) {
    return take_step(kBeginBesideCopy, {table_id, seen, definition, structure});
}

bool save_beside_progress(std::int32_t table_id, const std::string& bound, std::int64_t rows, std::int64_t bytes,
                          std::int64_t tagged_values) {
    return take_step(kSaveBesideProgress, {table_id, bound, rows, bytes, tagged_values});
}

void end_beside_copy(std::int32_t table_id, bool streaming) {
    require_step(kEndBesideCopy, {table_id, streaming}, table_id);
    tell_table_copied(table_id);
    tell_table_recovery(table_id);
}

bool begin_keyless_refresh(std::int32_t table_id) { return take_step(kBeginKeylessRefresh, {table_id}); }

void fail_table(std::int32_t table_id, const pg::SqlError& error) {
    NotedError const noted(error);
    if (take_step(kFail, {table_id, noted.message, noted.sqlstate, noted.hint})) {
        tell_table_failure(table_id, noted.sqlstate, noted.message);
    }
    forget_chunks(table_id);
}

void leave_aside(std::int32_t table_id, const pg::SqlError& error) {
    take_step(kLeaveAside,
              {table_id, error.what(), noted_sqlstate(error), hint_for_table_aside(error), is_lack_of_room(error)});
    forget_chunks(table_id);
    if (is_lack_of_room(error)) {
        tell_lack_of_room(table_id, noted_sqlstate(error), error.what());
    }
}

void stay_aside(std::int32_t table_id) {
    take_step(kStayAside, {table_id});
    forget_chunks(table_id);
}

void note_empty_target(std::int32_t table_id) {
    pg::execute("UPDATE replicator.source_table SET consistency = 'copying' WHERE id = $1", {table_id});
}

}  // namespace pgrepl::catalog
