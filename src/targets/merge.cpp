// The order of a merge. Deletes come first, so that a unique index of the user's on the data does not meet an
// old row beside its successor.

#include "targets/merge.hpp"

#include "pg/spi.hpp"
#include "targets/bisection.hpp"
#include "targets/target_writer.hpp"

namespace pgrepl::target {

namespace {

constexpr std::size_t kGroup = 1000;

/// A target and its staging table. Statements are put together from names once, left to right: no name is looked into.
struct MergeSides {
    MergeSides(std::int32_t table_id, const OpenTarget& opened, const TargetName& staged_in)
        : target(opened),
          staging(staged_in.sql()),
          // A staging row without data stands for a row that was set aside: its old version stays.
          gone("NOT EXISTS (SELECT FROM " + staging + " s WHERE s.id = t.id) AND " +
               SeenIds::not_seen(seen_name(table_id))),
          rows(opened.rows_sql()) {}

    /// Ids of a group of rows that are gone, or are staged, above $1; from the first one on if that is null.
    [[nodiscard]] std::string gone_ids() const {
        return "SELECT t.id FROM " + rows + " t WHERE " + gone + " AND ($1 IS NULL OR t.id > $1) ORDER BY t.id LIMIT " +
               std::to_string(kGroup);
    }
    [[nodiscard]] std::string staged_ids() const {
        return "SELECT s.id FROM " + staging +
               " s WHERE s.data IS NOT NULL AND ($1 IS NULL OR s.id > $1) ORDER BY s.id LIMIT " +
               std::to_string(kGroup);
    }

    TargetWriter target;
    std::string staging;
    std::string gone;  ///< true for a row t that is not at the source
    std::string rows;  ///< of the target
};

std::vector<std::string> next_group(const std::string& statement, const std::optional<std::string>& after) {
    pg::QueryResult const rows = pg::execute(statement, {after});
    std::vector<std::string> result;
    for (std::size_t i = 0; i < rows.rows(); ++i) {
        result.push_back(rows.text(i, 0));
    }
    return result;
}

/// A merge whose changes may be refused one by one.
class GroupedMerge {
  public:
    GroupedMerge(const MergeSides& sides, std::size_t most_refused, std::vector<pg::RefusedRow>& refused)
        : sides_(sides), most_refused_(most_refused), refused_(refused) {}

    MergeCounts run() {
        change_all(sides_.gone_ids(), true);
        change_all(sides_.staged_ids(), false);
        while (retry_refused()) {
        }
        return counts_;
    }

  private:
    void change_all(const std::string& changes, bool deletion) {
        std::optional<std::string> last;
        while (true) {
            std::vector<std::string> const group = next_group(changes, last);
            if (group.empty()) {
                return;
            }
            last = group.back();
            write_by_halves(
                0, group.size(),
                [&](std::size_t first, std::size_t count) {
                    auto const begin = group.begin() + static_cast<std::ptrdiff_t>(first);
                    change({begin, begin + static_cast<std::ptrdiff_t>(count)}, deletion);
                },
                [&](std::size_t index, const pg::SqlError& error) { refuse(group[index], deletion, error); });
        }
    }

    void change(const std::vector<std::string>& ids, bool deletion) {
        MergeCounts made;
        if (deletion) {
            made.deleted = sides_.target.remove(ids);
        } else {
            made.updated = sides_.target.update_differing(sides_.staging, &ids);
            made.inserted = sides_.target.add_missing(sides_.staging, &ids);
        }
        counts_ = {counts_.inserted + made.inserted, counts_.updated + made.updated, counts_.deleted + made.deleted};
    }

    void refuse(const std::string& id, bool deletion, const pg::SqlError& error) {
        refused_.push_back({.id = id, .deletion = deletion, .error = error});
        if (refused_.size() > most_refused_) {
            throw pg::SqlError(ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                               "more than " + std::to_string(most_refused_) + " rows cannot be stored",
                               "The last one: " + std::string(error.what()),
                               "Correct what refuses the rows (constraint, trigger, index), or raise "
                               "pg_replicator.max_quarantined.");
        }
    }

    /// A change that was refused beside an old row may be accepted after it is gone. True if one was.
    bool retry_refused() {
        std::vector<pg::RefusedRow> const before = std::move(refused_);
        refused_.clear();
        for (const pg::RefusedRow& one : before) {
            write_by_halves(
                0, 1, [&](std::size_t, std::size_t) { change({one.id}, one.deletion); },
                [&](std::size_t, const pg::SqlError& error) { refuse(one.id, one.deletion, error); });
        }
        return !refused_.empty() && refused_.size() < before.size();
    }

    const MergeSides& sides_;
    std::size_t most_refused_;
    std::vector<pg::RefusedRow>& refused_;
    MergeCounts counts_;
};

}  // namespace

MergeCounts merge_table(std::int32_t table_id, const OpenTarget& target, const std::optional<IdFingerprint>& found) {
    MergeSides const sides(table_id, target, staging_name(table_id));
    MergeCounts counts;
    if (!found || fingerprint_of(target) != *found) {
        counts.deleted = sides.target.remove_where(sides.gone);
    }
    counts.updated = sides.target.update_differing(sides.staging);
    counts.inserted = sides.target.add_missing(sides.staging);
    return counts;
}

MergeCounts merge_by_replacing(std::int32_t table_id, const OpenTarget& target) {
    MergeSides const sides(table_id, target, staging_name(table_id));
    MergeCounts counts;
    counts.deleted = sides.target.remove_where(sides.gone);
    counts.updated = sides.target.remove_differing(sides.staging);
    counts.inserted = sides.target.add_missing(sides.staging) - counts.updated;
    return counts;
}

MergeCounts merge_in_groups(std::int32_t table_id, const TargetName& indexed, const OpenTarget& target,
                            std::size_t most_refused, std::vector<pg::RefusedRow>& refused) {
    MergeSides const sides(table_id, target, indexed);
    return GroupedMerge(sides, most_refused, refused).run();
}

}  // namespace pgrepl::target
