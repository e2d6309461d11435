// The copy of a source: begin and resume. copy_end.cpp completes and merges.

#include "replication/copy/copy.hpp"

#include <algorithm>

#include "catalog/stream_state.hpp"
#include "catalog/table_life.hpp"
#include "pg/failure_point.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/work_in_hand.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/own_target.hpp"
#include "replication/access/rights_at_source.hpp"
#include "replication/access/source_access.hpp"
#include "replication/access/source_log.hpp"
#include "replication/setup/copy_plan.hpp"
#include "replication/setup/gone_table.hpp"
#include "replication/setup/registration.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::replication {

namespace {

/// A chunk should be a second's work or so; a table gets at most this many at first, and more by splitting.
constexpr std::int64_t kRowsPerChunk = 250'000;
constexpr std::int64_t kMostChunks = 64;

/// PostgreSQL keeps track of about thirty new relations in a transaction; with more it looks through all that it knows.
constexpr std::size_t kTablesPerTransaction = 8;

/// Below this many rows one process is done before another has started.
constexpr std::int64_t kRowsWorthCopyWorkers = 20'000;

/// Another server answers: the one that was being read may come back, after a restart say. Within a minute or so. Tries
/// that fail for other reasons say nothing of that, and do not count.
constexpr std::int32_t kTriesForSameServer = 6;

int wanted_chunks(const core::TableInfo& info) {
    return static_cast<int>(
        std::clamp<std::int64_t>(info.estimated_rows.value_or(kRowsPerChunk * 8) / kRowsPerChunk, 1, kMostChunks));
}

}  // namespace

catalog::SourceState Copy::require_state(std::int32_t source_id) {
    std::optional<catalog::SourceState> state = catalog::load_source_state(source_id);
    if (!state) {
        throw pg::SqlError(ERRCODE_UNDEFINED_OBJECT, "the source was dropped");
    }
    return *state;
}

std::unique_ptr<Copy> Copy::resume_or_begin(const CopyContext& context, const catalog::SourceConfig& config,
                                            core::Source& source) {
    std::unique_ptr<Copy> copy(new Copy(context, config, source));
    std::optional<catalog::SourceState> state;
    {
        pg::Transaction transaction;
        state = require_state(context.source_id);
        catalog::release_dead_leases(context.source_id, context.generation);
        copy->drop_forgotten_staging();
        transaction.commit();
    }
    copy->durable_ = state->copy_durable;
    copy->plan_ = state->plan.value_or(core::CopyPlan::kOneState);
    copy->is_elsewhere_ = state->copy_replaced > 0;
    if (state->copy_under_way()) {
        bool const usable = copy->plan_ != core::CopyPlan::kBesideLogForOneState || is_log_usable(source);
        if (usable && copy->resume(state->copy_position)) {
            return copy;
        }
        abandon(context, state->copy_durable);
    }
    source.discard_snapshots({});
    copy->begin(state->copy_durable, state->plan);
    return copy;
}

void Copy::abandon(const CopyContext& context, bool durable) {
    pg::Transaction transaction;
    if (catalog::abandon_copy(context.source_id, context.generation, durable)) {
        catalog::forget_copy(context.source_id);
    }
    transaction.commit();
}

bool Copy::resume(const std::string& position) {
    try {
        snapshot_ = source_.open_snapshot(copy_request(position, durable_, plan_));
    } catch (const core::SourceError& error) {
        is_elsewhere_ = is_elsewhere_ || error.kind() == core::SourceErrorKind::kReplaced;
        if (error.kind() != core::SourceErrorKind::kStateLost && !has_been_replaced(error)) {
            throw;
        }
        return false;
    }
    position_ = position;
    copier_ = std::make_unique<ChunkCopier>(context_, *snapshot_);
    worth_copy_workers_ = true;

    pg::Transaction transaction;
    bool intact = true;
    for (const catalog::CopyTable& table : catalog::tables_in_copy(context_.source_id)) {
        intact = intact && (!table.staging || target::staging_is_intact(table.table_id));
    }
    catalog::forget_replaced(context_.source_id);
    if (intact) {
        catalog::set_state(context_.source_id, context_.generation, catalog::RunState::kSnapshot);
    }
    transaction.commit();
    is_elsewhere_ = false;
    return intact;
}

/// For good: another server has answered once more, and often enough.
bool Copy::has_been_replaced(const core::SourceError& error) const {
    if (error.kind() != core::SourceErrorKind::kReplaced || !error.retryable()) {
        return false;
    }
    pg::Transaction transaction;
    std::int32_t const times = catalog::note_replaced(context_.source_id, context_.generation);
    transaction.commit();
    return times > kTriesForSameServer;
}

void Copy::begin(bool durable, std::optional<core::CopyPlan> last) {
    {
        pg::Transaction transaction;
        // A change that was made before a request that we are going to serve must be seen. Rows are locked in one order
        // everywhere: source, source_state, source_table.
        config_ = lock_same_source();
        catalog::take_requests(context_.source_id, context_.generation);
        catalog::leave_stream(context_.source_id);
        transaction.commit();
    }
    plan_ = plan_next_copy(config_.plan, last, source_);
    TimestampTz read_at = GetCurrentTimestamp();
    std::vector<PlannedTable> const planned = take_state(durable);
    if (plan_ == core::CopyPlan::kBesideLogForOneState && !log_mends(log_of(source_), planned)) {
        plan_ = core::CopyPlan::kOneState;
        read_at = GetCurrentTimestamp();
        take_state(durable);
    }
    prepare_tables(read_at);
}

/// Opens what is to be read, and registers the tables that are there. A table that is missing may be out of sight:
/// rights are asked for before the tables and after each look for them. A right that is taken and given back in between
/// hides a table, too: tables are looked for a second time where one is missing, and only what both looks have missed
/// is taken for gone.
std::vector<PlannedTable> Copy::take_state(bool durable) {
    RightsAtSource rights(source_);
    bool rights_are_others = core::needs_log(plan_) && look_at_rights(rights);
    pg::failure_point("rights_asked");
    LookForTables look;
    std::vector<core::TableInfo> discovered = open_state(durable);
    if (core::needs_log(plan_) && lacks_known_tables(discovered)) {
        rights_are_others = rights.are_others() || rights_are_others;
        for (const core::TableInfo& table : discovered) {
            look.found_before.insert(table.name);
        }
        pg::failure_point("tables_missed");
        discovered = open_state(durable);
        rights_are_others = rights.are_others() || rights_are_others;
    }
    look.missing = rights_are_others ? Missing::kOutOfSight : is_elsewhere_ ? Missing::kNotYetHere : Missing::kGone;
    look.is_followed = core::needs_log(plan_);
    {
        pg::Transaction transaction;
        // Locked, so that filters that are being changed are seen either here or by whoever changes them.
        config_ = lock_same_source();
        look.planned = register_discovered_tables_in_worker(config_, discovered);
        transaction.commit();
    }
    pg::failure_point("tables_registered");
    settle_missing(look, rights);
    return std::move(look.planned);
}

std::vector<core::TableInfo> Copy::open_state(bool durable) {
    copier_.reset();
    core::Position const mark = core::reads_beside_log(plan_) ? log_of(source_).low_mark() : core::Position{};
    snapshot_ = source_.open_snapshot(copy_request(mark.text, durable, plan_));
    position_ = core::reads_beside_log(plan_) ? log_of(source_).anchored(mark).text : snapshot_->state().text;
    copier_ = std::make_unique<ChunkCopier>(context_, *snapshot_);
    std::vector<core::TableInfo> discovered;
    for (const auto& [name, info] : copier_->tables()) {
        discovered.push_back(info);
    }
    return discovered;
}

bool Copy::lacks_known_tables(const std::vector<core::TableInfo>& discovered) const {
    pg::Transaction transaction;
    bool const any = lacks_tables(config_, discovered);
    transaction.commit();
    return any;
}

/// Calls may change the source until here, and between one table and the next: nothing keeps them from it while a
/// target that is to go is waited for. The rights become known with what they have hidden: whoever begins again after a
/// crash in between would take these tables for gone.
void Copy::settle_missing(const LookForTables& look, const RightsAtSource& rights) {
    std::vector<catalog::SourceTable> gone;
    {
        pg::Transaction transaction;
        catalog::take_turn(context_.source_id, context_.generation);
        // Not locked: calls lock it before they ask for the turn.
        config_ = require_same_source(config_, catalog::find_source(context_.source_id));
        gone = settle_missing_tables(config_, look, source_.name_rules());
        if (look.is_followed) {
            catalog::save_rights(context_.source_id, rights.text());
        }
        transaction.commit();
    }
    for (const catalog::SourceTable& table : gone) {
        let_go_of(table.name);
    }
    locked_.begin_batch();
}

/// In a transaction of its own: whoever reads a target that is dropped waits for its end, which is not to wait for the
/// locks on all others.
void Copy::let_go_of(const core::TableName& name) {
    pg::Transaction transaction;
    catalog::take_turn(context_.source_id, context_.generation);
    (void)require_same_source(config_, catalog::find_source(context_.source_id));
    std::optional<catalog::SourceTable> const table = catalog::find_table(context_.source_id, name);
    if (table && catalog::is_replicated(table->state)) {
        pg::TargetPatience const patience(locked_.patience_ms(table->id));
        if (!let_go(config_, *table, kNoLongerThere)) {
            locked_.waited_in_vain();
        }
    }
    transaction.commit();
}

/// Whether tables that were there may be out of sight now.
bool Copy::look_at_rights(RightsAtSource& rights) const {
    std::string known;
    {
        pg::Transaction transaction;
        known = catalog::rights_seen(context_.source_id);
        transaction.commit();
    }
    rights.were(known);
    bool const are_others = rights.are_others();
    rights.are_seen();
    return are_others && !known.empty();
}

/// The configuration as it is now, locked.
catalog::SourceConfig Copy::lock_same_source() const {
    return require_same_source(config_, catalog::lock_source(context_.source_id));
}

/// What the target holds when the copy is in, or the place that its log is followed from.
std::string Copy::held_at_end() const {
    return plan_ == core::CopyPlan::kOneStateThenFollowed ? snapshot_->followed_from().text : position_;
}

/// Of copies that were given up, and of tables that went out of a copy.
void Copy::drop_forgotten_staging() const {
    for (std::int32_t const table_id : catalog::unstaged_tables(context_.source_id)) {
        target::drop_staging(table_id);
    }
}

void Copy::prepare_tables(TimestampTz read_at) {
    std::vector<catalog::CopyTable> tables;
    {
        pg::Transaction transaction;
        tables = catalog::tables_to_copy(context_.source_id);
        transaction.commit();
    }
    // The source is asked before the transaction starts: it may take its time to answer.
    std::vector<std::vector<core::ChunkRange>> chunks;
    std::int64_t rows = 0;
    for (const catalog::CopyTable& table : tables) {
        const core::TableInfo* const info = copier_->find(table.name);
        chunks.push_back(info == nullptr ? std::vector<core::ChunkRange>{}
                                         : snapshot_->plan_chunks(*info, wanted_chunks(*info)));
        rows += info == nullptr ? 0 : info->estimated_rows.value_or(kRowsWorthCopyWorkers);
    }
    worth_copy_workers_ = rows >= kRowsWorthCopyWorkers;

    std::vector<std::optional<Route>> const routes = prepare_routes(tables);
    pg::failure_point("targets_made");
    pg::Transaction transaction;
    catalog::take_turn(context_.source_id, context_.generation);
    for (std::size_t i = 0; i < tables.size(); ++i) {
        if (routes[i]) {  // false of one that a person has taken out meanwhile
            (void)catalog::begin_table_copy(tables[i].table_id, routes[i]->staging, target::file_of(routes[i]->relid),
                                            *copier_->find(tables[i].name), chunks[i]);
        }
    }
    catalog::begin_copy(context_.source_id, context_.generation,
                        {.position = position_, .durable = durable_, .plan = plan_, .read_at = read_at});
    transaction.commit();
}

/// What each table's chunks are written to is a staging table, or not; nothing for a table that cannot be copied. In
/// small transactions: each table takes several locks, and the end of a subtransaction costs as much as its transaction
/// has new tables. What is ready when a crash comes is found, or removed, by the next copy.
std::vector<std::optional<Copy::Route>> Copy::prepare_routes(const std::vector<catalog::CopyTable>& tables) {
    std::vector<std::optional<Route>> routes(tables.size());
    for (std::size_t begin = 0; begin < tables.size(); begin += kTablesPerTransaction) {
        pg::check_interrupts();
        pg::Transaction transaction;
        catalog::take_turn(context_.source_id, context_.generation);
        for (std::size_t i = begin; i < std::min(tables.size(), begin + kTablesPerTransaction); ++i) {
            if (copier_->find(tables[i].name) == nullptr) {
                continue;  // registration has said that it is no longer at the source
            }
            std::optional<pg::SqlError> const error =
                pg::run_in_subtransaction([&] { routes[i] = prepare_route(tables[i]); });
            if (error && !concerns_table_alone(*error)) {
                throw pg::SqlError(*error);
            }
            if (error) {
                set_table_apart(tables[i].table_id, *error);
            }
        }
        transaction.commit();
    }
    return routes;
}

/// Makes ready what the chunks are written to.
Copy::Route Copy::prepare_route(const catalog::CopyTable& table) {
    pg::WorkInHand const at_table({pg::Work::kTable, table.table_id, 0});
    bool const needs_numbers = !has_key(table);
    ReadyTarget ready;
    {
        pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
        // Nobody was told to read a target whose first copy was never completed.
        ready = prepare_own_target(own_target(table, table.table_id, context_.owner),
                                   {.created = table.target_created,
                                    .of = table.name,
                                    .source = config_.name,
                                    .without_key = table.filled ? WithoutKey::kRefused : WithoutKey::kEmptied,
                                    .with_key = needs_numbers});
    }
    bool const staging = ready.had_key || needs_numbers;
    if (staging) {
        target::create_staging(table.table_id, context_.owner);
    }
    return {staging, ready.relid};
}

/// Rows without a key have no id before all of them are in.
bool Copy::has_key(const catalog::CopyTable& table) const {
    const core::TableInfo* const info = copier_->find(table.name);
    return info == nullptr || info->layout.has_key();
}

}  // namespace pgrepl::replication
