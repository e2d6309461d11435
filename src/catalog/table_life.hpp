#pragma once
// The life of a table of a source: where it stands between its discovery and its end, and each step that it can take.
// This module alone makes and removes rows of replicator.source_table and writes their columns state, copy_way,
// copy_bound and consistency (test/lint/table_life.sh checks it). All others ask it for a step by its name.
//
//                  begins              is in             the log is followed       the stream is there
//     pending ──────────────> copying ────────> idle ──────────────> catching_up ───────────────> streaming
//      ^  ^                      │               │                        │                           │
//      │  └──────────────────────┴───────────────┴────────────────────────┴───────────────────────────┘
//      │              asked for again: by a person, by a statement in the log, for a lock, for another key
//      │
//      ├── excluded, unsupported <── left out: from any state, by the filters, a statement in the log, what it is
//      └── failed                <── from any state but these two: an error of its own, or it is gone at a source whose
//                                    log is not followed
//
// While a table is copying, and at no other time, copy_way says how. Checks of the table hold the columns together.
//
//     copy_way      its rows go into                                          and when all are in
//     direct        its new target, chunk by chunk                            idle, as soon as the primary key is built
//     staging       a staging table: what differs, chunk by chunk             staged, when its last chunk is in
//     staged        nothing any more                                          idle: merged, with all others
//     beside        its empty target, in windows between the stream's batches; copy_bound says how far it is
//     beside_seen   the same, into a target that had rows: the ids that were met are kept
//                                                                             streaming; catching_up, if the stream is
//     whole         a staging table, beside the stream: it has no key         idle: merged at once
//
// Three ways to be copied (docs/dev/architecture.md names them A, C and B), and what comes in between:
//
//     first copy       pending → copying/direct → idle → (all others are in, too) → catching_up → streaming
//     refresh          idle → copying/staging → copying/staged → idle
//     beside a stream  streaming → (ALTER in the log) pending → copying/beside_seen → streaming
//     without a key    pending → copying/whole → idle → (asked for, or it is time) copying/whole → idle
//     a crash          changes nothing: the next worker goes on from copying/… where the source, and what was staged,
//                      allow it; else the copy is given up, its tables are pending, and all begins again
//     DROP, CREATE     streaming → excluded (the target stays) → pending → copying/beside_seen → streaming
//     a locked target  streaming → pending, with locked_since → (the lock is gone) copying/beside_seen → streaming
//     a full one       the same, with lacks_room, until it is tried again and there is room
//     an error         copying → failed → (replicator_resync) pending; or → copying, with the next refresh, unless its
//                      copy has killed its process three times
//     a pause          is a person's word beside the state. A copy of the source goes on without the table, which is
//                      pending then; in a stream it keeps its state until it is resumed, and is then pending, for it
//                      has missed changes
//
// Who may come in between. A worker decides by what it has read a moment ago, and control calls, which change tables,
// wait for no worker. So every step names the states that it is taken from, and from another one it is not taken: what
// was said of the table meanwhile counts. A worker that has to know is told by `false`, and drops what it was about to
// do. A step that nothing can come in between (an earlier one of the same transaction has locked the row) throws.
// Steps of all tables of a source concern those that are in the states they name.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/tables.hpp"
#include "core/source.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

// ---- what discovery and statements in the log say of a table ----

/// Makes an entry, or writes what discovery says of a known table: kind, key, note, sizes; and its state, where that
/// changes between replicated, excluded and unsupported. Run-time fields stay. So do definition and structure of a
/// table that has been read, or is being read: they say how it was read, and follow the stream's position. If they
/// became those of now, nobody who compares them later would see that the table has changed since. That it is to be
/// looked at for a statement stays, too; of a table that waits to be copied all is written. A table that is up to date,
/// or is copied beside the stream, and has another key now, is to be copied again.
void save_discovered_table(std::int32_t source_id, const SourceTable& table);

/// A statement in the log has made, changed or dropped it: changed_tables().
void note_change(std::int32_t source_id, const core::TableName& name);

/// The table is no longer at the source, and a person is to say what becomes of it: it fails. One that was left out,
/// and has no target, is forgotten.
void mark_gone(std::int32_t table_id);

/// It is not replicated any more: its rows stay as they are. Told, if it was.
void leave_out(std::int32_t table_id, TableState excluded_or_unsupported, const std::string& reason);
/// The same by a person, which is told as the call.
void exclude_by_call(std::int32_t table_id, const std::string& reason);

/// The entry goes; the target has been dropped, or was never made.
void forget_table(std::int32_t table_id);

// ---- to be copied again ----

/// Of a table that is replicated: a copy that is under way begins again.
void ask_for_copy(std::int32_t table_id, const std::string& reason);
/// The same by a person, who also has it tried again whatever has failed. Throws if it was just left out.
void ask_for_copy_by_call(std::int32_t table_id);

/// The stream begins again, with a copy of all.
void ask_for_all_copies(std::int32_t source_id);
/// The same of those that have failed: a person asks for it.
void retry_failed_tables(std::int32_t source_id);
/// Tables are compared with the source, after a failover or a crash: those that stream or are being read, and those
/// without a key.
void ask_for_comparisons(std::int32_t source_id);
/// The same tables, because the log has not told of all changes.
void ask_for_rereads(std::int32_t source_id);

// ---- a copy of the source ----

/// The table begins its copy, as `info` has it, into a staging table or directly, in these chunks. `target_file` is the
/// file that the target's rows are in now. False if it is not wanted any more.
[[nodiscard]] bool begin_table_copy(std::int32_t table_id, bool staging, Oid target_file, const core::TableInfo& info,
                                    const std::vector<core::ChunkRange>& chunks);

/// Its last chunk is in, and where it was copied directly its primary key: readers find all of it. Without a
/// consistency its rows are of different times. False if it is not wanted any more.
[[nodiscard]] bool complete_table_copy(std::int32_t table_id, std::optional<core::Consistency> consistency);

/// What a merge did to it, which serves the requests up to `request` (0: only the source keeps which were served).
/// False if it was asked for again, or left out, meanwhile: then it stays that.
struct MergeRecord {
    std::optional<core::Consistency> consistency;
    std::int64_t inserted = 0;
    std::int64_t updated = 0;
    std::int64_t deleted = 0;
    std::int64_t request = 0;
};
bool record_merge(std::int32_t table_id, const MergeRecord& merge);

/// Tables that were paused take no part in the copy any more, and chunks of tables that take none are forgotten.
void withdraw_tables(std::int32_t source_id);

/// The copy is over, or given up: what is not in is pending again.
void forget_copy(std::int32_t source_id);
/// The same of all copies, those beside the stream among them.
void forget_copies_under_way(std::int32_t source_id);

// ---- a stream ----

/// A copy of all tables begins: none of them is a stream's any more.
void leave_stream(std::int32_t source_id);
/// The copy is in, and the stream goes on from there: its tables hold rows of different times until it has caught up.
void begin_catching_up(std::int32_t source_id);
/// The target has been where the source was: tables that were catching up are streaming.
void tables_caught_up(std::int32_t source_id);
/// The log is followed no longer: what streamed is one state of the source.
void end_streaming(std::int32_t source_id);

// ---- copies beside a stream ----

/// False if it is not wanted any more. `seen`: the target has rows, and the ids that are met are kept.
[[nodiscard]] bool begin_beside_copy(std::int32_t table_id, bool seen, const std::string& definition,
                                     const std::string& structure);
/// False, and nothing is saved, if the copy was asked for again meanwhile.
[[nodiscard]] bool save_beside_progress(std::int32_t table_id, const std::string& bound, std::int64_t rows,
                                        std::int64_t bytes, std::int64_t tagged_values);
/// In the transaction of its last progress. `streaming`: else the stream is catching up.
void end_beside_copy(std::int32_t table_id, bool streaming);

/// The refresh of a table without a key. False if it is not wanted any more.
[[nodiscard]] bool begin_keyless_refresh(std::int32_t table_id);

// ---- what goes wrong ----

/// The table failed; the others go on. Its chunks are forgotten. One that was left out meanwhile stays that.
void fail_table(std::int32_t table_id, const pg::SqlError& error);

/// Others have locked its target, or it has no room: it waits aside (locked_tables.hpp). Its rows are no longer those
/// of the transactions that the other tables show: its consistency says so.
void leave_aside(std::int32_t table_id, const pg::SqlError& error);

/// One that waits aside within a copy leaves the copy: it still waits for the same.
void stay_aside(std::int32_t table_id);

/// Its target was just made, and holds no row.
void note_empty_target(std::int32_t table_id);

}  // namespace pgrepl::catalog
