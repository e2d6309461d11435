// The statements of a merge. Deletes come first, so that a unique index of the user's on the data does not meet an
// old row beside its successor.

#include "targets/merge.hpp"

#include "pg/spi.hpp"
#include "targets/bisection.hpp"

namespace pgrepl::target {

namespace {

constexpr const char* kOfGroup = " AND s.id = ANY ($1)";
constexpr std::size_t kGroup = 1000;

/// Statements on one pair of tables. They are put together from names once, left to right: no name is looked into.
class Merge {
  public:
    Merge(std::int32_t table_id, const OpenTarget& target)
        : table_(target.sql()),
          rows_(target.rows_sql() + " t"),
          staging_(staging_name(table_id).sql() + " s"),
          // A staging row without data stands for a row that was set aside: its old version stays.
          gone_("NOT EXISTS (SELECT FROM " + staging_ + " WHERE s.id = t.id) AND " +
                SeenIds::not_seen(seen_name(table_id))) {}

    static std::int64_t run(const std::string& statement, std::initializer_list<pg::Param> params = {}) {
        return static_cast<std::int64_t>(pg::execute(statement, params).processed());
    }

    [[nodiscard]] std::string delete_gone() const { return "DELETE FROM " + rows_ + " WHERE " + gone_; }
    [[nodiscard]] std::string delete_group() const { return "DELETE FROM " + rows_ + " WHERE t.id = ANY ($1)"; }
    [[nodiscard]] std::string delete_changed() const {
        return "DELETE FROM " + rows_ + " USING " + staging_ + " WHERE " + kChanged;
    }
    [[nodiscard]] std::string update() const {
        return "UPDATE " + rows_ + " SET data = s.data, _synced_at = now() FROM " + staging_ + " WHERE " + kChanged;
    }
    [[nodiscard]] std::string insert() const {
        return "INSERT INTO " + table_ + " (id, data, _synced_at) SELECT s.id, s.data, now() FROM " + staging_ +
               " WHERE s.data IS NOT NULL AND NOT EXISTS (SELECT FROM " + rows_ + " WHERE t.id = s.id)";
    }

    /// Ids of a group of rows that are gone, or are staged, above $1; from the first one on if that is null.
    [[nodiscard]] std::string gone_ids() const {
        return "SELECT t.id FROM " + rows_ + " WHERE " + gone_ + " AND ($1 IS NULL OR t.id > $1) ORDER BY t.id LIMIT " +
               std::to_string(kGroup);
    }
    [[nodiscard]] std::string staged_ids() const {
        return "SELECT s.id FROM " + staging_ +
               " WHERE s.data IS NOT NULL AND ($1 IS NULL OR s.id > $1) ORDER BY s.id LIMIT " + std::to_string(kGroup);
    }

  private:
    // *<> compares the bytes: jsonb's own equality finds 1.5 equal to 1.50. Without the casts it would be applied to
    // the columns of the rows, where it does not exist.
    static constexpr const char* kChanged =
        "s.id = t.id AND s.data IS NOT NULL AND ROW(s.data)::record OPERATOR(pg_catalog.*<>) ROW(t.data)::record";

    std::string table_;
    std::string rows_;     ///< of the target, as t
    std::string staging_;  ///< as s
    std::string gone_;     ///< true for a row t that is not at the source
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
    GroupedMerge(const Merge& merge, std::size_t most_refused, std::vector<pg::RefusedRow>& refused)
        : merge_(merge), most_refused_(most_refused), refused_(refused) {}

    MergeCounts run() {
        change_all(merge_.gone_ids(), true);
        change_all(merge_.staged_ids(), false);
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
            made.deleted = Merge::run(merge_.delete_group(), {ids});
        } else {
            made.updated = Merge::run(merge_.update() + kOfGroup, {ids});
            made.inserted = Merge::run(merge_.insert() + kOfGroup, {ids});
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

    const Merge& merge_;
    std::size_t most_refused_;
    std::vector<pg::RefusedRow>& refused_;
    MergeCounts counts_;
};

}  // namespace

MergeCounts merge_table(std::int32_t table_id, const OpenTarget& target, const std::optional<IdFingerprint>& found) {
    Merge const merge(table_id, target);
    MergeCounts counts;
    if (!found || fingerprint_of(target) != *found) {
        counts.deleted = Merge::run(merge.delete_gone());
    }
    counts.updated = Merge::run(merge.update());
    counts.inserted = Merge::run(merge.insert());
    return counts;
}

MergeCounts merge_by_replacing(std::int32_t table_id, const OpenTarget& target) {
    Merge const merge(table_id, target);
    MergeCounts counts;
    counts.deleted = Merge::run(merge.delete_gone());
    counts.updated = Merge::run(merge.delete_changed());
    counts.inserted = Merge::run(merge.insert()) - counts.updated;
    return counts;
}

void analyze_staging(std::int32_t table_id) {
    pg::execute("ANALYZE " + staging_name(table_id).sql());
    pg::execute("ANALYZE " + seen_name(table_id).sql());
}

void number_identical_rows(std::int32_t table_id) {
    std::string const staging = staging_name(table_id).sql();
    pg::execute(
        "UPDATE " + staging +
        " s SET id = s.id || '#' || n.ordinal FROM (SELECT ctid, pg_catalog.row_number() OVER (PARTITION BY id) "
        "AS ordinal FROM " +
        staging + " WHERE id IS NOT NULL) n WHERE n.ctid = s.ctid");
}

void index_staging(std::int32_t table_id) { pg::execute("CREATE INDEX ON " + staging_name(table_id).sql() + " (id)"); }

MergeCounts merge_in_groups(std::int32_t table_id, const OpenTarget& target, std::size_t most_refused,
                            std::vector<pg::RefusedRow>& refused) {
    Merge const merge(table_id, target);
    return GroupedMerge(merge, most_refused, refused).run();
}

}  // namespace pgrepl::target
