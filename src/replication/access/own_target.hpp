#pragma once
// Targets as the catalog's tables name them: opened, and noted where a person has them recognised.

#include <optional>
#include <string>

#include "catalog/target_relations.hpp"
#include "core/table_name.hpp"
#include "targets/open_target.hpp"

namespace pgrepl::replication {

/// A target, by what the catalog has of its table.
struct OwnTarget {
    std::int32_t table_id = 0;
    target::TargetRef ref;

    [[nodiscard]] const target::TargetName& name() const noexcept { return ref.name; }
};

/// Of a row of the catalog that names a target.
template <typename Table>
OwnTarget own_target(const Table& table, std::int32_t table_id, Oid owner) {
    return {table_id,
            {{table.target_schema, table.target_name}, table.relation.relid, table.relation.to_be_recognised, owner}};
}

/// target::open_target; what it recognises is noted. Call as the owner.
target::OpenTarget open_own_target(const OwnTarget& target, target::TargetUse use);

/// The same; nothing if no relation has the name. Throws SqlError if one has and `created` says that we have not made
/// it.
std::optional<target::OpenTarget> find_own_target(const OwnTarget& target, bool created, const core::TableName& table,
                                                  target::TargetUse use);

/// What is done about a target that has no primary key: its first copy, which gives it one in the end, was interrupted.
enum class WithoutKey {
    kRefused,  ///< its rows are relied on: somebody has taken the key away
    kEmptied,
    kKept,
};

struct WantedTarget {
    bool created = false;       ///< we have made it, once
    const core::TableName& of;  ///< the table at the source
    const std::string& source;  ///< its name
    WithoutKey without_key = WithoutKey::kRefused;
    bool with_key = false;  ///< one that is made, or has none, gets its primary key now
};

struct ReadyTarget {
    Oid relid = InvalidOid;
    bool existed = false;
    bool had_key = false;  ///< so it holds a complete copy
};

/// Finds the target, or makes it and notes it as ours. Call as the owner, before a copy into it.
ReadyTarget prepare_own_target(const OwnTarget& target, const WantedTarget& wanted);

}  // namespace pgrepl::replication
