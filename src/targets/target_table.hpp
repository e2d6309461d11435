#pragma once
// Target tables and staging tables: their DDL. Everything on a target table is done with the rights of the
// source's owner: the caller holds the RoleScope. Staging tables are ours: created as the bootstrap superuser,
// members of the extension (so pg_dump leaves them out), readable by the owner for the merge.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::target {

struct OpenTarget;

struct TargetName {
    std::string schema;
    std::string table;

    /// Quoted and qualified, for statements.
    [[nodiscard]] std::string sql() const;
};

/// The relation's OID, or nothing if there is none of this name. A target is opened by open_target.hpp.
std::optional<Oid> find_table(const TargetName& name);

/// The same for a side table that must be there; throws SqlError.
Oid require_side_table(const TargetName& name);

/// Creates the schema if it is missing, and the table without any index; `origin` becomes its comment. Call as
/// the owner. Returns its OID.
Oid create_target(const TargetName& name, const std::string& origin);

/// The file that holds the table's rows: another one after TRUNCATE, or when the table was re-created. 0: it has none.
Oid file_of(Oid relid);

/// Builds the primary key on id if it has none. Call as the owner; it is opened to be defined.
void add_primary_key(const OpenTarget& target);

/// Call as the owner; it is opened to be dropped.
void drop_target(const OpenTarget& target);

/// A side table of ours: unlogged, a member of the extension while it lives (pg_dump neither dumps nor locks it),
/// readable by `owner`. Created again; `columns` as in CREATE TABLE. Call as the catalog role. False: others keep an
/// older one of that name locked, which is there, emptied.
bool create_side_table(const TargetName& name, Oid owner, const std::string& columns);

/// Drops it if it exists, and others do not keep it locked: then it stays until it is re-created, or is found to be
/// nobody's.
void drop_side_table(const TargetName& name);

/// The staging table of a table's refresh, and the side table of the ids that the refresh found unchanged.
TargetName staging_name(std::int32_t table_id);
TargetName seen_name(std::int32_t table_id);

/// Side tables of a comparison: the ids that its first and its second pass met.
TargetName first_pass_name(std::int32_t table_id);
TargetName second_pass_name(std::int32_t table_id);

/// Makes both ready, empty but for the marker row of staging: an unlogged table is empty after a crash, and then the
/// marker is gone. Those that were kept are emptied in place, which leaves nothing behind in the system catalogs. Call
/// as the catalog role; `owner` gets the right to read them.
void create_staging(std::int32_t table_id, Oid owner);

/// Whether the marker is still there.
bool staging_is_intact(std::int32_t table_id);

/// Tells the planner how much is staged. Call as the catalog role.
void analyze_staging(std::int32_t table_id);

/// Makes the ids of staged rows that are identical differ: `#1`, `#2`, … after them. For a table without a key, of
/// which all rows are staged. Call as the catalog role.
void number_identical_rows(std::int32_t table_id);

/// Lets staged rows be found by their id. Returns the table that they are to be read from now: the staging table, or,
/// if others keep that locked, a copy of it, on which nobody has a lock before this transaction ends. Call as the
/// catalog role, and drop_indexed_copy in the same transaction.
TargetName index_staging(std::int32_t table_id, Oid owner);
void drop_indexed_copy(std::int32_t table_id);

/// Drops both if they exist.
void drop_staging(std::int32_t table_id);

/// A refresh is done with them: with `keep` they stay for the next one, unless they are large.
void release_staging(std::int32_t table_id, bool keep);

/// Drops side tables whose table is not among `known`: left by a worker that was at work when its source was dropped.
void drop_orphaned_side_tables(const std::vector<std::int32_t>& known);

/// Drops every side table of the table: of a refresh and of a comparison.
void drop_side_tables(std::int32_t table_id);

}  // namespace pgrepl::target
