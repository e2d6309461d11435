// Targets and the catalog.

#include "replication/access/own_target.hpp"

#include "pg/transaction.hpp"
#include "targets/target_writer.hpp"

namespace pgrepl::replication {

namespace {

void note(std::int32_t table_id, Oid relid) {
    pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kNone);
    catalog::note_target(table_id, relid);
}

/// Without an index, and noted as ours.
Oid make(const OwnTarget& target, const WantedTarget& wanted) {
    Oid const relid = target::create_target(
        target.name(), "Copy of " + wanted.of.qualified() + " of source " + wanted.source + ", kept by pg_replicator");
    pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kNone);
    catalog::note_new_target(target.table_id, relid);
    return relid;
}

}  // namespace

target::OpenTarget open_own_target(const OwnTarget& target, target::TargetUse use) {
    target::OpenTarget opened = target::open_target(target.ref, use);
    if (opened.relid != target.ref.relid) {
        note(target.table_id, opened.relid);
    }
    return opened;
}

std::optional<target::OpenTarget> find_own_target(const OwnTarget& target, bool created, const core::TableName& table,
                                                  target::TargetUse use) {
    if (!created && target::find_table(target.name())) {
        throw pg::SqlError(ERRCODE_DUPLICATE_TABLE,
                           "table " + target.name().sql() + " exists and is not of this source",
                           "It would have become the target of \"" + table.qualified() + "\".",
                           "Rename or drop it, or choose another target_schema.");
    }
    std::optional<target::OpenTarget> opened = target::open_target_if_there(target.ref, use);
    if (opened && opened->relid != target.ref.relid) {
        note(target.table_id, opened->relid);
    }
    return opened;
}

ReadyTarget prepare_own_target(const OwnTarget& target, const WantedTarget& wanted) {
    std::optional<target::OpenTarget> const existing =
        find_own_target(target, wanted.created, wanted.of, target::TargetUse::kFill);
    ReadyTarget const ready = {.relid = existing ? existing->relid : make(target, wanted),
                               .existed = existing.has_value(),
                               .had_key = existing && existing->key_obstacle.empty()};
    if (ready.had_key) {
        return ready;
    }
    if (existing && wanted.without_key == WithoutKey::kRefused) {
        target::throw_unfit_target(existing->name, target::TargetUse::kWrite, existing->key_obstacle, "");
    }
    target::TargetRef ref = target.ref;
    ref.relid = ready.relid;
    if (existing && wanted.without_key == WithoutKey::kEmptied) {
        target::TargetWriter(target::open_target(ref, target::TargetUse::kDefine)).truncate();
    }
    if (wanted.with_key) {
        target::add_primary_key(target::open_target(ref, target::TargetUse::kDefine));
    }
    return ready;
}

}  // namespace pgrepl::replication
