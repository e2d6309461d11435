// The loop of the stream: looking around, reading, committing. stream_apply.cpp writes the changes.

#include "replication/stream/stream.hpp"

#include <algorithm>
#include <utility>

#include "catalog/deaths.hpp"
#include "catalog/events.hpp"
#include "catalog/source_state.hpp"
#include "catalog/table_life.hpp"
#include "catalog/target_indexes.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/settings.hpp"
#include "pg/stream_report.hpp"
#include "pg/wait.hpp"
#include "pg/work_in_hand.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/source_log.hpp"
#include "replication/stream/schema_effects.hpp"
#include "replication/stream/stream_table.hpp"

namespace pgrepl::replication {

namespace {

constexpr std::chrono::milliseconds kBetweenBatchesEvery{250};
/// A position without changes of ours is worth a transaction of its own this often.
constexpr std::chrono::seconds kCommitPositionEvery{10};
/// So is that the end of the log was seen: what shared memory lost would be missed this much.
constexpr std::int64_t kCommitEndEveryUs = 60 * USECS_PER_SEC;
/// The end of a log that is never quiet has to be asked for.
constexpr std::chrono::seconds kAskForTheEndEvery{1};
constexpr int kMostTimeForAsking = 20;  ///< one part of so many
/// A log that was reset is silent for those who read it.
constexpr std::chrono::seconds kCheckHistoryEvery{5};
constexpr int kWaitMs = 500;
/// A server shows what is in its log a moment later; what takes longer is not waited for a second time.
constexpr int kShownPatienceMs = 100;
/// For tables that statements have changed: there may be hundreds when a worker begins.
constexpr std::chrono::milliseconds kLookingTime{100};
/// Among the tables that are locked at the source: one of them is, nobody knows which.
constexpr std::int32_t kAllTables = 0;
/// While a window is in hand, for the stream to reach its high mark.
constexpr int kWaitForMarkMs = 10;

core::StreamLimits batch_limits(const catalog::SourceOptions& options) {
    const pg::Settings& settings = pg::settings();
    core::StreamLimits limits;
    limits.changes = static_cast<std::size_t>(options.apply_batch_rows.value_or(settings.apply_batch_rows));
    limits.bytes = static_cast<std::size_t>(options.apply_batch_kb.value_or(settings.apply_batch_kb)) * 1024;
    return limits;
}

}  // namespace

Stream::Stream(const CopyContext& context, const catalog::SourceConfig& config, core::Source& source,
               core::Interrupts& interrupts)
    : context_(context),
      config_(config),
      source_(source),
      log_(log_of(source)),
      interrupts_(interrupts),
      limits_(batch_limits(config.parsed_options)),
      rights_(source),
      beside_(context, config, source, log_, rights_, {.rows = limits_.changes, .bytes = limits_.bytes}),
      keyless_(context, config, source, rights_),
      locked_(config.target_lock_patience_ms()),
      read_again_(source, log_) {}

Stream::~Stream() = default;

void Stream::open() {
    pg::begin_phase(pg::WorkerPhase::kOpeningStream, context_.source_id, 0, 0, "opening the stream of " + config_.name);
    core::StreamRequest request;
    {
        pg::Transaction transaction;
        catalog::lock_state(context_.source_id, context_.generation);
        std::optional<catalog::StreamStart> const start = catalog::load_stream_start(context_.source_id);
        if (!start) {
            throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the stream has no position to begin after");
        }
        catalog::set_state(context_.source_id, context_.generation, catalog::RunState::kCatchingUp);
        catalog::take_requests(context_.source_id, context_.generation);
        std::optional<catalog::SourceState> const state = catalog::load_source_state(context_.source_id);
        // Else what was put off would begin with each new connection.
        mark_has_asked_ = config_.is_continuous() && state && state->sync_done >= state->sync_requested;
        known_ = catalog::stream_tables(context_.source_id);
        transaction.commit();
        position_.text = start->position;
        rights_.were(start->rights);
        request.reader_id = static_cast<std::uint32_t>(config_.parsed_options.server_id.value_or(0));
        if (request.reader_id == 0) {
            request.reader_id = static_cast<std::uint32_t>(start->reader_id);
        }
    }
    source_.set_lock_patience(SourceLocks::kPatienceMs);
    mark_taken_at_ = GetCurrentTimestamp();
    mark_ = log_.high_mark();
    request.position = position_;
    for (const catalog::StreamTable& table : known_) {
        if (table.is_followed()) {
            followed_.emplace(table.name, std::make_unique<Table>(table));
            request.tables.push_back({table.name, table.structure});
        }
    }
    stream_ = log_.open_stream(request);
    position_ = stream_->start();
    if (std::string const doubt = stream_->doubt(); !doubt.empty()) {
        settle_doubt(doubt);
    }
    committed_at_ = Clock::now();
    pg::begin_phase(pg::WorkerPhase::kCatchingUp, context_.source_id, 0, 0, "catching up with " + config_.name);
}

/// Another server has taken over, and may have changes that were not read. From the transaction on that says so, the
/// position is one of that server; it is not asked again. The comparison comes when its log has been read: what it
/// sends late may be older than what it shows, and what the log gives counts for more than what was read beside it.
void Stream::settle_doubt(const std::string& doubt) {
    const std::string& wanted = config_.parsed_options.after_failover;
    if (wanted == "error") {
        throw core::SourceError(core::SourceErrorKind::kDiverged, 0,
                                "another server has taken over for source \"" + config_.name +
                                    "\", and may have changes that were not read",
                                false, doubt,
                                "To have all tables compared with it, and what differs mended: replicator_alter(name, "
                                "options => '{\"after_failover\": \"verify\"}'), then replicator_resume(name).");
    }
    bool const verify = wanted == "verify";
    pg::Transaction transaction;
    catalog::take_turn(context_.source_id, context_.generation);
    if (verify) {
        catalog::ask_for_comparison(context_.source_id);
    }
    catalog::save_position(context_.source_id, position_.text, {});
    catalog::tell_failover(context_.source_id, verify, doubt);
    transaction.commit();
}

void Stream::step() {
    pg::WorkInHand const at_stream({pg::Work::kSource, 0, 0});
    bool is_busy = false;
    if (!in_transaction()) {
        if (Clock::now() - between_batches_at_ >= kBetweenBatchesEvery) {
            do_between_batches();
        }
        is_busy = look_at_changed_tables();
        is_busy = work_on_beside_copy() || is_busy;
        is_busy = work_on_keyless_refresh() || is_busy;
    }
    limits_.wait_ms = wait_ms(is_busy);
    if (limits_.wait_ms == kWaitMs) {
        pg::failure_point("nothing_to_do");
    }
    stream_->read(batch_, limits_);
    has_read_ = true;
    read_at_ = GetCurrentTimestamp();
    end_seen_at_ = batch_.at_end_of_log ? read_at_ : 0;
    bytes_read_ += static_cast<std::int64_t>(batch_.bytes_read);
    apply_batch();
}

/// For the log. Not at all while there is something else to do, and not long while something is awaited that nobody
/// tells us of.
int Stream::wait_ms(bool is_busy) const {
    if (is_busy) {
        return 0;
    }
    bool const awaits = beside_.is_active() || keyless_.is_active() || next_keyless_ || !changed_.empty() ||
                        discovery_due_ || next_to_copy() != nullptr || (!streaming_ && mark_is_reached());
    return awaits ? kWaitForMarkMs : kWaitMs;
}

/// Whether a read that begins now sees all that was applied.
bool Stream::is_shown() {
    bool const shown = wait_until_visible(log_, interrupts_, position_, shown_patience_ms_);
    shown_patience_ms_ = shown ? kShownPatienceMs : 0;
    return shown;
}

/// What is read of a table that others have locked is tried again later.
void Stream::at_source(std::int32_t table_id, const std::function<void()>& read) {
    try {
        read();
        source_locks_.went_on(table_id);
    } catch (const core::SourceError& error) {
        if (error.kind() != core::SourceErrorKind::kTableLocked) {
            throw;
        }
        if (source_locks_.found_locked(table_id)) {
            pg::Transaction transaction;
            catalog::note_locked_at_source(table_id);
            transaction.commit();
        }
    }
}

/// At those that statements in the log have changed, as they are now: the next changes are read with what is found.
/// True if there was one.
bool Stream::look_at_changed_tables() {
    std::vector<catalog::SourceTable> due;
    for (const catalog::SourceTable& table : changed_) {
        if (source_locks_.may_be_tried(table.id) && open_names_.may_be_tried(table.id)) {
            due.push_back(table);
        }
    }
    if (discovery_due_ && !any_to_be_looked_at() && source_locks_.may_be_tried(kAllTables)) {
        return look_at_all_tables();
    }
    if (due.empty() || !is_shown()) {
        return false;
    }
    auto const until = Clock::now() + kLookingTime;
    std::set<std::int32_t> seen;
    for (const catalog::SourceTable& table : due) {
        bool settled = true;
        at_source(table.id, [&] { settled = look_at_changed_table(table); });
        if (settled) {
            open_names_.went_on(table.id);
        } else {
            (void)open_names_.found_locked(table.id);
        }
        seen.insert(table.id);
        if (Clock::now() > until) {
            break;
        }
    }
    reload_tables(seen);
    return true;
}

/// After a statement that did not name them, and that the source did not show then.
bool Stream::look_at_all_tables() {
    if (!is_shown()) {
        return false;
    }
    bool const by_others = rights_.are_others();
    std::optional<TablesNow> const all = look_up_all_tables(source_);
    if (!all) {
        (void)source_locks_.found_locked(kAllTables);
        return false;
    }
    source_locks_.went_on(kAllTables);
    {
        pg::TargetPatience const patience(locked_.patience_ms());
        pg::Transaction transaction;
        catalog::take_turn(context_.source_id, context_.generation);
        settle_all_tables(config_, source_, *discovery_due_, *all);
        if (by_others) {
            rights_.are_seen();
            catalog::save_rights(context_.source_id, rights_.text());
        }
        transaction.commit();
    }
    reload_tables();
    return true;
}

/// False: it is to be looked at again.
bool Stream::look_at_changed_table(const catalog::SourceTable& table) {
    std::optional<core::TableInfo> now;
    std::optional<pg::SqlError> denied;
    try {
        now = rights_.find_table(table.name);
    } catch (const core::SourceError& error) {
        if (error.kind() != core::SourceErrorKind::kTableDenied) {
            throw;
        }
        denied = pg::to_sql_error(error);
    }
    pg::TargetPatience const patience(locked_.patience_ms(table.id));
    pg::Transaction transaction;
    catalog::take_turn(context_.source_id, context_.generation);
    bool const settled = settle_changed_table(config_, table, now, denied);
    transaction.commit();
    return settled;
}

/// What others have asked for meanwhile.
void Stream::do_between_batches() {
    between_batches_at_ = Clock::now();
    pg::failure_point("between_batches");
    // In this order: whoever asks for a table and then waits must find that the table is seen with the request.
    take_sync_requests();
    bool const any_locked =
        std::any_of(known_.begin(), known_.end(), [](const catalog::StreamTable& table) { return table.locked; });
    if (any_locked) {
        (void)locked_.look_again(context_.source_id, context_.owner, LockedTargets::Which::kAll);
    }
    if (tables_are_others()) {
        reload_tables();
    }
    read_again_what_is_due();
    if (!source_answers()) {
        return;
    }
    look_at_rights();
    look_for_the_end();
}

/// Of what the log has not told: all tables, one time after the other.
void Stream::read_again_what_is_due() {
    if (!streaming_ || is_copying()) {
        return;
    }
    bool begun = false;
    {
        pg::Transaction transaction;
        if (catalog::knows_of_reread(context_.source_id)) {
            catalog::take_turn(context_.source_id, context_.generation);
            catalog::end_reread(context_.source_id);
            begun = catalog::begin_reread(context_.source_id, false);
        }
        transaction.commit();
    }
    if (begun) {
        reload_tables();
    }
}

/// One that is stuck would keep us waiting: only a server that has just given a sign of life is asked.
bool Stream::source_answers() const { return !has_read_ || end_seen_at_ != 0 || batch_.bytes_read != 0; }

/// Where the log ends: whoever has applied it up to there is as far behind as the question is old, whatever the clocks
/// of the source and its sessions say. A quiet log shows its end by itself; then it is asked for, less often, whether
/// the log still holds what was read of it.
void Stream::look_for_the_end() {
    bool const is_quiet = end_seen_at_ != 0;
    bool const awaits_mark = (mark_ && !mark_is_reached()) || (beside_.has_window() && !beside_.is_due(position_));
    Clock::duration const pause =
        is_quiet && !awaits_mark ? Clock::duration(kCheckHistoryEvery)
                                 : std::max<Clock::duration>(kAskForTheEndEvery, kMostTimeForAsking * end_answer_took_);
    Clock::time_point const now = Clock::now();
    if (!has_read_ || (end_ && !is_quiet) || now - end_asked_at_ < pause) {
        return;
    }
    end_told_at_ = GetCurrentTimestamp();
    // Of what the server was about to commit some may have come to nothing, or be about to for hours.
    end_ = is_quiet ? log_.settled_mark(position_) : log_.high_mark();
    end_asked_at_ = Clock::now();
    end_answer_took_ = end_asked_at_ - now;
    require_history(is_quiet);
    if (is_quiet) {
        mark_ = mark_ ? end_ : mark_;
        beside_.wait_for(*end_);
    }
}

/// What has been read must be in the source's log for good. Opening it again says what is wrong, if it is not.
void Stream::require_history(bool at_end) {
    if (!log_.is_intact(position_, at_end)) {
        throw core::SourceError(core::SourceErrorKind::kUnreachable, 0,
                                "the log of source \"" + config_.name + "\" is not the one that was read", true,
                                "What has been read is " + position_.text + ".",
                                "It was reset, or another server answers. It is opened again, and then shows.");
    }
}

/// Looks at all of them at once; whether they are others than known_.
bool Stream::tables_are_others() {
    pg::Transaction transaction;
    std::int64_t const fingerprint = catalog::stream_tables_fingerprint(context_.source_id);
    next_keyless_ = catalog::next_keyless_table(context_.source_id, keyless_interval_ms(), source_locks_.waiting());
    transaction.commit();
    return fingerprint != fingerprint_;
}

/// Takes up what the catalog says of all tables, or of those in `ids`.
void Stream::reload_tables(const std::optional<std::set<std::int32_t>>& ids) {
    auto const is_meant = [&](std::int32_t id) { return !ids || ids->contains(id); };
    std::vector<catalog::StreamTable> now;
    {
        pg::Transaction transaction;
        for (auto const& [id, hash] : std::exchange(hashes_, {})) {
            is_meant(id) ? void(fingerprint_ ^= hash) : void(hashes_.emplace(id, hash));
        }
        for (auto const& [id, hash] : catalog::stream_table_hashes(context_.source_id, ids)) {
            hashes_.emplace(id, hash);
            fingerprint_ ^= hash;
        }
        now = catalog::stream_tables(context_.source_id, ids);
        changed_ = catalog::changed_tables(context_.source_id);
        discovery_due_ = catalog::discovery_due(context_.source_id);
        next_keyless_ = catalog::next_keyless_table(context_.source_id, keyless_interval_ms(), source_locks_.waiting());
        transaction.commit();
    }
    auto const others = std::stable_partition(
        known_.begin(), known_.end(), [&](const catalog::StreamTable& table) { return is_meant(table.table_id); });
    std::vector<catalog::StreamTable> const before(std::make_move_iterator(known_.begin()),
                                                   std::make_move_iterator(others));
    known_.erase(known_.begin(), others);
    known_.insert(known_.end(), now.begin(), now.end());
    std::sort(known_.begin(), known_.end(), [](const auto& a, const auto& b) { return a.table_id < b.table_id; });
    note_locked_tables(before, now);
    follow_only(before, now);

    auto const is_now = [&](std::int32_t id, auto&& condition) {
        return !is_meant(id) || std::any_of(now.begin(), now.end(), [&](const catalog::StreamTable& table) {
            return table.table_id == id && condition(table);
        });
    };
    if (keyless_.is_active() && !is_now(keyless_.table_id(), [](const catalog::StreamTable& table) {
            return table.copy_way == catalog::CopyWay::kWhole;
        })) {
        keyless_.stop();  // paused, dropped, asked for again, or it has a key now
    }
    if (beside_.is_active() &&
        !is_now(beside_.table_id(), [](const catalog::StreamTable& table) { return table.copy_bound.has_value(); })) {
        beside_.stop();  // paused, dropped, or asked for again
    }
}

/// Of the tables that were `before` and are `now`.
void Stream::follow_only(const std::vector<catalog::StreamTable>& before,
                         const std::vector<catalog::StreamTable>& now) {
    std::set<core::TableName> wanted;
    for (const catalog::StreamTable& table : now) {
        if (table.is_followed()) {
            wanted.insert(table.name);
        }
    }
    for (const catalog::StreamTable& table : before) {
        if (!wanted.contains(table.name) && followed_.erase(table.name) != 0) {
            stream_->forget(table.name);
        }
    }
    for (const catalog::StreamTable& table : now) {
        if (table.is_followed()) {
            follow(table);
        }
    }
}

void Stream::follow(const catalog::StreamTable& table) {
    auto const known = followed_.find(table.name);
    if (known == followed_.end()) {
        followed_.emplace(table.name, std::make_unique<Table>(table));
    } else if (known->second->in_catalog.table_id == table.table_id &&
               known->second->in_catalog.structure == table.structure &&
               known->second->in_catalog.definition == table.definition) {
        known->second->in_catalog = table;
        return;
    } else {
        known->second->in_catalog = table;
    }
    stream_->follow({table.name, table.structure});
}

void Stream::take_sync_requests() {
    bool asked = false;
    {
        pg::Transaction transaction;
        std::optional<catalog::SourceState> const state = catalog::load_source_state(context_.source_id);
        if (!mark_ && state && state->sync_done < state->sync_requested) {
            catalog::take_requests(context_.source_id, context_.generation);
            asked = true;
        }
        transaction.commit();
    }
    if (asked) {
        mark_ = log_.high_mark();
        mark_has_asked_ = false;
        require_history(false);
    }
}

bool Stream::mark_is_reached() const { return mark_ && source_.has_reached(position_, *mark_); }

bool Stream::has_to_commit() const {
    return beside_.is_due(position_) || (mark_is_reached() && (!streaming_ || copies_are_in())) ||
           (position_is_new_ && Clock::now() - committed_at_ >= kCommitPositionEvery) ||
           times_.end_seen_at - end_committed_at_ >= kCommitEndEveryUs;
}

void Stream::apply_batch() {
    if (batch_.withdrawn && in_transaction()) {
        withdraw_transaction();
    }
    table_of_batch_.clear();
    for (const core::StreamedRows& rows : batch_.tables) {
        auto const found = followed_.find(rows.table);
        table_of_batch_.push_back(found == followed_.end() ? nullptr : found->second.get());
    }
    note_unread_tables();
    std::size_t const complete = batch_.position.text.empty() ? 0 : batch_.complete_changes;
    if (!batch_.position.text.empty() || !in_transaction()) {
        end_transactions(complete);
    }
    if (batch_.transaction_open()) {
        if (!in_transaction()) {
            begin_transaction();
        }
        apply_changes(complete, batch_.changes.size());
    }
    take_up_touched();
    report();
}

/// Before anything else of the log is read.
void Stream::take_up_touched() {
    if (!in_transaction() && (all_touched_ || !touched_.empty())) {
        std::set<std::int32_t> touched = std::exchange(touched_, {});
        reload_tables(std::exchange(all_touched_, false) ? std::nullopt : std::optional(std::move(touched)));
    }
}

/// The source will never commit what has been written of its transaction.
void Stream::withdraw_transaction() {
    transaction_.reset();
    written_.clear();
    for (auto& [name, table] : followed_) {
        table->counts = {.table_id = table->in_catalog.table_id};
        table->error.reset();
        table->unread.reset();
    }
    any_unread_ = false;
    beside_.stop();  // its window lacks the keys that the transaction has touched
    touched_.clear();
    all_touched_ = false;
    reload_tables();
}

/// Applies what is complete in the batch, and commits it if there is a reason to.
void Stream::end_transactions(std::size_t complete_changes) {
    if (!batch_.position.text.empty()) {
        position_ = batch_.position;
        position_is_new_ = true;
        times_.committed_us = batch_.commit_time_us;
        times_.read_at = read_at_;
        transactions_ += batch_.transactions;
    }
    bool const changes = complete_changes > 0 || !batch_.schema_changes.empty() || in_transaction() || any_unread_;
    if (!changes && !has_to_commit()) {
        return;
    }
    // The source is asked before the transaction starts. What it does not tell now is looked at later.
    std::vector<core::SchemaChange> of_tables;
    TablesNow now;
    if (!batch_.schema_changes.empty()) {
        shown_patience_ms_ = kShownPatienceMs;
        bool const shown = is_shown();
        of_tables = schema_changes(shown);
        now = look_up_changed_tables(source_, of_tables, shown);
    }
    if (!in_transaction()) {
        begin_transaction();
    }
    apply_changes(0, complete_changes);
    if (!of_tables.empty()) {
        change_tables(of_tables, now);
    }
    commit_transaction();
}

/// In a transaction, after the changes of rows that the log has before them.
void Stream::change_tables(const std::vector<core::SchemaChange>& changes, const TablesNow& now) {
    settle_unread_tables();  // what the statements say of them is newer
    for (const core::SchemaChange& change : changes) {
        if (auto const found = followed_.find(change.table); found != followed_.end()) {
            read_again_.forget(found->second->in_catalog.table_id);
        }
    }
    pg::TargetPatience const patience(locked_.patience_ms());
    std::optional<std::set<std::int32_t>> touched = apply_schema_changes(config_, source_, changes, now);
    all_touched_ = all_touched_ || !touched;
    touched_.merge(std::move(touched).value_or(std::set<std::int32_t>{}));
    if (!now.all_unseen && std::any_of(changes.begin(), changes.end(), concerns_all_rights)) {
        rights_.are_seen();
        rights_are_new_ = true;
    }
}

void Stream::begin_transaction() {
    transaction_.emplace();
    catalog::take_turn(context_.source_id, context_.generation);
    std::vector<std::int32_t> const tables = catalog::tables_with_quarantine(context_.source_id);
    with_quarantine_ = {tables.begin(), tables.end()};
    locked_.begin_batch();
}

void Stream::commit_transaction() {
    bool const moved = position_is_new_ || mark_is_reached();
    if (beside_.is_due(position_)) {
        write_window();
    }
    // No target is waited for from here on.
    settle_unread_tables();
    for (auto& [name, table] : followed_) {
        if (table->error) {
            set_table_apart(table->in_catalog.table_id, *table->error);
            table->error.reset();
            touched_.insert(table->in_catalog.table_id);
        }
    }
    note_what_is_reached();
    std::vector<catalog::ChangeCounts> counts;
    for (Table* const table : written_) {
        counts.push_back(table->counts);
        table->counts = {.table_id = table->in_catalog.table_id};
    }
    catalog::add_changes(context_.source_id, counts);
    catalog::save_position(context_.source_id, position_.text, times_);
    if (std::exchange(rights_are_new_, false)) {
        catalog::save_rights(context_.source_id, rights_.text());
    }
    end_committed_at_ = times_.end_seen_at;
    if (moved && !has_moved_) {
        catalog::note_that_work_goes_on(context_.source_id);
        has_moved_ = true;
    }
    if (pg::notes_each_table() && moved) {
        catalog::forget_source_deaths(context_.source_id);
        pg::note_each_table(false);
    }
    pg::failure_point("before_stream_commit");
    transaction_->commit();
    transaction_.reset();
    pg::failure_point("after_stream_commit");
    written_.clear();
    position_is_new_ = false;
    committed_at_ = Clock::now();
}

/// In the transaction that reaches it.
void Stream::note_what_is_reached() {
    if (!mark_is_reached()) {
        return;
    }
    if (!streaming_) {
        streaming_ = true;
        catalog::tables_caught_up(context_.source_id);
        catalog::look_for_index_work_at_commit(context_.source_id, std::nullopt);
        catalog::set_state(context_.source_id, context_.generation, catalog::RunState::kStreaming);
        catalog::clear_error(context_.source_id);
        pg::begin_phase(pg::WorkerPhase::kStreaming, context_.source_id, 0, 0, "streaming " + config_.name);
        all_touched_ = catalog::begin_comparison(context_.source_id) || all_touched_;
    }
    // Who waits is told when all that the log has not told until now is in. What it does not tell later is others'.
    if (!std::exchange(mark_has_asked_, true)) {
        all_touched_ = catalog::begin_reread(context_.source_id, true) || all_touched_;
    }
    // A statement in this very transaction may have asked for copies that known_ does not have yet.
    if (touched_.empty() && !all_touched_ && !awaits_copies() && !catalog::awaits_keyless_refresh(context_.source_id)) {
        catalog::requests_served(context_.source_id, context_.generation);
        mark_.reset();
        if (!config_.is_continuous()) {
            catalog::end_following(context_.source_id, context_.generation, mark_taken_at_);
            has_ended_ = true;
        }
    }
}

void Stream::report() {
    if (!in_transaction()) {
        // Before that, what looks like the log's end may be a server that still looks for our place in it.
        if (end_seen_at_ != 0 && streaming_) {
            times_.end_seen_at = end_seen_at_;
        }
        if (end_ && source_.has_reached(position_, *end_)) {
            times_.end_seen_at = std::max(times_.end_seen_at, end_told_at_);
            end_.reset();
        }
    }
    pg::report_stream(times_.end_seen_at, bytes_read_, transactions_);
}

}  // namespace pgrepl::replication
