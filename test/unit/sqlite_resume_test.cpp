// Reading can stop after any batch and go on at its bound: every row is read exactly once, in tables of every kind.

#include <algorithm>
#include <random>

#include "test/unit/sqlite_fixture.hpp"

namespace pgrepl::test {
namespace {

class SqliteResume : public SqliteTest, public testing::WithParamInterface<unsigned> {
  protected:
    /// A value of any storage class, often equal or nearly equal to another one.
    std::string literal() {
        static const std::vector<std::string> kValues = {"0",
                                                         "1",
                                                         "-1",
                                                         "1.0",
                                                         "0.5",
                                                         "1e300",
                                                         "9223372036854775807",
                                                         "9.2233720368547758e18",
                                                         "''",
                                                         "'a'",
                                                         "'A'",
                                                         "'a '",
                                                         "'b'",
                                                         "'1'",
                                                         "'é'",
                                                         "x''",
                                                         "x'61'",
                                                         "x'00'",
                                                         "'a' || char(0)",
                                                         "1e999",
                                                         "-1e999",
                                                         "CAST(x'ff' AS TEXT)"};
        return random_() % 4 == 0 ? std::to_string(static_cast<int>(random_() % 50) - 25)
                                  : kValues[random_() % kValues.size()];
    }

    template <typename... Choices>
    std::string one_of(Choices... choices) {
        std::vector<std::string> const all = {choices...};
        return all[random_() % all.size()];
    }

    /// CREATE TABLE for a table with one to three key columns.
    std::string table_sql(const std::string& name) {
        std::size_t const parts = 1 + random_() % 3;
        std::string columns;
        std::string key;
        for (std::size_t i = 0; i < parts; ++i) {
            std::string const column = "k" + std::to_string(i);
            columns += column + one_of("", " INTEGER", " TEXT", " REAL", " BLOB", " NUMERIC") +
                       one_of("", " COLLATE NOCASE", " COLLATE RTRIM") + ", ";
            key += (i == 0 ? "" : ", ") + column + one_of("", " COLLATE NOCASE", " COLLATE BINARY") +
                   one_of("", " DESC", " ASC");
        }
        parts_ = parts;
        return "CREATE TABLE " + name + "(" + columns + "filler, PRIMARY KEY(" + key + "))" +
               one_of("", " WITHOUT ROWID");
    }

    void fill(const Program& program, const std::string& name) {
        program.run("BEGIN");
        for (int i = 0; i < 400; ++i) {
            std::string values;
            for (std::size_t part = 0; part < parts_; ++part) {
                values += literal() + ", ";
            }
            // Some are refused: a single INTEGER key takes integers only.
            std::string sql = "INSERT OR IGNORE INTO ";
            sql.append(name).append(" VALUES(").append(values).append(std::to_string(i)).append(")");
            sqlite3_exec(program.handle(), sql.c_str(), nullptr, nullptr, nullptr);
        }
        program.run("COMMIT");
    }

    Rows read_with_restarts(core::Snapshot& snapshot, const core::TableInfo& info, core::ChunkRange range) {
        Rows rows;
        core::RowBatch batch(info.layout.columns.size());
        auto reader = snapshot.open_chunk(info, range);
        while (reader->read(batch, {.rows = 1 + random_() % 20, .bytes = 1 + random_() % 4000})) {
            for (std::size_t i = 0; i < batch.row_count(); ++i) {
                rows.push_back(show_row(batch.row(i)));
            }
            if (random_() % 2 == 0) {
                range.lower = reader->resume_bound();
                reader = snapshot.open_chunk(info, range);
            }
        }
        EXPECT_EQ(read_chunk(snapshot, info, {reader->resume_bound(), range.upper}).size(), 0U);
        return rows;
    }

    /// Divides the range at random and reads the parts.
    Rows read_divided(core::Snapshot& snapshot, const core::TableInfo& info, const core::ChunkRange& range) {
        auto const middle = random_() % 3 != 0 ? snapshot.split_point(info, range) : std::nullopt;
        if (!middle) {
            return read_with_restarts(snapshot, info, range);
        }
        Rows rows = read_divided(snapshot, info, {range.lower, *middle});
        Rows const rest = read_divided(snapshot, info, {*middle, range.upper});
        rows.insert(rows.end(), rest.begin(), rest.end());
        return rows;
    }

    std::mt19937& random() { return random_; }

  private:
    std::mt19937 random_{GetParam()};
    std::size_t parts_ = 1;
};

TEST_P(SqliteResume, every_row_is_read_exactly_once) {
    Program program(path());
    program.run("PRAGMA encoding='" + one_of("UTF-8", "UTF-16le") +
                "'; PRAGMA journal_mode=" + one_of("wal", "delete"));
    for (int i = 0; i < 4; ++i) {
        std::string const name = "t" + std::to_string(i);
        program.run(table_sql(name));
        fill(program, name);
    }
    auto const source = open();
    auto const snapshot = source->open_snapshot({.join = {}, .durable = random()() % 3 == 0});
    for (const core::TableInfo& info : snapshot->discover()) {
        ASSERT_EQ(info.unsupported_reason, "") << info.definition;
        Rows const all = read_chunk(*snapshot, info, {});
        ASSERT_GT(all.size(), 5U);
        Rows parts;
        for (const core::ChunkRange& range : snapshot->plan_chunks(info, 5)) {
            Rows const rows = read_divided(*snapshot, info, range);
            parts.insert(parts.end(), rows.begin(), rows.end());
        }
        ASSERT_EQ(parts, all) << info.definition;
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SqliteResume, testing::Range(1U, 41U));

}  // namespace
}  // namespace pgrepl::test
