#pragma once
// Which relation is the target of a table: replicator.target_relation. Not dumped, for it holds OIDs. A table that has
// a target and no entry was restored, and its target is written to only after a person has said so.

#include <cstdint>
#include <string>

#include "pg/error.hpp"
#include "pg/spi.hpp"

namespace pgrepl::catalog {

struct TargetRelation {
    Oid relid = InvalidOid;         ///< the relation that we made
    bool to_be_recognised = false;  ///< a person has said that what has its name, owner and shape is the target
};

/// For statements on replicator.source_table t: two columns, and the join that they need.
inline constexpr const char* kTargetRelationColumns =
    "coalesce(r.relid, 0), r.table_id IS NOT NULL AND r.relid IS NULL";
inline constexpr const char* kTargetRelationJoin = " LEFT JOIN replicator.target_relation r ON r.table_id = t.id ";

inline TargetRelation read_target_relation(const pg::QueryResult& rows, std::size_t row, std::size_t column) {
    return {rows.oid(row, column), rows.boolean(row, column + 1)};
}

/// This relation is the table's target: we have made it, or recognised it.
void note_target(std::int32_t table_id, Oid relid);
/// The same of a relation that was just made, and so holds no row: in that transaction, for what is said of the table's
/// rows would be taken for true after a crash.
void note_new_target(std::int32_t table_id, Oid relid);

/// What has the target's name is to be recognised as it: a person who may act for the owner asks for it.
void have_target_recognised(std::int32_t table_id);

/// The same for all targets of a source; with `restored_only`, for those of which nothing is known.
void have_targets_recognised(std::int32_t source_id, bool restored_only);

}  // namespace pgrepl::catalog
