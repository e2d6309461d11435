// The loop of the stream: looking around, reading, committing. stream_apply.cpp writes the changes.

#include "replication/stream.hpp"

#include <algorithm>

#include "catalog/deaths.hpp"
#include "catalog/events.hpp"
#include "catalog/source_state.hpp"
#include "catalog/target_indexes.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/settings.hpp"
#include "pg/stream_report.hpp"
#include "pg/wait.hpp"
#include "pg/work_in_hand.hpp"
#include "replication/error_policy.hpp"
#include "replication/low_mark.hpp"
#include "replication/schema_effects.hpp"
#include "replication/stream_table.hpp"

namespace pgrepl::replication {

namespace {

constexpr std::chrono::milliseconds kLookAroundEvery{250};
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
/// For the source to show what a statement in its log has done.
constexpr int kShownTimeoutMs = 30'000;
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
      interrupts_(interrupts),
      limits_(batch_limits(config.parsed_options)),
      beside_(context, config, source, interrupts, {.rows = limits_.changes, .bytes = limits_.bytes}),
      keyless_(context, config, source),
      locked_(config.target_lock_patience_ms()),
      read_again_(source) {}

Stream::~Stream() = default;

void Stream::open() {
    pg::begin_phase("opening the stream", context_.source_id, 0, 0, "opening the stream of " + config_.name);
    core::StreamRequest request;
    {
        pg::Transaction transaction;
        catalog::lock_state(context_.source_id, context_.generation);
        std::optional<catalog::StreamStart> const start = catalog::load_stream_start(context_.source_id);
        if (!start) {
            throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the stream has no position to begin behind");
        }
        catalog::set_state(context_.source_id, context_.generation, "catching_up");
        catalog::take_requests(context_.source_id, context_.generation);
        known_ = catalog::stream_tables(context_.source_id);
        transaction.commit();
        position_.text = start->position;
        request.reader_id = static_cast<std::uint32_t>(config_.parsed_options.server_id.value_or(0));
        if (request.reader_id == 0) {
            request.reader_id = static_cast<std::uint32_t>(start->reader_id);
        }
    }
    mark_taken_at_ = GetCurrentTimestamp();
    mark_ = source_.high_mark();
    request.position = position_;
    for (const catalog::StreamTable& table : known_) {
        if (table.is_followed()) {
            followed_.emplace(table.name, std::make_unique<Table>(table));
            request.tables.push_back({table.name, table.structure});
        }
    }
    stream_ = source_.open_stream(request);
    position_ = stream_->start();
    if (std::string const doubt = stream_->doubt(); !doubt.empty()) {
        settle_doubt(doubt);
    }
    committed_at_ = Clock::now();
    pg::begin_phase("catching up", context_.source_id, 0, 0, "catching up with " + config_.name);
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
    if (!in_transaction()) {
        if (Clock::now() - looked_around_at_ >= kLookAroundEvery) {
            look_around();
        }
        work_on_beside_copy();
        work_on_keyless_refresh();
    }
    bool const hurry = beside_.is_active() || keyless_.is_active() || (!streaming_ && mark_is_reached());
    limits_.wait_ms = hurry ? kWaitForMarkMs : kWaitMs;
    stream_->read(batch_, limits_);
    read_at_ = GetCurrentTimestamp();
    end_seen_at_ = batch_.at_end_of_log ? read_at_ : 0;
    bytes_read_ += static_cast<std::int64_t>(batch_.bytes_read);
    apply_batch();
}

/// What others have asked for meanwhile.
void Stream::look_around() {
    looked_around_at_ = Clock::now();
    pg::failure_point("looks_around");
    // In this order: whoever asks for a table and then waits must find that the table is seen with the request.
    take_sync_requests();
    bool const any_locked =
        std::any_of(known_.begin(), known_.end(), [](const catalog::StreamTable& table) { return table.locked; });
    if (any_locked) {
        (void)locked_.look_again(context_.source_id, context_.owner);
    }
    if (tables_are_others()) {
        reload_tables();
    }
    look_for_the_end();
}

/// Where the log ends: whoever has applied it up to there is as far behind as the question is old, whatever the clocks
/// of the source and its sessions say. A quiet log shows its end by itself; then it is asked for, less often, whether
/// the log still holds what was read of it.
void Stream::look_for_the_end() {
    bool const is_quiet = end_seen_at_ != 0;
    // Asked is only a server that has just given a sign of life: one that is stuck would keep us waiting.
    bool const answers = is_quiet || batch_.bytes_read != 0;
    Clock::duration const pause =
        is_quiet ? Clock::duration(kCheckHistoryEvery)
                 : std::max<Clock::duration>(kAskForTheEndEvery, kMostTimeForAsking * end_answer_took_);
    Clock::time_point const now = Clock::now();
    if (!answers || (end_ && !is_quiet) || now - end_asked_at_ < pause) {
        return;
    }
    end_told_at_ = GetCurrentTimestamp();
    end_ = source_.high_mark();
    end_asked_at_ = Clock::now();
    end_answer_took_ = end_asked_at_ - now;
    require_history(is_quiet);
    if (is_quiet && mark_) {
        mark_ = end_;  // one that came to nothing: what the server was about to commit, and did not
    }
}

/// What has been read must be in the source's log for good. Opening it again says what is wrong, if it is not.
void Stream::require_history(bool at_end) {
    if (!source_.is_log_intact(position_, at_end)) {
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
    next_keyless_ = catalog::next_keyless_table(context_.source_id, keyless_interval_ms());
    transaction.commit();
    return fingerprint != fingerprint_;
}

void Stream::reload_tables() {
    std::vector<catalog::StreamTable> const before = std::move(known_);
    {
        pg::Transaction transaction;
        fingerprint_ = catalog::stream_tables_fingerprint(context_.source_id);
        known_ = catalog::stream_tables(context_.source_id);
        next_keyless_ = catalog::next_keyless_table(context_.source_id, keyless_interval_ms());
        transaction.commit();
    }
    note_locked_tables(before);
    bool const still_refreshed = std::any_of(known_.begin(), known_.end(), [&](const catalog::StreamTable& table) {
        return table.table_id == keyless_.table_id() && table.keyless && table.state != "pending";
    });
    if (keyless_.is_active() && !still_refreshed) {
        keyless_.give_up();  // paused, dropped, asked for anew, or it has a key now
    }
    std::set<core::TableName> wanted;
    for (const catalog::StreamTable& table : known_) {
        if (table.is_followed()) {
            wanted.insert(table.name);
            follow(table);
        }
    }
    for (auto entry = followed_.begin(); entry != followed_.end();) {
        if (wanted.contains(entry->first)) {
            ++entry;
            continue;
        }
        stream_->forget(entry->first);
        entry = followed_.erase(entry);
    }
    if (!beside_.is_active()) {
        return;
    }
    bool const still_copying = std::any_of(known_.begin(), known_.end(), [&](const catalog::StreamTable& table) {
        return table.table_id == beside_.table_id() && table.beside_bound;
    });
    if (!still_copying) {
        beside_.stop();  // paused, dropped, or asked for anew
    }
}

void Stream::follow(const catalog::StreamTable& table) {
    auto const known = followed_.find(table.name);
    if (known == followed_.end()) {
        followed_.emplace(table.name, std::make_unique<Table>(table));
    } else if (known->second->in_catalog.table_id == table.table_id &&
               known->second->in_catalog.structure == table.structure) {
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
        mark_ = source_.high_mark();
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
    if (batch_.taken_back && in_transaction()) {
        take_back();
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
    if (!in_transaction() && tables_changed_) {
        tables_changed_ = false;
        reload_tables();
    }
    report();
}

/// The source will never commit what has been written of its transaction.
void Stream::take_back() {
    transaction_.reset();
    written_.clear();
    for (auto& [name, table] : followed_) {
        table->counts = {.table_id = table->in_catalog.table_id};
        table->error.reset();
        table->unread.reset();
    }
    any_unread_ = false;
    beside_.stop();  // its window lacks the keys that the transaction has touched
    tables_changed_ = false;
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
    // The source is asked before the transaction starts: it may take its time to answer.
    if (!batch_.schema_changes.empty() && !wait_until_shown(source_, interrupts_, position_, kShownTimeoutMs)) {
        throw core::SourceError(core::SourceErrorKind::kBusy, 0,
                                "source \"" + config_.name + "\" does not show a statement that is in its log", true,
                                "It is at " + position_.text + ".", "It is tried again.");
    }
    TablesNow const now = look_up_changed_tables(source_, batch_.schema_changes);
    if (!in_transaction()) {
        begin_transaction();
    }
    apply_changes(0, complete_changes);
    if (!batch_.schema_changes.empty()) {
        settle_unread_tables();  // what the statements say of them is newer
        for (const core::SchemaChange& change : batch_.schema_changes) {
            if (auto const found = followed_.find(change.table); found != followed_.end()) {
                read_again_.forget(found->second->in_catalog.table_id);
            }
        }
        pg::TargetPatience const patience(locked_.patience_ms());
        apply_schema_changes(config_, source_, batch_.schema_changes, now);
        tables_changed_ = true;
    }
    commit_transaction();
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
            tables_changed_ = true;
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
        catalog::set_state(context_.source_id, context_.generation, "streaming");
        catalog::clear_error(context_.source_id);
        pg::begin_phase("streaming", context_.source_id, 0, 0, "streaming " + config_.name);
        tables_changed_ |= catalog::begin_comparison(context_.source_id);
    }
    // A statement in this very transaction may have asked for copies that known_ does not have yet.
    if (!tables_changed_ && !awaits_copies() && !catalog::awaits_keyless_refresh(context_.source_id)) {
        catalog::requests_served(context_.source_id, context_.generation);
        mark_.reset();
        if (!config_.is_continuous()) {
            catalog::end_following(context_.source_id, context_.generation, mark_taken_at_);
            has_left_ = true;
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
