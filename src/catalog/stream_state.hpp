#pragma once
// What a source's stream keeps: its position, and what it has to know of its tables. Written by the source worker
// alone, in the transactions that write the rows; the steps of the tables themselves are in table_life.hpp.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catalog/states.hpp"
#include "catalog/target_relations.hpp"
#include "core/stream.hpp"
#include "core/table_name.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

struct StreamStart {
    std::string position;
    std::int64_t reader_id = 0;
    std::string rights;  ///< save_rights()
};

/// Where the stream of a source goes on; nothing before its first copy is in.
std::optional<StreamStart> load_stream_start(std::int32_t source_id);

/// The stream starts over: with a copy, which if the source is not continuous is one consistent read. One that is under
/// way ends: what it has kept of what it reads (CopyBegin::position) is of no use by another plan.
void forget_position(std::int32_t source_id);

/// The same from outside of its worker, which is replaced: whatever was under way is void.
void start_over(std::int32_t source_id);

/// What tells how old the target is; what is 0 is as it was.
struct StreamTimes {
    std::int64_t committed_us = 0;  ///< the last transaction applied, at the source: since 1970 UTC
    TimestampTz read_at = 0;        ///< when that had been read, by our clock
    TimestampTz end_seen_at = 0;    ///< when the end of the log was last seen with all before it applied
};
/// The target holds everything up to `position`.
void save_position(std::int32_t source_id, const std::string& position, const StreamTimes& times);

/// A table that takes part in the stream, or wants to: neither paused, excluded, unsupported nor failed.
struct StreamTable {
    std::int32_t table_id = 0;
    core::TableName name;
    std::string target_schema;
    std::string target_name;
    bool target_created = false;
    TargetRelation relation;
    TableState state = TableState::kPending;
    std::string definition;
    std::string structure;
    std::optional<CopyWay> copy_way;
    std::optional<std::string> copy_bound;  ///< a copy beside the stream is under way, and is this far
    bool keyless = false;                   ///< keyless_refresh.hpp
    bool changed = false;                   ///< catalog::changed_tables()
    bool locked = false;                    ///< it waits aside until its target can be locked
    bool has_key_index = false;             ///< of a pending table: the target can be written by id

    /// Its target can take changes. That of a table which was withdrawn from its first copy cannot yet.
    [[nodiscard]] bool is_followed() const noexcept {
        return !keyless && !locked &&
               (state == TableState::kStreaming || state == TableState::kCatchingUp || copy_bound.has_value() ||
                (state == TableState::kPending && target_created && has_key_index));
    }
};
/// All of the source, or those of them that are in `ids`.
std::vector<StreamTable> stream_tables(std::int32_t source_id, const std::optional<std::set<std::int32_t>>& ids = {});

/// Another number as soon as anything that stream_tables() depends on is another, but for progress: asked for often,
/// where there may be thousands of tables.
std::int64_t stream_tables_fingerprint(std::int32_t source_id);
/// By table what is in the fingerprint, which is the exclusive or of all.
std::map<std::int32_t, std::int64_t> stream_table_hashes(std::int32_t source_id,
                                                         const std::optional<std::set<std::int32_t>>& ids);

/// All tables were looked at by these rights at the source. Any text that tells them from others.
void save_rights(std::int32_t source_id, const std::string& rights);
/// By which they were; empty: it is not known.
std::string rights_seen(std::int32_t source_id);

/// All tables are to be compared with the source, as soon as the stream has caught up.
void ask_for_comparison(std::int32_t source_id);

/// If that was asked for: each table is read again beside the stream, compared, and what differs written; those that
/// stream or are being read, and those without a key. How far that is, the tables say themselves. False: it was not.
bool begin_comparison(std::int32_t source_id);

/// Tables may have come and gone by a statement that does not name them: the source is to be asked for all.
void ask_for_discovery(std::int32_t source_id, const std::string& statement);
/// The statement after which; nothing: they need not.
std::optional<std::string> discovery_due(std::int32_t source_id);
void end_discovery(std::int32_t source_id);

// Rows of any table may have been changed that the log does not tell of: all tables are to be read again, as in a
// comparison. Where this comes all the time, a copy that is under way is not started over, and another is put off, so
// that tables can be read to their end.

/// False if it is known already that it is due: whatever has come until it begins is made up for.
bool ask_for_reread(std::int32_t source_id, const std::string& why);
/// Whether it is due, or has yet to end.
bool knows_of_reread(std::int32_t source_id);
/// Begins it if it is due, and may be; `at_once`: it may.
bool begin_reread(std::int32_t source_id, bool at_once);
/// Nothing is being read any more.
void end_reread(std::int32_t source_id);

/// What one transaction changed in a table.
struct ChangeCounts {
    std::int32_t table_id = 0;
    std::int64_t inserted = 0;
    std::int64_t updated = 0;
    std::int64_t deleted = 0;
    std::int64_t tagged_values = 0;

    [[nodiscard]] std::int64_t total() const noexcept { return inserted + updated + deleted; }
    /// A row that is put was nearly always there: nobody says which.
    void add(core::ChangeKind kind) noexcept {
        ++(kind == core::ChangeKind::kInsert ? inserted : kind == core::ChangeKind::kDelete ? deleted : updated);
    }
};
void add_changes(std::int32_t source_id, const std::vector<ChangeCounts>& counts);

/// The log was followed until the target was one state of the source, which it had at `read_at` or later: it is left.
void end_following(std::int32_t source_id, std::int64_t generation, TimestampTz read_at);

/// The stream has reached what the source held when the requests were taken.
void requests_served(std::int32_t source_id, std::int64_t generation);

/// Tables of the source that have rows set aside.
std::vector<std::int32_t> tables_with_quarantine(std::int32_t source_id);

/// Entries of these keys are superseded.
void release_keys(std::int32_t table_id, const std::vector<std::string>& keys);

}  // namespace pgrepl::catalog
