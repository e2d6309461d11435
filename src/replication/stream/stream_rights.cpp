// How a stream follows what its account may read: what it may not read any more is not stored, though the log shows it.

#include <algorithm>
#include <utility>

#include "pg/transaction.hpp"
#include "replication/stream/schema_effects.hpp"
#include "replication/stream/stream.hpp"

namespace pgrepl::replication {

namespace {

bool is_of_rights(const core::SchemaChange& change) { return change.kind == core::SchemaChange::Kind::kRights; }

core::SchemaChange rights_to(core::TableName table) {
    return {.kind = core::SchemaChange::Kind::kRights, .table = std::move(table), .renamed_to = {}, .statement = ""};
}

}  // namespace

/// The changes of the batch; of statements about rights only those that may have changed ours. Rights to one table are
/// looked at at once; that others are the same shows when they are next asked for. A server logs a statement before it
/// is in force, and tells nobody of rights meanwhile: until it shows the statement, it is not asked.
std::vector<core::SchemaChange> Stream::schema_changes(bool shown) {
    std::vector<core::SchemaChange> changes = batch_.schema_changes;
    if (std::none_of(changes.begin(), changes.end(), is_of_rights)) {
        return changes;
    }
    rights_.met_statement();
    if (!shown) {
        for (core::SchemaChange& change : changes) {
            change.table = is_of_rights(change) ? core::TableName() : change.table;
        }
        return changes;
    }
    if (rights_.are_others()) {
        return changes;
    }
    std::erase_if(changes, is_of_rights);
    // A right that was given back before the log said that it was taken may have been lacking to a copy.
    for (core::TableName& name : tables_without_right()) {
        changes.push_back(rights_to(std::move(name)));
    }
    return changes;
}

std::vector<core::TableName> Stream::tables_without_right() const {
    std::optional<pg::Transaction> transaction;
    if (!in_transaction()) {
        transaction.emplace();
    }
    std::vector<core::TableName> names;
    for (catalog::SourceTable& table : catalog::list_tables(context_.source_id)) {
        if (catalog::lacks_right(table)) {
            names.push_back(std::move(table.name));
        }
    }
    if (transaction) {
        transaction->commit();
    }
    return names;
}

/// What of them the log does not tell. What waits to be shown is looked at with all tables.
void Stream::look_at_rights() {
    if (tables_.discovery_due() || !rights_.are_to_be_asked_for() || !rights_.are_others()) {
        return;
    }
    std::vector<core::SchemaChange> const changes = {rights_to({})};
    TablesNow now;
    try {
        now = look_up_changed_tables(source_, changes, true);
    } catch (const core::SourceError& error) {
        if (error.kind() != core::SourceErrorKind::kTableLocked) {
            throw;
        }
        return;  // until they are asked for again
    }
    writer_.begin();
    change_tables(changes, now);
    commit();
    take_up_touched();
}

}  // namespace pgrepl::replication
