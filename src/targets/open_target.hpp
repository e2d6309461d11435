#pragma once
// The one way to a target table, whatever for: a target may have been altered, replaced or moved since it was last
// used, by its owner or by the owner of its schema, who may be another role. What is opened is locked until the
// transaction (or subtransaction) ends, is the very relation that we made, belongs to the source's owner, and has the
// shape that is needed. Anything else is an error of that table alone.
//
//   name ──► OID == the recorded one?  ──no──► not ours: another's table could run its triggers with our owner's rights
//     │ yes, and it belongs to the source's owner
//   lock, and look the name up again: from here on nobody can drop, rename or alter it
//     │
//   owner, kind, columns, rules, row security, index on id ──► OpenTarget: which routes may be taken

#include <cstdint>
#include <optional>
#include <string>

#include "pg/error.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::target {

/// A target as the catalog knows it.
struct TargetRef {
    TargetName name;
    Oid relid = InvalidOid;         ///< the relation that we made
    bool to_be_recognised = false;  ///< without relid: what is there is taken, if its owner and its shape are right
    Oid owner = InvalidOid;         ///< of the source
};

enum class TargetUse : std::uint8_t {
    kRead,    ///< rows are looked up, counted, listed
    kWrite,   ///< rows are written by their ids
    kFill,    ///< rows are added before the index on id exists
    kDefine,  ///< it is emptied, or given its primary key
    kDrop,    ///< whatever its shape is
};

/// Good until the (sub)transaction ends in which it was opened.
struct OpenTarget {
    TargetName name;
    Oid relid = InvalidOid;
    bool leaves_out_children = false;  ///< rows of tables that inherit from it are not ours
    std::string key_obstacle;          ///< why its rows cannot be found by id; empty: they can
    Oid id_index = InvalidOid;         ///< finds rows by id without the executor; InvalidOid: go through SPI
    bool takes_heap_route = false;     ///< nothing can see or change rows on their way into the heap
    AttrNumber data_column = InvalidAttrNumber;

    /// Its own rows, for SELECT. Writing to it is for TargetWriter alone.
    [[nodiscard]] std::string rows_sql() const { return leaves_out_children ? "ONLY " + name.sql() : name.sql(); }

  private:
    friend class TargetWriter;
    friend void add_primary_key(const OpenTarget& target);
    friend void drop_target(const OpenTarget& target);

    /// Name of the table, for INSERT, ALTER TABLE and the like.
    [[nodiscard]] std::string sql() const { return name.sql(); }
};

/// Opens it. Throws SqlError if it is not there, is not ours, or does not fit the use. Call as the owner.
OpenTarget open_target(const TargetRef& target, TargetUse use);

/// The same; nothing if no relation has the name.
std::optional<OpenTarget> open_target_if_there(const TargetRef& target, TargetUse use);

/// Whether nobody keeps it from being opened to be written to for longer than statements on targets wait. What else may
/// be wrong with it whoever opens it is told.
bool can_be_opened(const TargetRef& target);

/// A table that Citus has distributed looks like a heap, which is empty: its rows are elsewhere.
bool is_distributed(Oid relid);

/// Throws what open_target throws where `key_obstacle` matters.
[[noreturn]] void throw_unfit_target(const TargetName& name, TargetUse use, const std::string& problem,
                                     const std::string& hint);

}  // namespace pgrepl::target
