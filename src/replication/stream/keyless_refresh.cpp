// The refresh of a table without a key beside the stream.

#include "replication/stream/keyless_refresh.hpp"

#include "catalog/events.hpp"
#include "catalog/quarantine.hpp"
#include "catalog/source_state.hpp"
#include "catalog/stream_state.hpp"
#include "catalog/table_life.hpp"
#include "catalog/target_indexes.hpp"
#include "pg/failure_point.hpp"
#include "pg/precondition.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/work_in_hand.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/own_target.hpp"
#include "replication/access/source_access.hpp"
#include "replication/copy/staged_merge.hpp"
#include "replication/stream/found_table.hpp"
#include "targets/bulk_load.hpp"

namespace pgrepl::replication {

namespace {

/// The stream waits for as long as a piece takes.
constexpr core::BatchLimits kPiece = {.rows = 10'000, .bytes = 8 << 20};

}  // namespace

void KeylessRefresh::begin(const catalog::KeylessTable& table) {
    pg::expect_no_transaction();
    table_ = table;
    try {
        open();
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
    }
}

void KeylessRefresh::open() {
    std::optional<core::TableInfo> info = rights_.find_table(table_->name);
    std::optional<catalog::StreamTable> const now = register_found_table(context_, config_, table_->name, info);
    if (!now || !now->keyless) {
        return close();
    }
    bool wanted = false;
    {
        pg::Transaction transaction;
        catalog::take_turn(context_.source_id, context_.generation);
        require_same_source(config_, catalog::find_source(context_.source_id));
        wanted = catalog::begin_keyless_refresh(table_->table_id);
        if (wanted) {
            prepare_target();
        }
        transaction.commit();
    }
    if (!wanted) {
        return close();
    }
    info_ = std::move(*info);
    encoder_ = std::make_unique<target::RowEncoder>(info_.layout);
    snapshot_ = source_.open_snapshot(
        {.join = {}, .durable = false, .plan = core::CopyPlan::kBesideLog, .beside_stream = kPiece});
    batch_.emplace(info_.layout.columns.size());
    reader_ = snapshot_->open_chunk(info_, {});
    phase_.emplace(pg::WorkerPhase::kComparingKeyless, context_.source_id, table_->table_id,
                   info_.estimated_rows.value_or(0));
}

void KeylessRefresh::prepare_target() {
    {
        pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
        ReadyTarget const ready = prepare_own_target(
            target(),
            {.created = table_->target_created, .of = table_->name, .source = config_.name, .with_key = true});
        table_->relation = {ready.relid, false};
    }
    target::create_staging(table_->table_id, context_.owner);
}

bool KeylessRefresh::step() {
    pg::expect_no_transaction();
    pg::WorkInHand const at_table({pg::Work::kTable, table_->table_id, 0});
    try {
        return go_on();
    } catch (const core::SourceError& error) {
        std::optional<pg::SqlError> const table_error = error_of_table_alone();
        if (!table_error) {
            throw;
        }
        if (error.kind() == core::SourceErrorKind::kTableLocked) {
            stop();
            throw;
        }
        if (error.kind() != core::SourceErrorKind::kTableChanged) {
            fail(*table_error);
            return true;
        }
        pg::Transaction transaction;
        catalog::ask_for_copy(table_->table_id, "its structure changed while it was being read");
        transaction.commit();
        stop();
    } catch (const pg::SqlError&) {
        std::optional<pg::SqlError> const table_error = error_of_table_alone();
        if (!table_error) {
            throw;
        }
        fail(*table_error);
    }
    return true;
}

bool KeylessRefresh::go_on() {
    core::ChunkReader::Outcome const outcome = read_piece();
    if (outcome == core::ChunkReader::Outcome::kAwaited) {
        return false;
    }
    write_piece();
    if (outcome == core::ChunkReader::Outcome::kEnd) {
        merge();
        close();
    }
    return true;
}

core::ChunkReader::Outcome KeylessRefresh::read_piece() {
    while (rows_.size() < kPiece.rows && rows_.bytes() < kPiece.bytes) {
        pg::check_interrupts();
        core::ChunkReader::Outcome const outcome = reader_->try_read(*batch_, core::BatchLimits{});
        if (outcome != core::ChunkReader::Outcome::kRows) {
            return outcome;
        }
        for (std::size_t i = 0; i < batch_->row_count(); ++i) {
            if (std::optional<pg::RefusedRow> refused = encoder_->try_encode(batch_->row(i), rows_)) {
                set_aside_.push_back(std::move(*refused));
            }
        }
    }
    return core::ChunkReader::Outcome::kRows;
}

void KeylessRefresh::write_piece() {
    pg::Transaction transaction;
    {
        pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kRestrictedOperation);
        target::BulkLoad load(target::staging_name(table_->table_id), GetCurrentTransactionStartTimestamp());
        std::vector<pg::RefusedRow> refused;
        load.append(rows_, refused);
        if (!refused.empty()) {
            throw pg::SqlError(refused.front().error);  // it is a table of ours, where nobody else has a say
        }
        for (const pg::RefusedRow& row : set_aside_) {
            load.append_set_aside(row.id);
        }
        load.finish();
    }
    catalog::set_aside(context_.quarantine(table_->table_id), set_aside_);
    auto const count = static_cast<std::int64_t>(rows_.size() + set_aside_.size());
    catalog::save_keyless_progress(table_->table_id, count, static_cast<std::int64_t>(rows_.bytes()),
                                   static_cast<std::int64_t>(rows_.tagged_values()));
    transaction.commit();
    phase_->add_progress(count);
    rows_.clear();
    set_aside_.clear();
    pg::failure_point("keyless_rows_staged");
}

void KeylessRefresh::merge() {
    std::int32_t const id = table_->table_id;
    {
        pg::Transaction transaction;
        target::analyze_staging(id);
        target::number_identical_rows(id);
        transaction.commit();
    }
    pg::Transaction transaction;
    catalog::take_turn(context_.source_id, context_.generation);
    if (catalog::is_keyless_refresh_wanted(id)) {
        target::MergeCounts counts;
        std::optional<pg::SqlError> const error = merge_staged(context_, target(), std::nullopt, counts);
        if (error) {
            throw pg::SqlError(*error);
        }
        if (catalog::record_merge(id, {.consistency = core::Consistency::kState, .request = table_->request}) &&
            table_->is_new) {
            catalog::tell_table_copied(id);
        }
        catalog::add_changes(context_.source_id, {{id, counts.inserted, counts.updated, counts.deleted, 0}});
        catalog::forget_stale_quarantine(id);
        catalog::look_for_index_work_at_commit(context_.source_id, id);
    }
    target::release_staging(id, core::is_followed(config_.plan) && config_.keyless_refresh_interval_ms() > 0);
    transaction.commit();
}

void KeylessRefresh::fail(const pg::SqlError& error) {
    pg::Transaction transaction;
    set_table_apart(table_->table_id, error);
    target::drop_staging(table_->table_id);
    transaction.commit();
    close();
}

void KeylessRefresh::stop() {
    if (table_) {
        pg::Transaction transaction;
        target::drop_staging(table_->table_id);
        transaction.commit();
    }
    close();
}

void KeylessRefresh::close() noexcept {
    table_.reset();
    phase_.reset();
    reader_.reset();
    batch_.reset();
    snapshot_.reset();
    encoder_.reset();
    rows_.clear();
    set_aside_.clear();
}

}  // namespace pgrepl::replication
