#pragma once
// Tables whose target somebody else has locked for longer than we wait: the others go on without them.
//
//   of a copy      its chunks and its primary key are left until the lock is gone (note_locked)
//   of a stream    it leaves the stream, and is copied beside it when the lock is gone (leave_aside, table_life.hpp)
//   of a refresh   it keeps what it has, and takes part in the next refresh (leave_aside)

#include <cstdint>
#include <string>
#include <vector>

#include "catalog/target_relations.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

inline constexpr const char* kLockedHint =
    "replicator_tables.blocked_by names the processes that hold the lock. The table goes on by itself when it is gone.";

void note_locked(std::int32_t table_id, const pg::SqlError& error);

/// The lock is gone.
void end_locked(std::int32_t table_id);

struct LockedTable {
    std::int32_t table_id = 0;
    std::string target_schema;
    std::string target_name;
    bool in_copy = false;  ///< else it has left its copy, or the stream
    TargetRelation relation;
};

/// Those that are wanted.
std::vector<LockedTable> locked_tables(std::int32_t source_id);

}  // namespace pgrepl::catalog
