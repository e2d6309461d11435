// Effects of schema changes.

#include "replication/schema_effects.hpp"

#include <algorithm>

#include "catalog/copy_queue.hpp"
#include "catalog/events.hpp"
#include "catalog/quarantine.hpp"
#include "catalog/stream_state.hpp"
#include "catalog/tables.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "replication/error_policy.hpp"
#include "replication/own_target.hpp"
#include "replication/registration.hpp"
#include "target/row_repair.hpp"
#include "target/target_table.hpp"

namespace pgrepl::replication {

namespace {

using core::SchemaChange;
using Kind = core::SchemaChange::Kind;

const char* kind_text(Kind kind) {
    switch (kind) {
        case Kind::kCreated:
            return "created";
        case Kind::kDropped:
            return "dropped";
        case Kind::kRenamed:
            return "renamed";
        case Kind::kTruncated:
            return "truncated";
        case Kind::kAltered:
            return "altered";
        case Kind::kDatabaseDropped:
            return "database dropped";
    }
    return "altered";
}

class SchemaEffects {
  public:
    SchemaEffects(const catalog::SourceConfig& config, const TablesNow& now) : config_(config), now_(now) {}

    void apply(const SchemaChange& change) {
        switch (change.kind) {
            case Kind::kCreated:
                return appear(change.table, change);
            case Kind::kAltered:
                return alter(change);
            case Kind::kDropped:
                return disappear(find(change.table), change);
            case Kind::kRenamed:
                disappear(find(change.table), change);
                return appear(change.renamed_to, change);
            case Kind::kTruncated:
                return truncate(change);
            case Kind::kDatabaseDropped:
                for (const catalog::SourceTable& table : catalog::list_tables(config_.id)) {
                    if (table.name.database == change.table.database) {
                        disappear(table, change);
                    }
                }
        }
    }

    void finish() const { catalog::add_changes(config_.id, counts_); }

  private:
    [[nodiscard]] std::optional<catalog::SourceTable> find(const core::TableName& name) const {
        for (catalog::SourceTable& table : catalog::list_tables(config_.id)) {
            if (table.name == name) {
                return std::move(table);
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] const core::TableInfo* now(const core::TableName& name) const {
        auto const found = now_.find(name);
        return found == now_.end() || !found->second ? nullptr : &*found->second;
    }

    static bool is_replicated(const catalog::SourceTable& table) {
        return table.state != "excluded" && table.state != "unsupported";
    }

    /// A table has this name now. What its target holds, if it had one, is brought up to date.
    void appear(const core::TableName& name, const SchemaChange& change) {
        const core::TableInfo* const info = now(name);
        if (info == nullptr) {
            return;  // a later statement has taken the name away again
        }
        std::optional<catalog::SourceTable> const known = find(name);
        if (known && is_replicated(*known)) {
            catalog::ask_for_beside_copy(known->id, reason(change));
        }
        PlannedTable const planned = register_table(config_, *info);
        if (planned.state == "pending") {
            record(name, change);
        }
    }

    void alter(const SchemaChange& change) {
        std::optional<catalog::SourceTable> const known = find(change.table);
        if (!known) {
            return appear(change.table, change);
        }
        if (known->state == "excluded") {
            return;
        }
        if (is_replicated(*known)) {
            catalog::ask_for_beside_copy(known->id, reason(change));
            record(change.table, change);
        }
        if (const core::TableInfo* const info = now(change.table)) {
            register_table(config_, *info);
        }
    }

    void disappear(const std::optional<catalog::SourceTable>& known, const SchemaChange& change) {
        if (!known || !is_replicated(*known)) {
            return;
        }
        record(known->name, change);
        target::drop_staging(known->id);
        std::string reason = std::string("was ") + kind_text(change.kind) + " at the source";
        if (config_.parsed_options.drops_targets() && now(known->name) == nullptr) {
            std::optional<pg::SqlError> const obstacle = drop_target(*known);
            if (!obstacle) {
                return catalog::forget_table(known->id);
            }
            reason += "; its target stays: " + std::string(obstacle->what());
        }
        catalog::leave_out(known->id, "excluded", reason);
    }

    /// Returns what keeps it: others may depend on it, or it may be another owner's by now.
    [[nodiscard]] std::optional<pg::SqlError> drop_target(const catalog::SourceTable& table) const {
        if (!table.target_created) {
            return std::nullopt;
        }
        std::optional<pg::SqlError> error = pg::run_in_subtransaction([&] {
            pg::RoleScope const as_owner(config_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            if (auto const target = find_own_target(own_target(table, table.id, config_.owner), true, table.name,
                                                    target::TargetUse::kDrop)) {
                pg::execute("DROP TABLE " + target->sql());
            }
        });
        if (error && error->sqlstate() != ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST && !concerns_table_alone(*error)) {
            throw pg::SqlError(*error);
        }
        return error;
    }

    void truncate(const SchemaChange& change) {
        std::optional<catalog::SourceTable> const known = find(change.table);
        if (!known || !is_replicated(*known) || known->paused) {
            return;
        }
        record(change.table, change);
        if (known->state == "copying" || known->state == "failed" || known->keyless) {
            catalog::ask_for_beside_copy(known->id, reason(change));
        }
        if (!known->target_created || known->state == "failed" || known->keyless) {
            return;
        }
        // TRUNCATE would take the rows away from readers with an older snapshot, too, and wait for all of them.
        std::int64_t deleted = 0;
        std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] {
            pg::RoleScope const as_owner(config_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            if (auto const target = find_own_target(own_target(*known, known->id, config_.owner), true, known->name,
                                                    target::TargetUse::kWrite)) {
                deleted = target::delete_where(*target, "true");
            }
        });
        if (error && !concerns_table_alone(*error)) {
            throw pg::SqlError(*error);
        }
        if (error) {
            return set_table_apart(known->id, *error);
        }
        catalog::forget_quarantine(known->id);
        counts_.push_back({known->id, 0, 0, deleted, 0});
    }

    static std::string reason(const SchemaChange& change) {
        return std::string(kind_text(change.kind)) + " at the source: it is being read again beside the stream";
    }

    void record(const core::TableName& name, const SchemaChange& change) const {
        pg::QueryResult const arguments = pg::execute(
            "SELECT pg_catalog.jsonb_build_object('table', $1, 'statement', $2)", {name.qualified(), change.statement});
        catalog::record_call(config_.name, config_.owner, std::string("table ") + kind_text(change.kind),
                             arguments.text(0, 0));
    }

    const catalog::SourceConfig& config_;
    const TablesNow& now_;
    std::vector<catalog::ChangeCounts> counts_;  ///< written when no target is waited for any more
};

}  // namespace

TablesNow look_up_changed_tables(core::Source& source, const std::vector<SchemaChange>& changes) {
    TablesNow now;
    for (const SchemaChange& change : changes) {
        for (const core::TableName* const name : {&change.table, &change.renamed_to}) {
            if (!name->table.empty() && !now.contains(*name)) {
                now.emplace(*name, source.find_table(*name));
            }
        }
    }
    return now;
}

void apply_schema_changes(const catalog::SourceConfig& config, const std::vector<SchemaChange>& changes,
                          const TablesNow& now) {
    SchemaEffects effects(config, now);
    for (const SchemaChange& change : changes) {
        effects.apply(change);
    }
    effects.finish();
}

}  // namespace pgrepl::replication
