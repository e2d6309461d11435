// What a file of somebody else's can have us take of this server: memory, and room in temporary files.

#include <map>

#include "sqlite_fixture.hpp"

namespace pgrepl::test {
namespace {

constexpr const char* kNumbers =
    "CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2);"
    "CREATE VIEW numbers AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) "
    "SELECT printf('%0200d', i) AS i FROM n;"
    "CREATE VIEW sorted AS SELECT i FROM numbers ORDER BY i DESC;"
    "CREATE VIEW each AS SELECT DISTINCT i FROM numbers;"
    "CREATE VIEW counted AS SELECT i, count(*) AS n FROM numbers GROUP BY i;"
    "CREATE VIEW met AS WITH RECURSIVE n(i) AS (SELECT printf('%0200d', 1) UNION "
    "SELECT printf('%0200d', i % 200000 + 1) FROM n) SELECT i FROM n;"
    "CREATE VIEW without_end AS WITH RECURSIVE n(i) AS (SELECT printf('%0200d', 1) UNION "
    "SELECT printf('%0200d', i + 1) FROM n) SELECT i FROM n WHERE i < '';"
    "CREATE VIEW huge AS SELECT zeroblob(1000000000) AS z;"
    "CREATE TABLE large(a INTEGER PRIMARY KEY, n, b AS (zeroblob(n)), c AS (printf('%.*c', n, char(0x20ac))));"
    "INSERT INTO large(n) VALUES (1), (90000000);"
    "CREATE TABLE text_key(n, b AS (zeroblob(n)), k TEXT PRIMARY KEY);"
    "CREATE TABLE along_key(n, j BLOB, b AS (zeroblob(n)), k TEXT, PRIMARY KEY (k, j)) WITHOUT ROWID;"
    "INSERT INTO text_key(n, k) VALUES (1, 'a'), (300000000, 'larger'), (268435459, 'at the limit');"
    "INSERT INTO along_key(n, k, j) SELECT n, k, x'0102' FROM text_key;";

class SqliteLimits : public SqliteTest {
  protected:
    /// Reads it whole and keeps nothing.
    static std::size_t count_rows(core::Source& source, const std::string& name) {
        auto const snapshot = source.open_snapshot({.join = {}, .durable = true});  // a view is read in one go
        core::TableInfo const info = table(*snapshot, name);
        auto const reader = snapshot->open_chunk(info, {});
        core::RowBatch batch(info.layout.columns.size());
        std::size_t rows = 0;
        while (reader->read(batch, {})) {
            rows += batch.row_count();
        }
        return rows;
    }
};

/// 40 MB each; the caches of SQLite have 2 MB.
TEST_F(SqliteLimits, what_a_view_sorts_or_tells_apart_is_not_kept_in_memory) {
    Program(path()).run(kNumbers);
    auto const source = open();
    for (const char* view : {"sorted", "each", "counted", "met"}) {
        sqlite3_memory_highwater(1);
        EXPECT_EQ(count_rows(*source, view), 200'000U) << view;
        EXPECT_LT(sqlite3_memory_highwater(0), 16 << 20) << view;
    }
    for (auto const& entry : std::filesystem::directory_iterator(scratch())) {
        EXPECT_TRUE(entry.path().filename().string().starts_with("snapshot-")) << entry << ": they have no names";
    }
}

TEST_F(SqliteLimits, temporary_files_have_a_limit_that_concerns_what_meets_it) {
    Program(path()).run(kNumbers);
    temporary_file_bytes = 8 << 20;
    auto const source = open();
    for (const char* view : {"sorted", "each", "met", "without_end"}) {
        core::SourceError const error = error_of([&] { count_rows(*source, view); });
        EXPECT_EQ(error.kind(), Kind::kBeyondLimit) << view << ": " << error.text();
        EXPECT_NE(error.text().find(view), std::string::npos) << error.text();
        EXPECT_NE(error.detail().find("temp_file_limit"), std::string::npos) << error.detail();
    }
    EXPECT_EQ(count_rows(*source, "t"), 2U);
    temporary_file_bytes.reset();
    EXPECT_EQ(count_rows(*open(), "sorted"), 200'000U) << "what they had taken was given back";
}

/// 360 MB are computed for it, and would be copied, and encoded, only for it to be refused.
TEST_F(SqliteLimits, of_a_row_that_is_too_large_no_more_is_handed_out_than_tells_so) {
    constexpr std::size_t kMostStored = 268'435'455;
    Program(path()).run(kNumbers);
    auto const source = open();
    for (bool const durable : {false, true}) {  // the values are copied, or SQLite's own
        auto const snapshot = source->open_snapshot({.join = {}, .durable = durable});
        core::TableInfo const info = table(*snapshot, "large");
        auto const reader = snapshot->open_chunk(info, {});
        core::RowBatch batch(info.layout.columns.size());
        std::vector<std::size_t> sizes;
        while (reader->read(batch, {})) {
            for (std::size_t row = 0; row < batch.row_count(); ++row) {
                sizes.push_back(0);
                for (const core::Value& value : batch.row(row)) {
                    bool const has_bytes =
                        value.kind == core::ValueKind::kText || value.kind == core::ValueKind::kBytes;
                    sizes.back() += has_bytes ? value.length : 0;
                    EXPECT_TRUE(value.kind != core::ValueKind::kText || value.length % 3 == 0) << "no letter is cut";
                }
            }
        }
        ASSERT_EQ(sizes.size(), 2U);
        EXPECT_EQ(sizes[0], 4U);
        EXPECT_GT(sizes[1], kMostStored);
        EXPECT_LE(sizes[1], kMostStored + 4);
    }
}

/// It says which row is refused. What it takes is not taken from the others, which a target may have room for.
TEST_F(SqliteLimits, of_a_row_that_is_too_large_the_key_is_handed_out_whole_wherever_it_stands) {
    Program(path()).run(kNumbers);
    auto const source = open();
    for (bool const durable : {false, true}) {
        auto const snapshot = source->open_snapshot({.join = {}, .durable = durable});
        for (const char* const name : {"text_key", "along_key"}) {
            core::TableInfo const info = table(*snapshot, name);
            auto const reader = snapshot->open_chunk(info, {});
            core::RowBatch batch(info.layout.columns.size());
            std::map<std::string, std::size_t> sizes;
            while (reader->read(batch, {})) {
                for (std::size_t row = 0; row < batch.row_count(); ++row) {
                    std::string key;
                    for (std::uint32_t const column : info.layout.key_columns) {
                        key += batch.row(row)[column].view();
                    }
                    for (std::size_t i = 0; i < info.layout.columns.size(); ++i) {
                        if (info.layout.columns[i].name == "b") {
                            sizes[key] = batch.row(row)[i].length;
                        }
                    }
                }
            }
            std::string const rest = std::string(name) == "along_key" ? "\x01\x02" : "";
            std::map<std::string, std::size_t> const expected = {
                {"a" + rest, 1}, {"larger" + rest, 268'435'459}, {"at the limit" + rest, 268'435'459}};
            EXPECT_EQ(sizes, expected) << name;
        }
    }
}

TEST_F(SqliteLimits, memory_has_a_limit_that_concerns_what_meets_it) {
    Program(path()).run(kNumbers);
    {
        auto const source = open();
        core::SourceError const error = error_of([&] { count_rows(*source, "huge"); });
        EXPECT_EQ(error.kind(), Kind::kBeyondLimit) << error.text();
        EXPECT_NE(error.text().find("too much memory"), std::string::npos) << error.text();
        EXPECT_NE(error.hint().find("memory_per_worker"), std::string::npos) << error.hint();
        EXPECT_EQ(count_rows(*source, "t"), 2U);
    }
    EXPECT_EQ(sqlite3_hard_heap_limit64(-1), 0) << "the process has its own again";
}

}  // namespace
}  // namespace pgrepl::test
