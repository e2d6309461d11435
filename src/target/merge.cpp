// The three statements of a merge. Deletes come first, so that a unique index of the user's on the data does not
// meet an old row beside its successor.

#include "target/merge.hpp"

#include "pg/spi.hpp"

namespace pgrepl::target {

namespace {

std::string replaced(std::string text, const std::string& mark, const std::string& with) {
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + with.size())) {
        text.replace(at, mark.size(), with);
    }
    return text;
}

// A staging row without data stands for a row that was set aside: its old version stays.
constexpr const char* kDelete = R"(
    DELETE FROM {target} t
    WHERE NOT EXISTS (SELECT FROM {staging} s WHERE s.id = t.id))";

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

}  // namespace

MergeCounts merge_table(const TargetName& staging, const TargetName& target) {
    auto const run = [&](const char* statement) {
        std::string const sql = replaced(replaced(statement, "{target}", target.sql()), "{staging}", staging.sql());
        return static_cast<std::int64_t>(pg::execute(sql).processed());
    };
    MergeCounts counts;
    counts.deleted = run(kDelete);
    counts.updated = run(kUpdate);
    counts.inserted = run(kInsert);
    return counts;
}

}  // namespace pgrepl::target
