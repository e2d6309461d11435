// The inner loop of every copy. A chunk is written in transactions of bounded size; each saves the bound up to
// which the chunk is in, so a crash costs at most one of them.

#include "replication/copy/chunk_copier.hpp"

#include <algorithm>
#include <chrono>
#include <memory>

#include "catalog/deaths.hpp"
#include "catalog/events.hpp"
#include "catalog/locked_tables.hpp"
#include "catalog/quarantine.hpp"
#include "catalog/source_state.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/shared_state.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "pg/work_in_hand.hpp"
#include "pg/worker.hpp"
#include "replication/access/error_policy.hpp"
#include "replication/access/own_target.hpp"
#include "targets/bulk_load.hpp"
#include "targets/row_encoder.hpp"
#include "targets/seen_ids.hpp"
#include "targets/target_lookup.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::replication {

namespace {

// A transaction of a chunk ends at whichever comes first. Large enough that its commit costs nothing beside
// the rows, small enough that progress is seen and a crash loses little.
constexpr std::int64_t kTransactionRows = 200'000;
constexpr std::int64_t kTransactionBytes = 128LL * 1024 * 1024;
constexpr std::chrono::milliseconds kTransactionTime{3'000};

/// What one transaction of a chunk may hold. Whatever interrupts a chunk again and again (who kills its worker every
/// few seconds, say) finds that more of it was kept: less is at stake each time, down to one batch.
struct TransactionLimits {
    explicit TransactionLimits(std::int32_t leases) {
        std::int64_t const part = std::int64_t{1} << (3 * std::clamp(leases - 1, 0, 4));
        rows = kTransactionRows / part;
        bytes = kTransactionBytes / part;
        time = kTransactionTime / part;
    }
    std::int64_t rows;
    std::int64_t bytes;
    std::chrono::milliseconds time;
};

/// The row of the copy queue that a chunk belongs to.
catalog::CopyTable table_of_chunk(const CopyContext& context, std::int32_t table_id) {
    if (std::optional<catalog::CopyTable> table = catalog::table_in_copy(context.source_id, table_id)) {
        return std::move(*table);
    }
    throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "a table was withdrawn while it was being copied");
}

}  // namespace

/// A leased chunk, its reader and its encoder; the reader goes on from transaction to transaction.
class ChunkCopier::ChunkInHand {
  public:
    ChunkInHand(catalog::Chunk leased, catalog::CopyTable in_table, const core::TableInfo& info,
                core::Snapshot& snapshot)
        : chunk(std::move(leased)),
          table(std::move(in_table)),
          has_key(info.layout.has_key()),
          reader(snapshot.open_chunk(info, chunk.range)),
          encoder(info.layout),
          batch(info.layout.columns.size()) {}

    catalog::Chunk chunk;
    catalog::CopyTable table;
    bool has_key;
    std::unique_ptr<core::ChunkReader> reader;
    target::RowEncoder encoder;
    core::RowBatch batch;
    target::EncodedRows encoded;
};

/// One transaction's writing of a chunk: into the target itself, or, for a refresh, of what differs into staging.
class ChunkCopier::ChunkWriter {
  public:
    /// Call as the role that writes the chunk's destination.
    ChunkWriter(const CopyContext& context, ChunkInHand& chunk)
        : context_(context), chunk_(chunk), seen_(target::seen_name(chunk.table.table_id)) {
        OwnTarget const target = own_target(chunk.table, chunk.table.table_id, context.owner);
        TimestampTz const now = GetCurrentTransactionStartTimestamp();
        if (!chunk.table.staging) {
            load_.emplace(open_own_target(target, target::TargetUse::kFill), now);
            return;
        }
        load_.emplace(target::staging_name(chunk.table.table_id), now);
        if (chunk.has_key) {  // without a key all rows are staged, and numbered then
            pg::RoleScope const as_owner(context.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            lookup_.emplace(open_own_target(target, target::TargetUse::kRead));
        }
    }

    /// Encodes the batch in hand and writes it; rows that cannot be stored are set aside.
    void write_batch() {
        target::EncodedRows& rows = chunk_.encoded;
        std::vector<pg::RefusedRow> refused = encode_batch(rows);
        if (lookup_) {
            leave_out_unchanged(rows);
        }
        load_->append(rows, refused);
        if (!refused.empty()) {
            pg::RoleScope const as_catalog(pg::catalog_role(), pg::RoleScope::Restriction::kNone);
            catalog::set_aside(context_.quarantine(chunk_.table.table_id), refused);
        }
    }

    /// Writes what is left, and adds to `progress` what was found in the target.
    void finish(catalog::ChunkProgress& progress) {
        load_->finish();
        if (lookup_) {
            lookup_->finish();
            seen_.write();
            progress.found_rows = found_ids_.count;
            progress.found_first = found_ids_.first;
            progress.found_second = found_ids_.second;
            progress.unsure_rows = unsure_rows_;
        }
    }

  private:
    /// Returns rows that cannot be jsonb.
    std::vector<pg::RefusedRow> encode_batch(target::EncodedRows& rows) {
        const core::RowBatch& batch = chunk_.batch;
        std::vector<pg::RefusedRow> refused;
        rows.clear();
        for (std::size_t i = 0; i < batch.row_count(); ++i) {
            if (std::optional<pg::RefusedRow> row = chunk_.encoder.try_encode(batch.row(i), rows)) {
                if (chunk_.table.staging) {
                    load_->append_set_aside(row->id);
                    ++unsure_rows_;
                }
                refused.push_back(std::move(*row));
            }
        }
        return refused;
    }

    /// What the target holds already needs no staging: it is enough to know that it is still at the source.
    void leave_out_unchanged(target::EncodedRows& rows) {
        {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            lookup_->compare(rows, found_);
        }
        for (std::size_t row = 0; row < rows.size(); ++row) {
            if (found_[row] == target::Found::kSame) {
                seen_.add(rows.id_text(row));
            }
            if (found_[row] != target::Found::kMissing) {
                found_ids_.add(rows.id_text(row));
            }
        }
        rows.remove_rows([&](std::size_t row) { return found_[row] == target::Found::kSame; });
    }

    const CopyContext& context_;
    ChunkInHand& chunk_;
    std::optional<target::BulkLoad> load_;
    std::optional<target::TargetLookup> lookup_;
    std::vector<target::Found> found_;
    target::SeenIds seen_;
    target::IdFingerprint found_ids_;
    std::int64_t unsure_rows_ = 0;
};

ChunkCopier::ChunkCopier(CopyContext context, core::Snapshot& snapshot) : context_(context), snapshot_(snapshot) {
    for (core::TableInfo& table : snapshot.discover()) {
        core::TableName const name = table.name;
        tables_.emplace(name, std::move(table));
    }
}

const core::TableInfo* ChunkCopier::find(const core::TableName& name) const {
    auto const found = tables_.find(name);
    return found == tables_.end() ? nullptr : &found->second;
}

bool ChunkCopier::copy_next_chunk() {
    std::optional<catalog::Chunk> chunk;
    std::optional<catalog::CopyTable> table;
    {
        pg::Transaction transaction;
        chunk = catalog::lease_chunk(context_.source_id, context_.generation);
        if (chunk) {
            table = table_of_chunk(context_, chunk->table_id);
        }
        transaction.commit();
    }
    if (!chunk) {
        return false;
    }
    pg::WorkInHand const at_chunk({pg::Work::kChunk, chunk->table_id, chunk->number});
    try {
        const core::TableInfo* const info = find(table->name);
        if (info == nullptr) {
            throw core::SourceError(core::SourceErrorKind::kTableChanged, 0,
                                    "table \"" + table->name.qualified() + "\" is no longer at the source", false);
        }
        pg::begin_phase(table->staging ? pg::WorkerPhase::kComparingAndStaging : pg::WorkerPhase::kCopying,
                        context_.source_id, table->table_id, 0,
                        "copying " + table->name.qualified() + ", chunk " + std::to_string(chunk->number));
        pg::failure_point("copy_chunk", table->name.table);
        if (!info->layout.has_key()) {
            start_over(*chunk);
        }
        ChunkInHand in_hand(*chunk, *table, *info, snapshot_);
        copy_chunk(in_hand);
    } catch (...) {
        std::optional<pg::SqlError> const table_error = error_of_table_alone();
        pg::Transaction transaction;
        if (table_error && waits_aside(*table_error) && !table->staging) {
            catalog::release_chunk(*chunk, context_.generation);
            catalog::note_locked(table->table_id, *table_error);
            transaction.commit();
        } else if (table_error) {
            set_table_apart(table->table_id, *table_error);  // a refresh ends without it
            transaction.commit();
        } else {
            catalog::release_chunk(*chunk, context_.generation);
            transaction.commit();
            throw;
        }
    }
    pg::wake_process(context_.supervisor_pid);
    return true;
}

/// The copy of a table without a key cannot resume after the rows that are staged.
void ChunkCopier::start_over(const catalog::Chunk& chunk) const {
    pg::Transaction transaction;
    if (catalog::restart_chunk(chunk, context_.generation)) {
        target::create_staging(chunk.table_id, context_.owner);
    }
    transaction.commit();
}

/// Once is enough, and in a transaction of its own: control calls lock the source's state before its tables.
void ChunkCopier::note_progress() {
    if (!has_progressed_) {
        has_progressed_ = true;
        pg::Transaction transaction;
        catalog::note_that_work_goes_on(context_.source_id);
        transaction.commit();
    }
}

void ChunkCopier::copy_chunk(ChunkInHand& in_hand) {
    TransactionLimits const limits(in_hand.chunk.leases);
    catalog::ChunkProgress progress;
    while (!progress.done) {
        progress = {};
        pg::Transaction transaction;
        {
            Oid const role = in_hand.table.staging ? pg::catalog_role() : context_.owner;
            pg::RoleScope const as_writer(role, pg::RoleScope::Restriction::kRestrictedOperation);
            ChunkWriter writer(context_, in_hand);
            auto const deadline = std::chrono::steady_clock::now() + limits.time;
            do {
                pg::check_interrupts();
                if (!in_hand.reader->read(in_hand.batch, core::BatchLimits{})) {
                    progress.done = true;
                    break;
                }
                writer.write_batch();
                progress.rows += static_cast<std::int64_t>(in_hand.batch.row_count());
                pg::add_progress(static_cast<std::int64_t>(in_hand.batch.row_count()));
                progress.bytes += static_cast<std::int64_t>(in_hand.encoded.bytes());
                progress.tagged_values += static_cast<std::int64_t>(in_hand.encoded.tagged_values());
            } while (progress.rows < limits.rows && progress.bytes < limits.bytes &&
                     std::chrono::steady_clock::now() < deadline);
            writer.finish(progress);
        }
        if (in_hand.chunk.leases > 1) {
            catalog::make_commit_durable();  // what interrupts it may take back what is not on disk
        }
        pg::failure_point("chunk_written");
        progress.resume_bound = in_hand.reader->resume_bound();
        catalog::save_chunk_progress(in_hand.chunk, context_.generation, progress);
        if (!progress.done && in_hand.has_key && !catalog::has_pending_chunks(context_.source_id)) {
            // Others may be out of work: offer them the upper half of what is left.
            const core::TableInfo& info = *find(in_hand.table.name);
            core::ChunkRange const rest{progress.resume_bound, in_hand.chunk.range.upper};
            if (std::optional<std::string> const middle = snapshot_.split_point(info, rest)) {
                catalog::split_chunk(in_hand.chunk, context_.generation, *middle);
                in_hand.chunk.range = {progress.resume_bound, *middle};
                in_hand.reader = snapshot_.open_chunk(info, in_hand.chunk.range);
            }
        }
        transaction.commit();
        pg::failure_point("chunk_committed");
        note_progress();
    }
}

}  // namespace pgrepl::replication
