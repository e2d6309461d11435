// Targets and the catalog.

#include "replication/access/own_target.hpp"

#include "pg/transaction.hpp"

namespace pgrepl::replication {

namespace {

void note(std::int32_t table_id, Oid relid) {
    pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kNone);
    catalog::note_target(table_id, relid);
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

void make_own_target(OwnTarget& target, const std::string& origin) {
    target.ref.relid = target::create_target(target.name(), origin);
    pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kNone);
    catalog::note_new_target(target.table_id, target.ref.relid);
}

void require_key(const target::OpenTarget& target) {
    if (!target.key_obstacle.empty()) {
        target::throw_unfit_target(target.name, target::TargetUse::kWrite, target.key_obstacle, "");
    }
}

}  // namespace pgrepl::replication
