// The reads and the writes of a confirmation. Between the two reads of a repair it is the writer: no refresh and no
// stream changes the target, so what the second read gives can be written.

#include "replication/verify/suspect_check.hpp"

#include <algorithm>
#include <set>

#include "catalog/quarantine.hpp"
#include "catalog/source_state.hpp"
#include "pg/progress.hpp"
#include "pg/transaction.hpp"
#include "replication/access/own_target.hpp"
#include "replication/access/source_locks.hpp"
#include "targets/row_repair.hpp"
#include "targets/target_lookup.hpp"

namespace pgrepl::replication {

namespace {

/// A block is one batch of the first pass. Rows that were inserted meanwhile may have moved some of it into the next
/// ones.
constexpr int kMostBatches = 4;

/// Values of rows by id, as one snapshot shows them.
class Reading {
  public:
    Reading(core::Source& source, const core::TableName& name, core::SnapshotRequest request) {
        request.durable = false;
        snapshot_ = source.open_snapshot(request);
        if (std::optional<core::TableInfo> table = snapshot_->find_table(name)) {
            info_ = std::move(*table);
            return;
        }
        throw core::SourceError(core::SourceErrorKind::kTableChanged, 0,
                                "table \"" + name.qualified() + "\" is no longer at the source", false);
    }

    [[nodiscard]] const core::Snapshot& snapshot() const { return *snapshot_; }

    /// Reads the suspects of the block. Those that cannot be encoded, or are not where they were, are left out.
    void read(const SuspectBlock& block, target::EncodedRows& rows) {
        std::set<std::string, std::less<>> wanted(block.ids.begin(), block.ids.end());
        target::RowEncoder encoder(info_.layout);
        core::RowBatch batch(info_.layout.columns.size());
        std::unique_ptr<core::ChunkReader> const reader = snapshot_->open_chunk(info_, {block.lower, block.upper});
        rows.clear();
        for (int batches = 0; batches < kMostBatches && !wanted.empty(); ++batches) {
            if (!reader->read(batch, core::BatchLimits{})) {
                return;
            }
            for (std::size_t i = 0; i < batch.row_count(); ++i) {
                if (wanted.erase(encoder.id_of(batch.row(i))) > 0) {
                    (void)encoder.try_encode(batch.row(i), rows);  // else it was set aside when it was copied
                }
            }
        }
    }

  private:
    std::unique_ptr<core::Snapshot> snapshot_;
    core::TableInfo info_;
};

/// While it lives, no lock at the source is waited for: a repair keeps the stream from writing meanwhile.
class BriefPatience {
  public:
    explicit BriefPatience(core::Source& source) : source_(source) {
        source_.set_lock_patience(SourceLocks::kPatienceMs);
    }
    BriefPatience(const BriefPatience&) = delete;
    BriefPatience& operator=(const BriefPatience&) = delete;
    ~BriefPatience() {
        try {
            source_.set_lock_patience(std::nullopt);
        } catch (const core::SourceError&) {
            // The connection is gone; another is made with the patience that was set.
        }
    }

  private:
    core::Source& source_;
};

class SuspectCheck {
  public:
    SuspectCheck(const VerificationContext& context, core::Source& source, const catalog::JobTable& table,
                 catalog::Findings& findings)
        : context_(context), source_(source), table_(table), findings_(findings) {}

    void check(const std::vector<SuspectBlock>& blocks) {
        // Here is the time to wait: later the stream may wait for us.
        core::Position held;
        core::SnapshotRequest request;
        {
            pg::Transaction transaction;
            held = held_by_target(context_);
            request = request_of(context_);
            transaction.commit();
        }
        bool const shown = is_shown(source_, held, kReachPatienceMs);
        Reading first(source_, table_.name, request);
        bool const reached = shown && target_has_reached(context_, source_, table_.table_id,
                                                         mark_behind(context_, source_, first.snapshot()));
        for (const SuspectBlock& block : blocks) {
            if (reached) {
                check_block(first, block);
            } else {
                findings_.unconfirmed += static_cast<std::int64_t>(block.ids.size());
            }
            judged_ += static_cast<std::int64_t>(block.ids.size());
            pg::add_progress(static_cast<std::int64_t>(block.ids.size()));
        }
    }

    /// Suspects of the blocks that are done.
    [[nodiscard]] std::int64_t judged() const noexcept { return judged_; }

  private:
    using FoundById = std::map<std::string, target::Found, std::less<>>;

    void check_block(Reading& first, const SuspectBlock& block) {
        first.read(block, rows_);
        findings_.unconfirmed += static_cast<std::int64_t>(block.ids.size() - rows_.size());
        std::map<std::string, target::Hash128, std::less<>> before;
        for (std::size_t row = 0; row < rows_.size(); ++row) {
            before.emplace(rows_.id_text(row), target::hash_of(rows_.data_bytes(row)));
        }
        BriefPatience const patience(source_);
        pg::Transaction transaction;
        context_.require_wanted();
        if (context_.job.repair) {
            catalog::take_turn(context_.job.source_id);
        }
        leave_out_quarantined();
        FoundById const found = look_up();
        if (!found.empty() && !is_shown(source_, held_by_target(context_), SourceLocks::kPatienceMs)) {
            findings_.unconfirmed += static_cast<std::int64_t>(found.size());
            return transaction.commit();
        }
        Reading(source_, table_.name, request_of(context_)).read(block, rows_);
        rows_.remove_rows([&](std::size_t row) {
            std::string_view const id = rows_.id_text(row);
            return !found.contains(id) || before.find(id)->second != target::hash_of(rows_.data_bytes(row));
        });
        findings_.unconfirmed += static_cast<std::int64_t>(found.size() - rows_.size());
        report(found);
        transaction.commit();
    }

    /// Rows that are set aside differ for a reason that is known.
    void leave_out_quarantined() {
        std::vector<std::string> ids;
        for (std::size_t row = 0; row < rows_.size(); ++row) {
            ids.emplace_back(rows_.id_text(row));
        }
        std::vector<std::string> const keys = catalog::quarantined_keys(table_.table_id, ids);
        std::set<std::string, std::less<>> const aside(keys.begin(), keys.end());
        rows_.remove_rows([&](std::size_t row) { return aside.contains(rows_.id_text(row)); });
        findings_.quarantined += static_cast<std::int64_t>(aside.size());
    }

    /// What the target holds instead of the rows that it does not hold as they are.
    FoundById look_up() {
        std::vector<target::Found> found;
        {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            target::TargetLookup lookup(open(target::TargetUse::kRead));
            lookup.compare(rows_, found);
            lookup.finish();
        }
        FoundById differing;
        for (std::size_t row = 0; row < rows_.size(); ++row) {
            if (found[row] != target::Found::kSame) {
                differing.emplace(rows_.id_text(row), found[row]);
            }
        }
        return differing;
    }

    void report(const FoundById& found) {
        std::vector<catalog::Difference> differences;
        for (std::size_t row = 0; row < rows_.size(); ++row) {
            std::string const id(rows_.id_text(row));
            bool const missing = found.find(id)->second == target::Found::kMissing;
            ++(missing ? findings_.missing : findings_.changed);
            differences.push_back(
                {id, missing ? catalog::DifferenceKind::kMissing : catalog::DifferenceKind::kChanged, false});
        }
        if (context_.job.repair) {
            mend(differences);
        }
        catalog::list_differences(context_.job.id, table_.table_id, differences);
    }

    void mend(std::vector<catalog::Difference>& differences) {
        std::vector<pg::RefusedRow> refused;
        {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            target::put_rows(open(target::TargetUse::kWrite), rows_, target::WhereSame::kRewrite, refused);
        }
        catalog::set_aside(context_.quarantine(table_.table_id), refused);
        std::set<std::string> ids;
        for (const pg::RefusedRow& row : refused) {
            ids.insert(row.id);
        }
        for (catalog::Difference& difference : differences) {
            difference.repaired = !ids.contains(difference.key);
        }
        findings_.repaired += static_cast<std::int64_t>(differences.size() - refused.size());
    }

    /// As the owner.
    [[nodiscard]] target::OpenTarget open(target::TargetUse use) const {
        return open_own_target(own_target(table_, table_.table_id, context_.owner), use);
    }

    const VerificationContext& context_;
    core::Source& source_;
    const catalog::JobTable& table_;
    catalog::Findings& findings_;
    target::EncodedRows rows_;
    std::int64_t judged_ = 0;
};

}  // namespace

void check_suspects(const VerificationContext& context, core::Source& source, const catalog::JobTable& table,
                    const std::vector<SuspectBlock>& blocks, catalog::Findings& findings) {
    std::int64_t suspects = 0;
    for (const SuspectBlock& block : blocks) {
        suspects += static_cast<std::int64_t>(block.ids.size());
    }
    pg::NestedPhase const phase(pg::WorkerPhase::kConfirming, context.job.source_id, table.table_id, suspects,
                                "reading again what differs in " + table.name.qualified());
    SuspectCheck check(context, source, table, findings);
    try {
        check.check(blocks);
    } catch (const core::SourceError& error) {
        if (error.kind() != core::SourceErrorKind::kStateLost) {
            throw;
        }
        findings.unconfirmed += suspects - check.judged();  // somebody is writing to the source just now
    }
}

}  // namespace pgrepl::replication
