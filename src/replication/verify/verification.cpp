// The passes of a comparison.

#include "replication/verify/verification.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <set>

#include "catalog/quarantine.hpp"
#include "catalog/source_state.hpp"
#include "pg/failure_point.hpp"
#include "pg/progress.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "replication/access/own_target.hpp"
#include "replication/access/source_log.hpp"
#include "replication/verify/suspect_check.hpp"
#include "targets/bisection.hpp"
#include "targets/row_repair.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::replication {

namespace {

/// Transactions of a pass are short: nothing is written but the ids seen.
constexpr std::chrono::seconds kTransactionTime{3};
constexpr std::int64_t kTransactionRows = 200'000;

/// Suspects kept before they are judged.
constexpr std::size_t kMostSuspects = 10'000;

/// Ids of the first pass that are kept in memory. Most tables of a source that has many are small, and equal: a side
/// table for each would cost more than the comparison.
constexpr std::size_t kMostHeldIds = 100'000;

constexpr long kReachPollMs = 100;
/// A mark may be one that is never reached.
constexpr std::chrono::seconds kAskAgainAfter{3};

constexpr std::int64_t kGroup = 1'000;

class TableVerification {
  public:
    TableVerification(const VerificationContext& context, core::Source& source, const catalog::JobTable& table)
        : context_(context),
          source_(source),
          table_(table),
          target_(own_target(table, table.table_id, context.owner)),
          seen_(target::first_pass_name(table.table_id)),
          started_at_(GetCurrentTimestamp()) {}

    catalog::Findings run() {
        in_transaction([&] { catalog::begin_job_table(context_.job.id, table_.table_id); });
        Mark const mark = first_pass();
        in_transaction([&] {
            save_progress();
            findings_.quarantined += static_cast<std::int64_t>(catalog::refused_deletions(table_.table_id).size());
        });
        if (holds_other_ids()) {
            in_transaction([&] { write_seen(); });
            look_for_extra_rows(mark);
        }
        if (has_side_table_) {
            in_transaction([&] {
                target::drop_side_table(target::first_pass_name(table_.table_id));
                target::drop_side_table(target::second_pass_name(table_.table_id));
            });
        }
        return findings_;
    }

  private:
    template <typename Body>
    void in_transaction(Body&& body) {
        pg::Transaction transaction;
        context_.require_wanted();
        body();
        transaction.commit();
    }

    Mark first_pass() {
        core::Position held;
        core::SnapshotRequest request;
        in_transaction([&] {
            held = held_by_target(context_);
            request = request_of(context_);
        });
        (void)is_shown(source_, held, 0);  // from now on the server that the target follows is read
        std::unique_ptr<core::Snapshot> const snapshot = source_.open_snapshot(request);
        core::TableInfo const info = find_table_info(*snapshot);
        pg::begin_phase(pg::WorkerPhase::kComparing, context_.job.source_id, table_.table_id,
                        info.estimated_rows.value_or(table_.rows_expected), "comparing " + table_.name.qualified());
        target::RowEncoder encoder(info.layout);
        core::RowBatch batch(info.layout.columns.size());
        for (const core::ChunkRange& range : snapshot->plan_chunks(info, 1)) {
            std::unique_ptr<core::ChunkReader> const reader = snapshot->open_chunk(info, range);
            std::string bound = range.lower;
            while (compare_batches(*reader, encoder, batch, range.upper, bound)) {
                check_collected();
            }
            check_collected();
        }
        return mark_behind(context_, source_, *snapshot);
    }

    core::TableInfo find_table_info(core::Snapshot& snapshot) const {
        if (std::optional<core::TableInfo> table = snapshot.find_table(table_.name)) {
            require_key(*table);
            return std::move(*table);
        }
        throw pg::SqlError(
            ERRCODE_UNDEFINED_TABLE, "table \"" + table_.name.qualified() + "\" is no longer at the source",
            "Its target keeps the rows of the last copy.", "Call replicator_remove_table to stop replicating it.");
    }

    static void require_key(const core::TableInfo& table) {
        if (!table.layout.has_key()) {
            throw pg::SqlError(ERRCODE_FEATURE_NOT_SUPPORTED,
                               "table \"" + table.name.qualified() + "\" cannot be compared: it has no key",
                               "Its rows cannot be looked up one by one.",
                               "replicator_sync compares the whole of it, and writes what differs.");
        }
    }

    /// One transaction of the first pass. False when the chunk has no more rows.
    bool compare_batches(core::ChunkReader& reader, target::RowEncoder& encoder, core::RowBatch& batch,
                         const std::string& upper, std::string& bound) {
        pg::Transaction transaction;
        context_.require_wanted();
        bool more = true;
        {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            target::TargetLookup lookup(open_own_target(target_, target::TargetUse::kRead));
            auto const deadline = std::chrono::steady_clock::now() + kTransactionTime;
            for (std::int64_t rows = 0;
                 rows < kTransactionRows && suspects_ < kMostSuspects && std::chrono::steady_clock::now() < deadline;) {
                pg::check_interrupts();
                more = reader.read(batch, core::BatchLimits{});
                if (!more) {
                    break;
                }
                encode(encoder, batch);
                lookup.compare(encoded_, found_);
                collect_suspects({bound, upper, {}});
                bound = reader.resume_bound();
                rows += static_cast<std::int64_t>(batch.row_count());
                pg::add_progress(static_cast<std::int64_t>(batch.row_count()));
            }
            lookup.finish();
        }
        if (seen_.held() >= kMostHeldIds) {
            write_seen();
        }
        transaction.commit();
        pg::failure_point("rows_compared");
        return more;
    }

    void write_seen() {
        if (!has_side_table_) {
            target::create_seen_table(target::first_pass_name(table_.table_id), context_.owner);
            has_side_table_ = true;
        }
        seen_.write();
    }

    void encode(target::RowEncoder& encoder, const core::RowBatch& batch) {
        encoded_.clear();
        for (std::size_t i = 0; i < batch.row_count(); ++i) {
            if (std::optional<pg::RefusedRow> const refused = encoder.try_encode(batch.row(i), encoded_)) {
                seen_.add(refused->id);
                ++findings_.quarantined;
            }
        }
        findings_.rows_compared += static_cast<std::int64_t>(batch.row_count());
    }

    void collect_suspects(SuspectBlock block) {
        for (std::size_t row = 0; row < encoded_.size(); ++row) {
            seen_.add(encoded_.id_text(row));
            if (found_[row] != target::Found::kMissing) {
                found_ids_.add(encoded_.id_text(row));
            }
            if (found_[row] != target::Found::kSame) {
                block.ids.emplace_back(encoded_.id_text(row));
            }
        }
        if (!block.ids.empty()) {
            suspects_ += block.ids.size();
            blocks_.push_back(std::move(block));
        }
    }

    void check_collected() {
        if (!blocks_.empty()) {
            in_transaction([&] { save_progress(); });
            check_suspects(context_, source_, table_, blocks_, findings_);
            blocks_.clear();
            suspects_ = 0;
        }
    }

    /// What other phases than that of the first pass cannot show.
    void save_progress() const {
        catalog::save_rows_compared(context_.job.id, table_.table_id, findings_.rows_compared);
    }

    /// Whether the target may hold rows that the first pass has not met.
    bool holds_other_ids() {
        bool others = false;
        in_transaction([&] {
            pg::begin_phase(pg::WorkerPhase::kLookingForExtraRows, context_.job.source_id, table_.table_id, 0,
                            "looking for rows of " + target_.name().sql() + " that are not at the source");
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            others = findings_.quarantined > 0 ||
                     target::fingerprint_of(open_own_target(target_, target::TargetUse::kRead)) != found_ids_;
        });
        return others;
    }

    std::int64_t count(const std::string& condition) {
        pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
        return target::count_rows(open_own_target(target_, target::TargetUse::kRead), condition);
    }

    /// Rows whose deletion was refused are extra for a reason that is known.
    [[nodiscard]] std::string extra_row_condition(bool second_pass) const {
        return target::extra_row_condition(table_.table_id, started_at_, second_pass,
                                           catalog::refused_deletions(table_.table_id));
    }

    void look_for_extra_rows(const Mark& mark) {
        bool const reached = target_has_reached(context_, source_, table_.table_id, mark);
        std::int64_t suspects = 0;
        in_transaction([&] { suspects = count(extra_row_condition(false)); });
        if (suspects == 0) {
            return;
        }
        if (!reached) {
            findings_.unconfirmed += suspects;
            return;
        }
        core::Position held;
        in_transaction([&] { held = held_by_target(context_); });
        if (!is_shown(source_, held, kReachPatienceMs)) {
            findings_.unconfirmed += suspects;
            return;
        }
        Mark const second_mark = second_pass();
        bool const still_reached = target_has_reached(context_, source_, table_.table_id, second_mark);
        in_transaction([&] {
            if (context_.job.repair) {
                catalog::take_turn(context_.job.source_id);
            }
            std::string const condition = extra_row_condition(true);
            std::int64_t const extra = count(condition);
            findings_.unconfirmed += still_reached ? suspects - extra : suspects;
            if (still_reached && extra > 0) {
                findings_.extra = extra;
                report_extra_rows(condition);
            }
        });
    }

    Mark second_pass() {
        core::SnapshotRequest request;
        in_transaction([&] {
            target::create_seen_table(target::second_pass_name(table_.table_id), context_.owner);
            request = request_of(context_);
        });
        std::unique_ptr<core::Snapshot> const snapshot = source_.open_snapshot(request);
        core::TableInfo const info = find_table_info(*snapshot);
        pg::begin_phase(pg::WorkerPhase::kSecondPass, context_.job.source_id, table_.table_id, findings_.rows_compared,
                        "reading the keys of " + table_.name.qualified() + " again");
        target::SeenIds seen(target::second_pass_name(table_.table_id));
        target::RowEncoder encoder(info.layout);
        core::RowBatch batch(info.layout.columns.size());
        for (const core::ChunkRange& range : snapshot->plan_chunks(info, 1)) {
            std::unique_ptr<core::ChunkReader> const reader = snapshot->open_chunk(info, range);
            bool more = true;
            while (more) {
                // Read first, and write in a transaction that waits for nobody.
                for (std::int64_t rows = 0; rows < kTransactionRows;) {
                    pg::check_interrupts();
                    more = reader->read(batch, core::BatchLimits{});
                    if (!more) {
                        break;
                    }
                    for (std::size_t i = 0; i < batch.row_count(); ++i) {
                        seen.add(encoder.id_of(batch.row(i)));
                    }
                    rows += static_cast<std::int64_t>(batch.row_count());
                    pg::add_progress(static_cast<std::int64_t>(batch.row_count()));
                }
                in_transaction([&] { seen.write(); });
            }
        }
        return mark_behind(context_, source_, *snapshot);
    }

    void report_extra_rows(const std::string& condition) {
        std::vector<std::string> listed;
        {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            listed = target::list_ids(open_own_target(target_, target::TargetUse::kRead), condition, std::nullopt,
                                      catalog::kListedDifferences);
        }
        std::set<std::string> refused;
        if (context_.job.repair) {
            refused = delete_extra_rows(condition);
        }
        std::vector<catalog::Difference> differences;
        differences.reserve(listed.size());
        for (const std::string& id : listed) {
            differences.push_back({id, catalog::DifferenceKind::kExtra, context_.job.repair && !refused.contains(id)});
        }
        catalog::list_differences(context_.job.id, table_.table_id, differences);
    }

    /// Returns the ids of rows that the target refused to delete; they are set aside.
    std::set<std::string> delete_extra_rows(const std::string& condition) {
        std::int64_t deleted = 0;
        std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            deleted = target::TargetWriter(open_own_target(target_, target::TargetUse::kWrite)).remove_where(condition);
        });
        std::set<std::string> refused;
        if (!error) {
            findings_.repaired += deleted;
            return refused;
        }
        if (!target::may_concern_row(*error)) {
            throw pg::SqlError(*error);
        }
        std::optional<std::string> last;
        while (delete_group(condition, last, refused)) {
        }
        findings_.repaired += findings_.extra - static_cast<std::int64_t>(refused.size());
        return refused;
    }

    bool delete_group(const std::string& condition, std::optional<std::string>& last, std::set<std::string>& refused) {
        std::vector<pg::RefusedRow> of_group;
        {
            pg::RoleScope const as_owner(context_.owner, pg::RoleScope::Restriction::kRestrictedOperation);
            target::OpenTarget const target = open_own_target(target_, target::TargetUse::kWrite);
            std::vector<std::string> const ids = target::list_ids(target, condition, last, kGroup);
            if (ids.empty()) {
                return false;
            }
            last = ids.back();
            target::delete_rows(target, ids, of_group);
        }
        catalog::set_aside(context_.quarantine(table_.table_id), of_group);
        for (const pg::RefusedRow& row : of_group) {
            refused.insert(row.id);
        }
        return true;
    }

    const VerificationContext& context_;
    core::Source& source_;
    const catalog::JobTable& table_;
    OwnTarget target_;
    target::SeenIds seen_;         ///< of the first pass; in its side table where they are many
    bool has_side_table_ = false;  ///< so much so that there is one
    TimestampTz started_at_;
    catalog::Findings findings_;
    target::EncodedRows encoded_;
    std::vector<target::Found> found_;
    target::IdFingerprint found_ids_;
    std::vector<SuspectBlock> blocks_;
    std::size_t suspects_ = 0;
};

}  // namespace

namespace {

/// `held`: what the target has taken from the source, a place in its log or one of its states.
bool holds(core::Source& source, const std::string& held, const Mark& mark) {
    if (const auto* const place = std::get_if<core::Position>(&mark)) {
        return log_of(source).has_reached(core::Position{held}, *place);
    }
    return source.has_all_of(core::StateName{held}, std::get<core::StateName>(mark));
}

}  // namespace

bool target_has_reached(const VerificationContext& context, core::Source& source, std::int32_t table_id, Mark mark) {
    auto const began = std::chrono::steady_clock::now();
    auto const deadline = began + std::chrono::milliseconds(kReachPatienceMs);
    bool asked_again = !std::holds_alternative<core::Position>(mark);
    while (true) {
        bool up_to_date = false;
        bool moving = false;
        std::string held;
        {
            pg::Transaction transaction;
            context.require_wanted();
            std::optional<catalog::JobTable> const table = catalog::table_of_job(context.job.id, table_id);
            up_to_date = table && table->up_to_date;
            moving = catalog::is_source_moving(context.job.source_id);
            held = catalog::target_position(context.job.source_id);
            transaction.commit();
        }
        if (up_to_date && holds(source, held, mark)) {
            return true;
        }
        if (!moving || std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        if (!asked_again && !held.empty() && std::chrono::steady_clock::now() - began > kAskAgainAfter) {
            asked_again = true;
            mark = log_of(source).settled_mark(core::Position{held});
        }
        pg::wait_for_latch(kReachPollMs, pg::WaitFor::kTarget);
    }
}

Mark mark_behind(const VerificationContext& context, core::Source& source, const core::Snapshot& snapshot) {
    if (context.follows_log) {
        return log_of(source).high_mark();
    }
    return snapshot.state();
}

core::SnapshotRequest request_of(const VerificationContext& context) {
    core::SnapshotRequest request;
    request.durable = context.durable;
    if (!context.follows_log) {
        request.not_older_than = core::StateName{catalog::target_position(context.job.source_id)};
    }
    return request;
}

core::Position held_by_target(const VerificationContext& context) {
    return context.follows_log ? core::Position{catalog::target_position(context.job.source_id)} : core::Position{};
}

bool is_shown(core::Source& source, const core::Position& held, int patience_ms) {
    pg::BackendInterrupts interrupts;
    return held.text.empty() || wait_until_visible(log_of(source), interrupts, held, patience_ms);
}

catalog::Findings verify_table(const VerificationContext& context, core::Source& source,
                               const catalog::JobTable& table) {
    return TableVerification(context, source, table).run();
}

}  // namespace pgrepl::replication
