#pragma once
// The tables of sources: replicator.source_table, but for the steps of their life (table_life.hpp) and the progress of
// copies (copy_queue.hpp).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/states.hpp"
#include "catalog/target_relations.hpp"
#include "core/table_name.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

struct SourceTable {
    std::int32_t id = 0;
    core::TableName name;
    std::string kind;
    TableState state = TableState::kPending;
    std::string reason;
    std::string sqlstate;  ///< of its latest error
    std::string note;
    std::string target_schema;  ///< empty: no target
    std::string target_name;
    bool target_created = false;
    TargetRelation relation;
    bool complete = false;  ///< the first copy is in: it can be read, and compared
    bool paused = false;
    bool changed = false;  ///< by a statement in the log, and to be looked at
    /// The account could not read it when it was last tried: where it is not found, it may be out of sight.
    bool was_denied = false;
    std::vector<std::string> key_columns;
    bool keyless = false;                                          ///< refreshes alone bring it up to date
    core::Consistency followed = core::Consistency::kTransaction;  ///< what the log gives of it; to be saved only
    std::string definition;
    std::string structure;
    std::optional<std::int64_t> rows_expected;
    std::optional<std::int64_t> bytes_expected;
};

/// It has failed because the account may not read it.
bool lacks_right(const SourceTable& table);

std::vector<SourceTable> list_tables(std::int32_t source_id);
std::optional<SourceTable> find_table(std::int32_t source_id, const core::TableName& name);

/// Those that statements in the log have made, changed or dropped, and that are to be looked at. One that was not known
/// is pending, and has no target yet.
std::vector<SourceTable> changed_tables(std::int32_t source_id);
/// It was looked at; of one that waits to be copied save_discovered_table() says so, too. note_change() notes one.
void end_change(std::int32_t table_id);

enum class Held : std::uint8_t {
    kReplicated,     ///< and nobody says otherwise until the transaction ends
    kNotReplicated,  ///< a call has left it out, or it is gone
    kByOthers,       ///< a call is at it
};
/// Holds the row of a table. For one who has its target locked, and so must wait for nobody: a call may hold the row
/// and wait for the target.
[[nodiscard]] Held hold_table(std::int32_t table_id);

/// The reason why it is not read.
void note_locked_at_source(std::int32_t table_id);

void set_table_paused(std::int32_t table_id, bool paused);

/// `source: database.table` of the table that has this target; empty if none.
std::string source_table_of_target(const std::string& schema, const std::string& name);

/// Which source has a target table of this name; empty if none.
std::string source_of_target(const std::string& schema, const std::string& name);

}  // namespace pgrepl::catalog
