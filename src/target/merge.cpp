// The statements of a merge. Deletes come first, so that a unique index of the user's on the data does not meet an
// old row beside its successor.

#include "target/merge.hpp"

#include <utility>

#include "pg/spi.hpp"
#include "target/bisection.hpp"

namespace pgrepl::target {

namespace {

std::string replaced(std::string text, const std::string& mark, const std::string& with) {
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + with.size())) {
        text.replace(at, mark.size(), with);
    }
    return text;
}

// A staging row without data stands for a row that was set aside: its old version stays.
constexpr const char* kGone = "NOT EXISTS (SELECT FROM {staging} s WHERE s.id = t.id) AND {not_seen}";

// *<> compares the bytes: jsonb's own equality finds 1.5 equal to 1.50. Without the casts it would be applied to the
// columns of the rows, where it does not exist.
constexpr const char* kUpdate = R"(
    UPDATE {target} t SET data = s.data, _synced_at = now()
    FROM {staging} s
    WHERE s.id = t.id AND s.data IS NOT NULL AND ROW(s.data)::record OPERATOR(pg_catalog.*<>) ROW(t.data)::record)";

constexpr const char* kInsert = R"(
    INSERT INTO {target} (id, data, _synced_at)
    SELECT s.id, s.data, now() FROM {staging} s
    WHERE s.data IS NOT NULL AND NOT EXISTS (SELECT FROM {target} t WHERE t.id = s.id))";

constexpr const char* kOfGroup = " AND s.id = ANY ($1)";
constexpr std::size_t kGroup = 1000;

/// Statements on one pair of tables.
class Merge {
  public:
    Merge(std::int32_t table_id, TargetName target)
        : staging_(staging_name(table_id)), seen_(seen_name(table_id)), target_(std::move(target)) {}

    std::int64_t run(const std::string& statement, std::initializer_list<pg::Param> params = {}) const {
        return static_cast<std::int64_t>(pg::execute(filled(statement), params).processed());
    }

    /// The next group of ids above `after`; from the first one on if there is none.
    [[nodiscard]] std::vector<std::string> ids(const std::string& statement,
                                               const std::optional<std::string>& after) const {
        pg::QueryResult const rows = pg::execute(filled(statement) + " LIMIT " + std::to_string(kGroup), {after});
        std::vector<std::string> result;
        for (std::size_t i = 0; i < rows.rows(); ++i) {
            result.push_back(rows.text(i, 0));
        }
        return result;
    }

  private:
    [[nodiscard]] std::string filled(const std::string& statement) const {
        std::string const with_names = replaced(replaced(statement, "{target}", target_.sql()), "{gone}", kGone);
        return replaced(replaced(with_names, "{staging}", staging_.sql()), "{not_seen}", SeenIds::not_seen(seen_));
    }

    TargetName staging_;
    TargetName seen_;
    TargetName target_;
};

/// A merge whose changes may be refused one by one.
class GroupedMerge {
  public:
    GroupedMerge(const Merge& merge, std::size_t most_refused, std::vector<RefusedChange>& refused)
        : merge_(merge), most_refused_(most_refused), refused_(refused) {}

    MergeCounts run() {
        change_all("SELECT t.id FROM {target} t WHERE {gone} AND ($1 IS NULL OR t.id > $1) ORDER BY t.id", true);
        change_all("SELECT s.id FROM {staging} s WHERE s.data IS NOT NULL AND ($1 IS NULL OR s.id > $1) ORDER BY s.id",
                   false);
        while (retry_refused()) {
        }
        return counts_;
    }

  private:
    void change_all(const std::string& changes, bool deletion) {
        std::optional<std::string> last;
        while (true) {
            std::vector<std::string> const group = merge_.ids(changes, last);
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
            made.deleted = merge_.run("DELETE FROM {target} t WHERE t.id = ANY ($1)", {ids});
        } else {
            made.updated = merge_.run(std::string(kUpdate) + kOfGroup, {ids});
            made.inserted = merge_.run(std::string(kInsert) + kOfGroup, {ids});
        }
        counts_ = {counts_.inserted + made.inserted, counts_.updated + made.updated, counts_.deleted + made.deleted};
    }

    void refuse(const std::string& id, bool deletion, const pg::SqlError& error) {
        refused_.push_back({id, deletion, error});
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
        std::vector<RefusedChange> const before = std::move(refused_);
        refused_.clear();
        for (const RefusedChange& one : before) {
            write_by_halves(
                0, 1, [&](std::size_t, std::size_t) { change({one.id}, one.deletion); },
                [&](std::size_t, const pg::SqlError& error) { refuse(one.id, one.deletion, error); });
        }
        return !refused_.empty() && refused_.size() < before.size();
    }

    const Merge& merge_;
    std::size_t most_refused_;
    std::vector<RefusedChange>& refused_;
    MergeCounts counts_;
};

}  // namespace

MergeCounts merge_table(std::int32_t table_id, const TargetName& target, const std::optional<IdFingerprint>& found) {
    Merge const merge(table_id, target);
    MergeCounts counts;
    if (!found || fingerprint_of(target) != *found) {
        counts.deleted = merge.run("DELETE FROM {target} t WHERE {gone}");
    }
    counts.updated = merge.run(kUpdate);
    counts.inserted = merge.run(kInsert);
    return counts;
}

MergeCounts merge_by_replacing(std::int32_t table_id, const TargetName& target) {
    Merge const merge(table_id, target);
    MergeCounts counts;
    counts.deleted = merge.run("DELETE FROM {target} t WHERE {gone}");
    counts.updated = merge.run(
        "DELETE FROM {target} t USING {staging} s WHERE s.id = t.id AND s.data IS NOT NULL "
        "AND ROW(s.data)::record OPERATOR(pg_catalog.*<>) ROW(t.data)::record");
    counts.inserted = merge.run(kInsert) - counts.updated;
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

MergeCounts merge_in_groups(std::int32_t table_id, const TargetName& target, std::size_t most_refused,
                            std::vector<RefusedChange>& refused) {
    Merge const merge(table_id, target);
    return GroupedMerge(merge, most_refused, refused).run();
}

}  // namespace pgrepl::target
