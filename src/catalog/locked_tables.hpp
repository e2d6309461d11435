#pragma once
// Tables whose target somebody else has locked for longer than we wait, or for which there is no room (their tablespace
// is full): the others go on without them.
//
//   of a copy      its chunks and its primary key are left until the lock is gone (note_locked)
//   of a stream    it leaves the stream, and is copied beside it when the lock is gone (leave_aside, table_life.hpp)
//   of a refresh   it keeps what it has, and takes part in the next refresh (leave_aside)
//
// Whether there is room again shows only when the table is tried: that is done after pauses that grow.

#include <cstdint>
#include <string>
#include <vector>

#include "catalog/target_relations.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

/// Whether an error for which a table waits aside is one of room; else it is one of a lock.
bool is_lack_of_room(const pg::SqlError& error);
/// What to do about it.
const char* hint_for_table_aside(const pg::SqlError& error);

void note_locked(std::int32_t table_id, const pg::SqlError& error);

/// The lock is gone.
void end_locked(std::int32_t table_id);

struct LockedTable {
    std::int32_t table_id = 0;
    std::string target_schema;
    std::string target_name;
    bool in_copy = false;     ///< else it has left its copy, or the stream
    bool lacks_room = false;  ///< else it is locked
    bool changed = false;     ///< SourceTable::changed: the stream is to look at it first
    TargetRelation relation;
};

/// Those that are wanted.
std::vector<LockedTable> locked_tables(std::int32_t source_id);

}  // namespace pgrepl::catalog
