// Effects of schema changes.

#include "replication/stream/schema_effects.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "catalog/events.hpp"
#include "catalog/quarantine.hpp"
#include "catalog/stream_state.hpp"
#include "catalog/table_life.hpp"
#include "core/mention.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/own_target.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/setup/gone_table.hpp"
#include "replication/setup/registration.hpp"
#include "replication/stream/found_table.hpp"
#include "targets/target_table.hpp"
#include "targets/target_writer.hpp"

namespace pgrepl::replication {

namespace {

using core::SchemaChange;
using Kind = core::SchemaChange::Kind;

const char* kind_text(Kind kind) {
    switch (kind) {
        case Kind::kCreated:
        case Kind::kCreatedIfAbsent:
            return "created";
        case Kind::kDropped:
            return "dropped";
        case Kind::kRenamed:
            return "renamed";
        case Kind::kTruncated:
            return "truncated";
        case Kind::kAltered:
        case Kind::kRedefined:
            return "altered";
        case Kind::kMaintained:
            return "repaired";
        case Kind::kNotUnderstood:
        case Kind::kUnreadRows:
        case Kind::kCrashed:
            return "perhaps changed";
        case Kind::kDatabaseDropped:
            return "database dropped";
        case Kind::kRights:
            return "rights changed";
    }
    return "altered";
}

/// A table of which the name alone is known.
core::TableInfo named(const core::TableName& name) {
    core::TableInfo info;
    info.name = name;
    info.kind = "table";
    return info;
}

class SchemaEffects {
  public:
    SchemaEffects(const catalog::SourceConfig& config, const core::Source& source, const TablesNow& now,
                  LockedTargets& locked)
        : config_(config), source_(source), names_(source.name_rules()), now_(now), locked_(locked) {}

    void apply(const SchemaChange& change) {
        bool const needs_no_look =
            change.kind == Kind::kTruncated || change.kind == Kind::kNotUnderstood || change.kind == Kind::kUnreadRows;
        if (!needs_no_look && now_.unseen.contains(change.table)) {
            defer(change.table, change);
            if (change.kind == Kind::kRenamed) {
                appear(change.renamed_to, change);
            }
            return;
        }
        switch (change.kind) {
            case Kind::kCreated:
                return appear(change.table, change);
            case Kind::kCreatedIfAbsent:
                return is_followed(change.table) ? void() : appear(change.table, change);
            case Kind::kAltered:
                return alter(change.table, change);
            case Kind::kRedefined:
            case Kind::kMaintained:
                return look_at(change.table, change);
            case Kind::kDropped:
                return disappear(find(change.table), change);
            case Kind::kRenamed:
                rename_away(change);
                return appear(change.renamed_to, change);
            case Kind::kTruncated:
                return truncate(change);
            case Kind::kRights:
                return see_rights(change);
            case Kind::kDatabaseDropped:
                for (const catalog::SourceTable& table : catalog::list_tables(config_.id)) {
                    if (are_same(table.name.database, change.table.database)) {
                        disappear(table, change);
                    }
                }
                return;
            case Kind::kNotUnderstood:
                return look_at_all(change);
            case Kind::kUnreadRows:
                return read_all_again(change);
            case Kind::kCrashed:
                return see_crash(change);
        }
    }

    /// Of a statement that takes away, or changes, a table which cannot be replicated.
    [[nodiscard]] bool may_let_others_in(const SchemaChange& change) const {
        if (change.kind != Kind::kDropped && change.kind != Kind::kAltered && change.kind != Kind::kRenamed) {
            return false;
        }
        std::optional<catalog::SourceTable> const known = find(change.table);
        return known && known->state == catalog::TableState::kUnsupported;
    }

    /// Tables that could not be replicated for a reason that names this one (a MERGE table) may be now: they are looked
    /// at when the source shows what was applied.
    void look_at_those_kept_out_by(const core::TableName& name, std::set<std::int32_t>& ids) const {
        for (const catalog::SourceTable& table : catalog::list_tables(config_.id)) {
            if (table.state == catalog::TableState::kUnsupported &&
                core::may_name(names_.comparable(table.reason), names_.comparable(name).table)) {
                catalog::note_change(config_.id, table.name);
                ids.insert(table.id);
            }
        }
    }

    void finish() const { catalog::add_changes(config_.id, counts_); }

    /// What has made such a table is not in the log (sql_log_bin = 0, IMPORT TABLE).
    void meet(const core::TableName& name, std::set<std::int32_t>& ids) const {
        std::optional<catalog::SourceTable> const known = find(name);
        bool const is_settled = known && (is_replicated(*known) || known->changed);
        if (is_settled || select_tables(config_, {named(name)}).at(0).state == catalog::TableState::kExcluded) {
            return;
        }
        catalog::note_change(config_.id, known ? known->name : name);
        ids.insert(find(name).value().id);
    }

    /// The entries of the tables that the change names, as they are.
    void collect(const SchemaChange& change, std::set<std::int32_t>& ids) const {
        for (const core::TableName* const name : {&change.table, &change.renamed_to}) {
            if (auto const known = name->table.empty() ? std::nullopt : find(*name)) {
                ids.insert(known->id);
            }
        }
    }

  private:
    [[nodiscard]] bool are_same(const std::string& a, const std::string& b) const { return names_.are_same(a, b); }

    [[nodiscard]] std::optional<catalog::SourceTable> find(const core::TableName& name) const {
        std::optional<catalog::SourceTable> exact = catalog::find_table(config_.id, name);
        if (exact || !names_.ignores_case()) {
            return exact;
        }
        core::TableName const wanted = names_.comparable(name);
        for (catalog::SourceTable& table : catalog::list_tables(config_.id)) {
            if (names_.comparable(table.name) == wanted) {
                return std::move(table);
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] const core::TableInfo* now(const core::TableName& name) const {
        auto const found = now_.tables.find(name);
        return found == now_.tables.end() || !found->second ? nullptr : &*found->second;
    }

    static bool is_replicated(const catalog::SourceTable& table) { return catalog::is_replicated(table.state); }
    /// Then it is at the source, too, at this place of the log.
    [[nodiscard]] bool is_followed(const core::TableName& name) const {
        std::optional<catalog::SourceTable> const known = find(name);
        return known && is_replicated(*known) && known->state != catalog::TableState::kFailed;
    }

    /// It is settled later. Until then it is taken for changed.
    void defer(const core::TableName& name, const SchemaChange& change) {
        std::optional<catalog::SourceTable> const known = find(name);
        if (known && is_replicated(*known) && change.kind == Kind::kRedefined) {
            return catalog::note_change(config_.id, known->name);  // it may be as it was: settle_changed_table() sees
        }
        if (known && is_replicated(*known)) {
            catalog::ask_for_copy(known->id, reason(change));
        } else if (select_tables(config_, {named(name)}).at(0).state == catalog::TableState::kExcluded) {
            return;
        }
        record(name, change);
        catalog::note_change(config_.id, known ? known->name : name);
    }

    /// A table has this name now. What its target holds, if it had one, is brought up to date.
    void appear(const core::TableName& name, const SchemaChange& change) {
        if (now_.unseen.contains(name)) {
            return defer(name, change);
        }
        const core::TableInfo* const info = now(name);
        if (info == nullptr) {
            return;  // a later statement has taken the name away again
        }
        std::optional<catalog::SourceTable> const known = find(name);
        if (known && is_replicated(*known)) {
            catalog::ask_for_copy(known->id, reason(change));
        }
        PlannedTable const planned = register_table(config_, *info).planned;
        register_parts(*info);
        if (planned.state == catalog::TableState::kPending) {
            record(name, change, info->unlogged_actions.empty() ? "" : planned.note);
        }
    }

    void alter(const core::TableName& name, const SchemaChange& change) {
        std::optional<catalog::SourceTable> const known = find(name);
        const core::TableInfo* const info = now(name);
        if (!known || !is_replicated(*known)) {
            // One that was dropped may be back; what the filters leave out stays out.
            bool const is_wanted =
                info != nullptr && select_tables(config_, {*info}).at(0).state != catalog::TableState::kExcluded;
            return !known || is_wanted ? appear(name, change) : void();
        }
        catalog::ask_for_copy(known->id, reason(change));
        record(name, change);
        if (info != nullptr) {
            register_table(config_, *info);
            register_parts(*info);
        }
    }

    /// They can be followed, or not any more.
    void register_parts(const core::TableInfo& whole) {
        for (const core::TableName& part : whole.parts) {
            const core::TableInfo* const info = now(part);
            if (info != nullptr && find(part)) {
                register_table(config_, *info);
            }
        }
    }

    /// Its rows are the same, as far as the statement goes.
    void look_at(const core::TableName& name, const SchemaChange& change) {
        std::optional<catalog::SourceTable> const known = find(name);
        const core::TableInfo* const info = now(name);
        if (!known || info == nullptr) {
            return;
        }
        // What is being read knows the table as it is now only, and what the log had before of it as it was.
        bool const is_settled =
            known->state == catalog::TableState::kStreaming || known->state == catalog::TableState::kIdle;
        bool const may_lack_rows = change.kind == Kind::kMaintained && (!info->is_transactional || !is_settled);
        if (!is_replicated(*known) || may_lack_rows || known->definition != info->definition) {
            return alter(name, change);
        }
        PlannedTable const planned = select_tables(config_, {*info}).at(0);
        if (planned.state != catalog::TableState::kPending) {  // a MERGE table has it among its own
            register_table(config_, *info);
            record(name, change, planned.reason);
        } else if (planned.note != known->note) {
            register_table(config_, *info);
            record_event("table note changed", "table", name.qualified(), change, planned.note);
        }
    }

    /// Nobody knows what the statement did: what it may concern is read again, and what has come is taken.
    void look_at_all(const SchemaChange& change) {
        record_event("statement not understood", "database", change.table.database, change);
        if (now_.all_unseen) {
            for (const catalog::SourceTable& table : catalog::list_tables(config_.id)) {
                may_concern(change, table.name) ? defer(table.name, change) : void();
            }
            return catalog::ask_for_discovery(config_.id, change.statement);
        }
        std::set<core::TableName> known;
        for (const catalog::SourceTable& table : catalog::list_tables(config_.id)) {
            known.insert(table.name);
            if (!may_concern(change, table.name)) {
                continue;
            }
            if (now(table.name) != nullptr) {
                alter(table.name, change);
            } else if (is_replicated(table)) {
                record(table.name, change);
                catalog::note_change(config_.id, table.name);  // settle_changed_table() sees whether it may be read
            }
        }
        for (const auto& [name, info] : now_.tables) {
            if (info && !known.contains(name)) {
                appear(name, change);
            }
        }
    }

    /// Nobody knows whose rows they were. Of tables that the log never tells of, statements are all that it holds.
    void read_all_again(const SchemaChange& change) {
        const core::TableInfo* const named = now(change.table);
        if (named != nullptr && !named->not_in_log.empty() && !named->is_view()) {
            return;
        }
        std::vector<catalog::SourceTable> const tables = catalog::list_tables(config_.id);
        bool const any = std::any_of(tables.begin(), tables.end(), [](const catalog::SourceTable& table) {
            return is_replicated(table) && table.state != catalog::TableState::kFailed &&
                   table.state != catalog::TableState::kPending;
        });
        // What is asked for already brings this, too.
        if (!any || !catalog::ask_for_reread(config_.id, change.note)) {
            return;
        }
        pg::QueryResult const arguments = pg::execute(
            R"(SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('statement', nullif($1, ''), 'note',
               $2::text)))",
            {change.statement, change.note});
        catalog::record_work(config_.name, config_.owner, "changes not read: all tables are read again",
                             arguments.text(0, 0));
        // Only a stream that goes on may put it off.
        (void)catalog::begin_reread(config_.id, !core::is_followed(config_.plan));
    }

    /// What the source has lost, the target has. Where that may be any table, all are compared when the log has been
    /// read, as after a failover.
    void see_crash(const SchemaChange& change) {
        bool const concerns_all = !change.keeps_commits;
        std::vector<std::int32_t> const not_kept = concerns_all ? std::vector<std::int32_t>() : tables_not_kept();
        if (!concerns_all && not_kept.empty()) {
            return;
        }
        const std::string& wanted = config_.parsed_options.after_failover;
        if (wanted == "error") {
            throw core::SourceError(
                core::SourceErrorKind::kDiverged, 0,
                "source \"" + config_.name + "\" has crashed, and may have lost changes that were read", false,
                change.note,
                "To have all tables compared with it, and what differs mended: "
                "replicator_alter(name, options => '{\"after_failover\": \"verify\"}'), then "
                "replicator_resume(name).");
        }
        bool const trusts = wanted == "trust";
        std::string const what = trusts         ? "trusted"
                                 : concerns_all ? "all tables are compared"
                                                : "tables without transactions are compared";
        pg::QueryResult const arguments =
            pg::execute("SELECT pg_catalog.jsonb_build_object('note', $1::text)", {change.note});
        catalog::record_work(config_.name, config_.owner, "crash of the source: " + what, arguments.text(0, 0));
        if (concerns_all && !trusts) {
            catalog::ask_for_comparison(config_.id);
        }
        for (std::int32_t const table : trusts ? std::vector<std::int32_t>() : not_kept) {
            catalog::ask_for_copy(table, "the source has crashed: it is being read again beside the stream");
        }
    }

    /// By what the tables are at this place of the log, as far as is known: one that has become another before is read
    /// again for that. What is pending is read later than the crash. The source is not asked, as others may have locked
    /// some of its tables.
    [[nodiscard]] std::vector<std::int32_t> tables_not_kept() const {
        std::vector<std::int32_t> ids;
        for (const catalog::SourceTable& table : catalog::list_tables(config_.id)) {
            bool const is_read = is_replicated(table) && table.state != catalog::TableState::kFailed &&
                                 table.state != catalog::TableState::kPending;
            if (is_read && !source_.survives_crash(table.definition)) {
                ids.push_back(table.id);
            }
        }
        return ids;
    }

    /// Columns that may not be read any more go from the target, others come; so do tables.
    void see_rights(const SchemaChange& change) {
        if (now_.all_unseen) {
            return catalog::ask_for_discovery(config_.id, change.statement);
        }
        std::set<core::TableName> known;
        auto const is_meant = [&](const core::TableName& name) {
            return change.table.table.empty() || names_.comparable(name) == names_.comparable(change.table);
        };
        for (const catalog::SourceTable& table : catalog::list_tables(config_.id)) {
            known.insert(table.name);
            if (is_meant(table.name) && !now_.unseen.contains(table.name)) {
                is_replicated(table) ? see_rights(table, change) : take_in(table.name, change);
            }
        }
        for (const auto& [name, info] : now_.tables) {
            if (info && is_meant(name) && !known.contains(name)) {
                appear(name, change.table.table.empty() ? created(name, change) : change);
            }
        }
    }

    /// It may have come by another statement than one about rights.
    static SchemaChange created(const core::TableName& name, const SchemaChange& change) {
        return {.kind = Kind::kCreated, .table = name, .renamed_to = {}, .statement = change.statement};
    }

    void see_rights(const catalog::SourceTable& table, const SchemaChange& change) {
        const core::TableInfo* const info = now(table.name);
        bool const has_failed = table.state == catalog::TableState::kFailed;
        if (info == nullptr || info->layout.columns.empty()) {
            return has_failed ? void() : withhold(table, change);
        }
        if (has_failed ? catalog::lacks_right(table) : info->definition != table.definition) {
            catalog::ask_for_copy(table.id, reason(change));
            record(table.name, change);
            register_table(config_, *info);
        }
    }

    /// One that was left out, if it can be replicated now.
    void take_in(const core::TableName& name, const SchemaChange& change) {
        const core::TableInfo* const info = now(name);
        if (info != nullptr && select_tables(config_, {*info}).at(0).state == catalog::TableState::kPending) {
            appear(name, change);
        }
    }

    /// A name without a database is one of the default database.
    [[nodiscard]] bool may_concern(const SchemaChange& change, const core::TableName& name) const {
        core::TableName const wanted = names_.comparable(name);
        bool const is_default = are_same(name.database, change.table.database);
        return change.text.empty() || core::may_name(change.text, wanted.database) ||
               (is_default && core::may_name(change.text, wanted.table));
    }

    /// MariaDB logs the RENAME of a temporary table that hides one of the same name, which is then still there.
    void rename_away(const SchemaChange& change) {
        if (now(change.table) != nullptr) {
            return alter(change.table, change);
        }
        disappear(find(change.table), change);
    }

    /// It may also have been dropped by a statement that stands further on.
    void withhold(const catalog::SourceTable& table, const SchemaChange& change) {
        record(table.name, change);
        target::drop_staging(table.id);
        set_table_apart(table.id, pg::to_sql_error(table_denied(table.name)));
    }

    void disappear(const std::optional<catalog::SourceTable>& known, const SchemaChange& change) {
        if (!known || !is_replicated(*known)) {
            return;
        }
        record(known->name, change);
        pg::TargetPatience const patience(locked_.patience_ms(known->id));
        if (!let_go(config_, *known, std::string("was ") + kind_text(change.kind) + " at the source",
                    now(known->name) != nullptr)) {
            locked_.waited_in_vain();
        }
    }

    void truncate(const SchemaChange& change) {
        std::optional<catalog::SourceTable> const known = find(change.table);
        if (!known || !is_replicated(*known) || known->paused) {
            return;
        }
        record(change.table, change);
        if (known->state == catalog::TableState::kCopying || known->state == catalog::TableState::kFailed ||
            known->keyless) {
            catalog::ask_for_copy(known->id, reason(change));
        }
        if (!known->target_created || known->state == catalog::TableState::kFailed || known->keyless) {
            return;
        }
        // TRUNCATE would take the rows away from readers with an older snapshot, too, and wait for all of them.
        std::int64_t deleted = 0;
        pg::TargetPatience const patience(locked_.patience_ms(known->id));
        std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] {
            pg::RoleScope const as_owner(config_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            if (auto const target = find_own_target(own_target(*known, known->id, config_.owner), true, known->name,
                                                    target::TargetUse::kWrite)) {
                deleted = target::TargetWriter(*target).remove_where("true");
            }
        });
        if (error && !concerns_table_alone(*error)) {
            throw pg::SqlError(*error);
        }
        if (error && waits_aside(*error)) {
            locked_.waited_in_vain();
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

    void record(const core::TableName& name, const SchemaChange& change, const std::string& note = "") const {
        record_event(std::string("table ") + kind_text(change.kind), "table", name.qualified(), change, note);
    }
    void record_event(const std::string& event, const char* what, const std::string& name, const SchemaChange& change,
                      const std::string& note = "") const {
        pg::QueryResult const arguments = pg::execute(
            R"(SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object($1::text, $2, 'statement',
               nullif($3, ''), 'note', nullif($4, ''))))",
            {what, name, change.statement, note});
        catalog::record_work(config_.name, config_.owner, event, arguments.text(0, 0));
    }

    const catalog::SourceConfig& config_;
    const core::Source& source_;
    const core::NameRules& names_;
    const TablesNow& now_;
    LockedTargets& locked_;
    std::vector<catalog::ChangeCounts> counts_;  ///< written when no target is waited for any more
};

}  // namespace

std::optional<TablesNow> look_up_all_tables(core::Source& source) {
    TablesNow now;
    try {
        for (core::TableInfo& info : source.discover_what_is_left()) {
            core::TableName const name = info.name;
            now.tables.emplace(name, std::move(info));
        }
    } catch (const core::SourceError& error) {
        if (error.kind() != core::SourceErrorKind::kTableLocked) {
            throw;
        }
        return std::nullopt;
    }
    return now;
}

bool concerns_all_rights(const SchemaChange& change) {
    return change.kind == Kind::kRights && change.table.table.empty();
}

TablesNow look_up_changed_tables(core::Source& source, const std::vector<SchemaChange>& changes, bool is_shown) {
    TablesNow now;
    bool const all = std::any_of(changes.begin(), changes.end(), [](const SchemaChange& change) {
        return change.kind == Kind::kNotUnderstood || concerns_all_rights(change);
    });
    if (all) {
        std::optional<TablesNow> found = is_shown ? look_up_all_tables(source) : std::nullopt;
        now.all_unseen = !found;
        now.tables = std::move(found).value_or(TablesNow()).tables;
    }
    auto const look_up = [&](const core::TableName& name) {
        std::optional<core::TableInfo> info = source.find_table(name);
        std::vector<core::TableName> const parts = info ? info->parts : std::vector<core::TableName>();
        now.tables.emplace(name, std::move(info));
        for (const core::TableName& part : parts) {
            if (!now.tables.contains(part)) {
                now.tables.emplace(part, source.find_table(part));
            }
        }
    };
    for (const SchemaChange& change : changes) {
        for (const core::TableName* const name : {&change.table, &change.renamed_to}) {
            if (name->table.empty()) {
                continue;
            }
            if (!is_shown) {
                now.unseen.insert(*name);
                continue;
            }
            try {
                now.tables.contains(*name) ? void() : look_up(*name);
            } catch (const core::SourceError& error) {
                if (error.kind() != core::SourceErrorKind::kTableLocked) {
                    throw;
                }
                now.unseen.insert(*name);
            }
        }
    }
    return now;
}

std::optional<std::set<std::int32_t>> apply_schema_changes(const catalog::SourceConfig& config,
                                                           const core::Source& source,
                                                           const std::vector<SchemaChange>& changes,
                                                           const TablesNow& now, LockedTargets& locked) {
    SchemaEffects effects(config, source, now, locked);
    std::set<std::int32_t> ids;
    bool any = false;
    for (const SchemaChange& change : changes) {
        any = any || change.table.table.empty() || change.kind == Kind::kNotUnderstood ||
              change.kind == Kind::kRights || change.kind == Kind::kUnreadRows || change.kind == Kind::kCrashed;
        effects.collect(change, ids);
        bool const lets_others_in = effects.may_let_others_in(change);
        effects.apply(change);
        effects.collect(change, ids);
        if (lets_others_in) {
            effects.look_at_those_kept_out_by(change.table, ids);
        }
    }
    effects.finish();
    return any ? std::nullopt : std::optional(std::move(ids));
}

std::set<std::int32_t> note_strangers(const catalog::SourceConfig& config, const core::Source& source,
                                      const std::vector<core::TableName>& names, LockedTargets& locked) {
    TablesNow const nothing;
    SchemaEffects const effects(config, source, nothing, locked);
    std::set<std::int32_t> ids;
    for (const core::TableName& name : names) {
        effects.meet(name, ids);
    }
    return ids;
}

void settle_all_tables(const catalog::SourceConfig& config, const core::Source& source, const std::string& statement,
                       const TablesNow& all, LockedTargets& locked) {
    SchemaEffects effects(config, source, all, locked);
    effects.apply({.kind = Kind::kRights, .table = {}, .renamed_to = {}, .statement = statement});
    effects.finish();
    catalog::end_discovery(config.id);
}

bool settle_changed_table(const catalog::SourceConfig& config, const core::TableName& name,
                          const std::optional<core::TableInfo>& now, const std::optional<pg::SqlError>& denied) {
    std::optional<catalog::SourceTable> const known = catalog::find_table(config.id, name);
    if (!known || !known->changed) {
        return true;  // a call has come in between
    }
    const catalog::SourceTable& table = *known;
    if (now) {
        if (catalog::is_replicated(table.state) && table.definition != now->definition) {
            catalog::ask_for_copy(table.id, kReadAgainAsAltered);
        }
        RegisteredTable const registered = register_table(config, *now);
        tell_changed_note(config, table, registered.planned);
        if (registered.settled) {
            catalog::end_change(table.id);
        }
        return registered.settled;
    }
    if (!table.target_created) {
        catalog::forget_table(table.id);  // it came and went
        return true;
    }
    bool settled = true;
    if (!catalog::is_replicated(table.state)) {
        // A person, or what it was, has ended its replication: the target stays.
    } else if (denied || table.was_denied) {
        target::drop_staging(table.id);
        set_table_apart(table.id, denied ? *denied : pg::to_sql_error(table_denied(table.name)));
    } else {
        settled = let_go(config, table, kNoLongerThere);
    }
    if (settled) {
        catalog::end_change(table.id);
    }
    return settled;
}

}  // namespace pgrepl::replication
