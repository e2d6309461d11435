#pragma once
// What a relation is, as far as that decides whether and how it can be a target. Looks only; the caller holds a lock.

#include <cstddef>

#include "pg/error.hpp"

namespace pgrepl::target {

/// Filled by PostgreSQL code: nothing in it has a destructor.
struct TargetShape {
    static constexpr std::size_t kTextSize = 256;

    Oid owner = InvalidOid;
    Oid schema_owner = InvalidOid;
    bool partitioned = false;
    bool plain_heap = false;  ///< no partitions, no other access method, no row security
    bool bare_heap = false;   ///< moreover exactly our three columns in our order, and nothing that looks at rows
    AttrNumber data_column = InvalidAttrNumber;
    Oid id_index = InvalidOid;
    char problem[kTextSize] = "";      ///< why it cannot be a target; empty: it can
    const char* hint = "";             ///< what to do about that; empty: undo the change
    char key_problem[kTextSize] = "";  ///< why rows cannot be found by id
};

/// Describes a relation for the role that would own it. Call inside pg::CallPg.
void describe_relation(Oid relid, Oid wanted_owner, TargetShape& shape);

/// Whether nothing can see or change rows on their way into a heap of the columns id, data, _synced_at.
bool is_bare_heap(Relation relation);

}  // namespace pgrepl::target
