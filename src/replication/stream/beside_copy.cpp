// The copy of a table beside the stream.

#include "replication/stream/beside_copy.hpp"

#include <algorithm>
#include <iterator>

#include "catalog/quarantine.hpp"
#include "catalog/source_state.hpp"
#include "catalog/table_life.hpp"
#include "pg/failure_point.hpp"
#include "pg/precondition.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/work_in_hand.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/own_target.hpp"
#include "replication/access/source_access.hpp"
#include "replication/copy/copy.hpp"
#include "replication/stream/found_table.hpp"
#include "targets/row_repair.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::replication {

namespace {

/// Of ids that the stream has touched, in windows: some 600,000 ids of usual length.
constexpr std::size_t kMostTouchedWindows = 8;
constexpr std::size_t kTouchedIdBytes = 80;  ///< what an entry takes besides

}  // namespace

void BesideCopy::begin(const catalog::StreamTable& table) {
    pg::expect_no_transaction();
    stop();
    table_ = table;
    try {
        std::optional<core::TableInfo> info = rights_.find_table(table.name);
        std::optional<catalog::StreamTable> now = register_found_table(context_, config_, table.name, info);
        if (!now || now->keyless) {
            return stop();
        }
        table_ = std::move(now);
        info_ = std::move(*info);
        encoder_ = std::make_unique<target::RowEncoder>(info_.layout);
        pg::Transaction transaction;
        catalog::take_turn(context_.source_id, context_.generation);
        // What a source that was opened under other rules calls the key would be taken for the right one.
        (void)require_same_source(config_, catalog::find_source(context_.source_id));
        std::optional<std::string> bound = prepare_target();
        if (!bound) {
            return stop();  // a person has taken it out meanwhile
        }
        bound_ = std::move(*bound);
        transaction.commit();
    } catch (...) {
        std::optional<pg::SqlError> const error = error_of_table_alone();
        if (!error) {
            throw;
        }
        if (error->fields().locked_at_source) {
            stop();
            throw;
        }
        fail(*error);
        return;
    }
    phase_.emplace(pg::WorkerPhase::kCopyingBesideStream, context_.source_id, table.table_id,
                   info_.estimated_rows.value_or(0));
}

/// Whether it was there. Call as the owner.
bool BesideCopy::make_or_find_target() {
    ReadyTarget const ready =
        prepare_own_target(own_target(*table_, table_->table_id, context_.owner),
                           {.created = table_->target_created,
                            .of = table_->name,
                            .source = config_.name,
                            .without_key = table_->is_followed() ? WithoutKey::kRefused : WithoutKey::kKept,
                            .with_key = true});
    table_->relation = {ready.relid, false};
    return ready.existed;
}

/// As the owner.
target::OpenTarget BesideCopy::open() const {
    return open_own_target(own_target(*table_, table_->table_id, context_.owner), target::TargetUse::kWrite);
}

/// Where the copy begins, or goes on. Nothing if the table is not wanted any more.
std::optional<std::string> BesideCopy::prepare_target() {
    target::TargetName const seen = target::seen_name(table_->table_id);
    if (table_->copy_way == catalog::CopyWay::kBesideSeen) {
        seen_ = std::make_unique<target::SeenIds>(seen);
    }
    bool existing = false;
    bool filled = false;
    {
        pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
        existing = make_or_find_target();
        filled = target::has_rows(open());
    }
    bool const resumable = existing && table_->copy_bound && (!seen_ || target::seen_table_is_intact(seen));
    if (resumable) {
        return table_->copy_bound;
    }
    seen_.reset();
    if (filled) {
        target::create_seen_table(seen, context_.owner);
        target::mark_seen_table(seen);
        seen_ = std::make_unique<target::SeenIds>(seen);
    }
    bool const begun = catalog::begin_beside_copy(table_->table_id, filled, info_.definition, info_.structure);
    return begun ? std::optional(std::string()) : std::nullopt;
}

void BesideCopy::fail(const pg::SqlError& error) {
    pg::Transaction transaction;
    set_table_apart(table_->table_id, error);
    target::drop_side_table(target::seen_name(table_->table_id));
    transaction.commit();
    stop();
}

void BesideCopy::stop() noexcept {
    table_.reset();
    phase_.reset();
    end_reading();
    snapshot_.reset();
    is_waited_for_ = false;
    encoder_.reset();
    seen_.reset();
    bound_.clear();
    has_window_ = false;
    last_window_ = false;
    rows_.clear();
    set_aside_.clear();
    untouched_.clear();
}

void BesideCopy::open_snapshot() {
    snapshot_ = source_.open_snapshot(
        {.join = {}, .durable = false, .plan = core::CopyPlan::kBesideLog, .beside_stream = window_limits_});
}

void BesideCopy::read_window() {
    pg::expect_no_transaction();
    pg::WorkInHand const at_table({pg::Work::kTable, table_->table_id, 0});
    try {
        if (!go_on_reading()) {
            return;
        }
    } catch (const core::SourceError& error) {
        std::optional<pg::SqlError> const table_error = error_of_table_alone();
        if (!table_error) {
            throw;
        }
        if (error.kind() == core::SourceErrorKind::kTableLocked) {
            stop();  // it goes on after the last window that was written
            throw;
        }
        if (error.kind() == core::SourceErrorKind::kTableChanged) {
            // The statement that changed it is in the log, and will be met. Until then: from the first row.
            pg::Transaction transaction;
            catalog::ask_for_copy(table_->table_id, "its structure changed while it was being copied");
            transaction.commit();
            stop();
            return;
        }
        fail(*table_error);
        return;
    }
    take_window();
}

/// Whether all rows of the window are in, and nothing of them is under way any more.
bool BesideCopy::go_on_reading() {
    if (!reader_) {
        batch_.emplace(info_.layout.columns.size());
        if (!snapshot_) {
            open_snapshot();
        }
        reader_ = snapshot_->open_chunk(info_, {bound_, {}});
    }
    is_full_ = is_full_ || fill_window();
    return is_full_ && reader_->try_end();
}

/// False while rows are awaited.
bool BesideCopy::fill_window() {
    core::BatchLimits limits;
    limits.rows = std::min(limits.rows, window_limits_.rows);
    while (rows_.size() < window_limits_.rows && rows_.bytes() < window_limits_.bytes) {
        pg::check_interrupts();
        core::ChunkReader::Outcome const outcome = reader_->try_read(*batch_, limits);
        if (outcome == core::ChunkReader::Outcome::kAwaited) {
            return false;
        }
        if (outcome == core::ChunkReader::Outcome::kEnd) {
            last_window_ = true;
            return true;
        }
        for (std::size_t i = 0; i < batch_->row_count(); ++i) {
            if (std::optional<pg::RefusedRow> refused = encoder_->try_encode(batch_->row(i), rows_)) {
                set_aside_.push_back(std::move(*refused));
            }
        }
    }
    return true;
}

/// With its high mark, and without what the stream has touched since the read began.
void BesideCopy::take_window() {
    bound_ = reader_->resume_bound();
    auto const take = [&](std::string id) {
        if (!touched_.contains(id)) {
            untouched_.insert(std::move(id));
        }
    };
    for (std::size_t row = 0; row < rows_.size(); ++row) {
        take(std::string(rows_.id_text(row)));
    }
    for (const pg::RefusedRow& row : set_aside_) {
        take(row.id);
    }
    end_reading();
    is_waited_for_ = false;
    high_mark_ = log_.high_mark();
    has_window_ = true;
    pg::failure_point("window_read");
}

void BesideCopy::end_reading() noexcept {
    reader_.reset();
    batch_.reset();
    is_full_ = false;
    touched_.clear();
    touched_bytes_ = 0;
}

void BesideCopy::touch(const target::TableChanges& changes) {
    std::vector<std::string> const ids = changes.ids();
    if (seen_) {
        for (const std::string& id : ids) {
            seen_->add(id);
        }
        seen_->write();
    }
    if (is_reading()) {
        keep_touched(ids);
    }
    for (const std::string& id : ids) {
        untouched_.erase(id);
    }
}

void BesideCopy::keep_touched(const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
        if (touched_.insert(id).second) {
            touched_bytes_ += id.size() + kTouchedIdBytes;
        }
    }
    if (touched_bytes_ <= kMostTouchedWindows * window_limits_.bytes) {
        return;
    }
    rows_.clear();
    set_aside_.clear();
    last_window_ = false;
    end_reading();
    snapshot_.reset();
    is_waited_for_ = true;
}

bool BesideCopy::write(bool streaming) {
    auto const read = static_cast<std::int64_t>(rows_.size() + set_aside_.size());
    auto const bytes = static_cast<std::int64_t>(rows_.bytes());
    auto const tagged = static_cast<std::int64_t>(rows_.tagged_values());
    if (!catalog::save_beside_progress(table_->table_id, bound_, read, bytes, tagged)) {
        stop();  // it was asked for again, and begins again
        return false;
    }
    write_rows();
    phase_->add_progress(read);
    rows_.clear();
    set_aside_.clear();
    untouched_.clear();
    has_window_ = false;
    if (last_window_) {
        end(streaming);
        return true;
    }
    return false;
}

void BesideCopy::write_rows() {
    if (seen_) {
        for (std::size_t row = 0; row < rows_.size(); ++row) {
            seen_->add(rows_.id_text(row));
        }
        for (const pg::RefusedRow& row : set_aside_) {
            seen_->add(row.id);
        }
        seen_->write();
    }
    rows_.remove_rows([&](std::size_t row) { return !untouched_.contains(rows_.id_text(row)); });
    std::vector<std::string> ids;
    for (std::size_t row = 0; row < rows_.size(); ++row) {
        ids.emplace_back(rows_.id_text(row));
    }
    catalog::release_keys(table_->table_id, ids);
    std::vector<pg::RefusedRow> refused;
    {
        pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
        target::put_rows(open(), rows_, target::WhereSame::kLeave, refused);
    }
    std::copy_if(set_aside_.begin(), set_aside_.end(), std::back_inserter(refused),
                 [&](const pg::RefusedRow& row) { return untouched_.contains(row.id); });
    catalog::set_aside(context_.quarantine(table_->table_id), refused);
}

void BesideCopy::end(bool streaming) {
    std::int32_t const id = table_->table_id;
    if (seen_) {
        std::int64_t deleted = 0;
        {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            deleted = target::TargetWriter(open()).remove_where(target::SeenIds::not_seen(target::seen_name(id)));
        }
        catalog::add_changes(context_.source_id, {{id, 0, 0, deleted, 0}});
        target::drop_side_table(target::seen_name(id));
    }
    catalog::forget_stale_quarantine(id);
    catalog::end_beside_copy(id, streaming);
    stop();
}

}  // namespace pgrepl::replication
