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
/// Between two looks for rows that the stream waits for.
constexpr int kWaitForRowsMs = 20;
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
      limits_(batch_limits(config.parsed_options)),
      rights_(source),
      locked_(config.target_lock_patience_ms()),
      read_again_(log_),
      tables_(context.source_id, config),
      beside_(context, config, source, log_, rights_, {.rows = limits_.changes, .bytes = limits_.bytes}),
      writer_(context, {config, source, tables_, locked_, read_again_, beside_, applied_}),
      scheduler_(context,
                 {config, source, log_, interrupts, rights_, tables_, locked_, read_again_, beside_, applied_}) {}

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
        mark_has_asked_ = core::is_followed(config_.plan) && state && state->sync_done >= state->sync_requested;
        request.tables = tables_.load();
        transaction.commit();
        applied_.position.text = start->position;
        rights_.were(start->rights);
        request.reader_id = static_cast<std::uint32_t>(config_.parsed_options.server_id.value_or(0));
        if (request.reader_id == 0) {
            request.reader_id = static_cast<std::uint32_t>(start->reader_id);
        }
    }
    source_.set_lock_patience(SourceLocks::kPatienceMs);
    request.position = applied_.position;
    stream_ = log_.open_stream(request);
    tables_.attach(*stream_);
    applied_.position = stream_->start();
    mark_taken_at_ = GetCurrentTimestamp();
    mark_ = log_.high_mark();  // of the server that the stream is of
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
    catalog::save_position(context_.source_id, applied_.position.text, {});
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
        is_busy = scheduler_.look_at_changed_tables();
        is_busy = scheduler_.work_on_copy() || is_busy;
        is_busy = write_window_if_due() || is_busy;
        is_busy = scheduler_.work_on_keyless_refresh() || is_busy;
        if (beside_.holds_stream()) {
            return await_rows(is_busy);
        }
    }
    limits_.wait_ms = wait_ms(is_busy);
    if (limits_.wait_ms == kWaitMs) {
        pg::failure_point("nothing_to_do");
    }
    read_batch();
    has_read_ = true;
    read_at_ = GetCurrentTimestamp();
    end_seen_at_ = batch_.at_end_of_log ? read_at_ : 0;
    bytes_read_ += static_cast<std::int64_t>(batch_.bytes_read);
    apply_batch();
}

/// What came before an error is not to be read again: where the log ends within an event, only a stream from behind
/// that gets on. Whoever opens the next one knows the position that was committed.
void Stream::read_batch() {
    std::optional<core::SourceError> failure;
    try {
        stream_->read(batch_, limits_);
    } catch (const core::SourceError& error) {
        if (in_transaction() || !position_is_new_ || error.kind() == core::SourceErrorKind::kInterrupted) {
            throw;
        }
        failure.emplace(error);
    }
    if (failure) {
        writer_.begin();
        commit();
        throw core::SourceError(*failure);
    }
}

/// Whatever else is asked for is done meanwhile, and looked for several times a second. Of the log nothing is known
/// then.
void Stream::await_rows(bool is_busy) {
    end_seen_at_ = 0;
    batch_.bytes_read = 0;
    if (!is_busy) {
        pg::wait_for_latch(kWaitForRowsMs, pg::WaitFor::kSource);
    }
}

/// A window that need not wait for anything of the log.
bool Stream::write_window_if_due() {
    if (!beside_.is_due(applied_.position)) {
        return false;
    }
    writer_.begin();
    commit();
    take_up_touched();
    return true;
}

/// For the log. Not at all while there is something else to do, and not long while something is awaited that nobody
/// tells us of.
int Stream::wait_ms(bool is_busy) const {
    if (is_busy) {
        return 0;
    }
    return scheduler_.awaits_something() || (!applied_.streaming && mark_is_reached()) ? kWaitForMarkMs : kWaitMs;
}

/// What others have asked for meanwhile.
void Stream::do_between_batches() {
    between_batches_at_ = Clock::now();
    pg::failure_point("between_batches");
    // In this order: whoever asks for a table and then waits must find that the table is seen with the request.
    take_sync_requests();
    bool const any_locked =
        std::any_of(tables_.known().begin(), tables_.known().end(), [](const auto& table) { return table.locked; });
    if (any_locked) {
        (void)locked_.look_again(context_.source_id, context_.owner, LockedTargets::Which::kAll);
    }
    if (scheduler_.tables_are_others()) {
        scheduler_.reload_tables();
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
    if (!applied_.streaming || scheduler_.is_copying()) {
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
        scheduler_.reload_tables();
    }
}

/// One that is stuck would keep us waiting: only a server that has just given a sign of life is asked.
bool Stream::source_answers() const { return !has_read_ || end_seen_at_ != 0 || batch_.bytes_read != 0; }

/// Where the log ends: whoever has applied it up to there is as far behind as the question is old, whatever the clocks
/// of the source and its sessions say. A quiet log shows its end by itself; then it is asked for, less often, whether
/// the log still holds what was read of it.
void Stream::look_for_the_end() {
    bool const is_quiet = end_seen_at_ != 0;
    bool const awaits_mark =
        (mark_ && !mark_is_reached()) || (beside_.has_window() && !beside_.is_due(applied_.position));
    Clock::duration const pause =
        is_quiet && !awaits_mark ? Clock::duration(kCheckHistoryEvery)
                                 : std::max<Clock::duration>(kAskForTheEndEvery, kMostTimeForAsking * end_answer_took_);
    Clock::time_point const now = Clock::now();
    if (!has_read_ || (end_ && !is_quiet) || now - end_asked_at_ < pause) {
        return;
    }
    end_told_at_ = GetCurrentTimestamp();
    // Of what the server was about to commit some may have come to nothing, or be about to for hours.
    bool const is_settled = is_quiet && awaits_mark;
    end_ = is_settled ? log_.settled_mark(applied_.position) : log_.high_mark();
    end_asked_at_ = Clock::now();
    end_answer_took_ = end_asked_at_ - now;
    require_history(is_quiet);
    if (is_settled) {
        mark_ = mark_ ? end_ : mark_;
        beside_.wait_for(*end_);
    }
}

/// What has been read must be in the source's log for good. Opening it again says what is wrong, if it is not.
void Stream::require_history(bool at_end) {
    if (!log_.is_intact(applied_.position, at_end)) {
        throw core::SourceError(core::SourceErrorKind::kUnreachable, 0,
                                "the log of source \"" + config_.name + "\" is not the one that was read", true,
                                "What has been read is " + applied_.position.text + ".",
                                "It was reset, or another server answers. It is opened again, and then shows.");
    }
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

bool Stream::mark_is_reached() const { return mark_ && log_.has_reached(applied_.position, *mark_); }

bool Stream::has_to_commit() const {
    return beside_.is_due(applied_.position) ||
           (mark_is_reached() && (!applied_.streaming || scheduler_.copies_are_in())) ||
           (position_is_new_ && Clock::now() - committed_at_ >= kCommitPositionEvery) ||
           applied_.times.end_seen_at - end_committed_at_ >= kCommitEndEveryUs;
}

void Stream::apply_batch() {
    if (batch_.withdrawn && in_transaction()) {
        writer_.withdraw();
        scheduler_.reload_tables();
    }
    writer_.take_up(batch_);
    std::size_t const complete = batch_.position.text.empty() ? 0 : batch_.complete_changes;
    if (!batch_.position.text.empty() || !in_transaction()) {
        end_transactions(complete);
    }
    if (batch_.transaction_open()) {
        if (!in_transaction()) {
            writer_.begin();
        }
        writer_.apply(complete, batch_.changes.size());
    }
    take_up_touched();
    report();
}

/// Before anything else of the log is read.
void Stream::take_up_touched() {
    if (!in_transaction() && writer_.has_touched()) {
        Touched touched = writer_.take_touched();
        scheduler_.reload_tables(touched.all ? std::nullopt : std::optional(std::move(touched.ids)));
    }
}

/// Applies what is complete in the batch, and commits it if there is a reason to.
void Stream::end_transactions(std::size_t complete_changes) {
    if (!batch_.position.text.empty()) {
        applied_.position = batch_.position;
        position_is_new_ = true;
        if (batch_.transactions != 0) {
            applied_.times.committed_us = batch_.commit_time_us;
            applied_.times.read_at = read_at_;
        }
        transactions_ += batch_.transactions;
    }
    bool const changes = complete_changes > 0 || !batch_.schema_changes.empty() || !batch_.not_followed.empty() ||
                         in_transaction() || writer_.has_unread();
    if (!changes && !has_to_commit()) {
        return;
    }
    // The source is asked before the transaction starts. What it does not tell now is looked at later.
    std::vector<core::SchemaChange> of_tables;
    TablesNow now;
    if (!batch_.schema_changes.empty()) {
        scheduler_.met_statement();
        bool const shown = scheduler_.is_shown();
        of_tables = schema_changes(shown);
        now = look_up_changed_tables(source_, of_tables, shown);
    }
    if (!in_transaction()) {
        writer_.begin();
    }
    writer_.apply(0, complete_changes);
    if (!of_tables.empty()) {
        change_tables(of_tables, now);
    }
    if (!batch_.not_followed.empty()) {  // and a statement of this batch has not made them known
        writer_.note_strangers();
    }
    commit();
}

/// In a transaction, after the changes of rows that the log has before them.
void Stream::change_tables(const std::vector<core::SchemaChange>& changes, const TablesNow& now) {
    writer_.apply_schema_changes(changes, now);
    // Else it begins when the stream has caught up.
    if (applied_.streaming && catalog::begin_comparison(context_.source_id)) {
        writer_.touch_all();
    }
    if (!now.all_unseen && std::any_of(changes.begin(), changes.end(), concerns_all_rights)) {
        rights_.are_seen();
        rights_are_new_ = true;
    }
}

void Stream::commit() {
    bool const moved = position_is_new_ || mark_is_reached();
    writer_.settle();
    note_what_is_reached();
    if (std::exchange(rights_are_new_, false)) {
        catalog::save_rights(context_.source_id, rights_.text());
    }
    if (moved && !has_moved_) {
        catalog::note_that_work_goes_on(context_.source_id);
        has_moved_ = true;
    }
    if (pg::notes_each_table() && moved) {
        catalog::forget_source_deaths(context_.source_id);
        pg::note_each_table(false);
    }
    end_committed_at_ = applied_.times.end_seen_at;
    writer_.commit();
    position_is_new_ = false;
    committed_at_ = Clock::now();
}

/// In the transaction that reaches it.
void Stream::note_what_is_reached() {
    if (!mark_is_reached()) {
        return;
    }
    if (!applied_.streaming) {
        applied_.streaming = true;
        catalog::tables_caught_up(context_.source_id);
        catalog::look_for_index_work_at_commit(context_.source_id, std::nullopt);
        catalog::set_state(context_.source_id, context_.generation, catalog::RunState::kStreaming);
        catalog::clear_error(context_.source_id);
        pg::begin_phase(pg::WorkerPhase::kStreaming, context_.source_id, 0, 0, "streaming " + config_.name);
        if (catalog::begin_comparison(context_.source_id)) {
            writer_.touch_all();
        }
    }
    // Who waits is told when all that the log has not told until now is in. What it does not tell later is others'.
    if (!std::exchange(mark_has_asked_, true)) {
        if (catalog::begin_reread(context_.source_id, true)) {
            writer_.touch_all();
        }
    }
    // A statement in this very transaction may have asked for copies that known_ does not have yet.
    if (!writer_.has_touched() && !scheduler_.awaits_copies() && !catalog::awaits_keyless_refresh(context_.source_id)) {
        catalog::requests_served(context_.source_id, context_.generation);
        mark_.reset();
        if (!core::is_followed(config_.plan)) {
            catalog::end_following(context_.source_id, context_.generation, mark_taken_at_);
            has_ended_ = true;
        }
    }
}

void Stream::report() {
    if (!in_transaction()) {
        // Before that, what looks like the log's end may be a server that still looks for our place in it.
        if (end_seen_at_ != 0 && applied_.streaming) {
            applied_.times.end_seen_at = end_seen_at_;
        }
        if (end_ && log_.has_reached(applied_.position, *end_)) {
            applied_.times.end_seen_at = std::max(applied_.times.end_seen_at, end_told_at_);
            end_.reset();
        }
    }
    pg::report_stream(applied_.times.end_seen_at, bytes_read_, transactions_);
}

}  // namespace pgrepl::replication
