// Rows and values as the SQLite adapter hands them over.

#include <cmath>
#include <limits>

#include "source/sqlite/connection.hpp"
#include "source/sqlite/row_query.hpp"
#include "source/sqlite/table_shape.hpp"
#include "test/unit/sqlite_fixture.hpp"

namespace pgrepl::test {
namespace {

class SqliteReading : public SqliteTest {
  protected:
    core::TableInfo table_of(const std::string& name) {
        auto const source = open();
        auto const snapshot = source->open_snapshot({});
        return table(*snapshot, name);
    }
};

TEST_F(SqliteReading, rowid_zero_negative_and_extreme_rows_are_read_in_order) {
    Program(path()).run(
        "CREATE TABLE t(v); INSERT INTO t(rowid, v) VALUES(0,'zero'),(-1,'minus'),(5,'five'),"
        "(9223372036854775807,'max'),(-9223372036854775808,'min')");
    Rows const expected = {"'min',-9223372036854775808", "'minus',-1", "'zero',0", "'five',5",
                           "'max',9223372036854775807"};
    EXPECT_EQ(read_table("t"), expected);
}

TEST_F(SqliteReading, extreme_rowids_are_planned_split_and_resumed_without_overflow) {
    Program(path()).run(
        "CREATE TABLE t(v); INSERT INTO t(rowid, v) "
        "VALUES(9223372036854775807,'max'),(-9223372036854775808,'min'),(3,'m')");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    core::TableInfo const info = table(*snapshot, "t");
    for (int wanted : {1, 2, 3, 7, 64}) {
        Rows rows;
        for (const core::ChunkRange& range : snapshot->plan_chunks(info, wanted)) {
            for (const std::string& row : read_chunk(*snapshot, info, range)) {
                rows.push_back(row);
            }
        }
        EXPECT_EQ(rows.size(), 3U) << wanted;
    }
    auto const middle = snapshot->split_point(info, {});
    ASSERT_TRUE(middle);
    EXPECT_EQ(read_chunk(*snapshot, info, {"", *middle}).size() + read_chunk(*snapshot, info, {*middle, ""}).size(),
              3U);
    EXPECT_FALSE(snapshot->split_point(info, {"3", ""}));
    EXPECT_FALSE(snapshot->split_point(info, {"9223372036854775807", ""}));
    EXPECT_EQ(read_chunk(*snapshot, info, {"9223372036854775807", ""}).size(), 0U);
}

TEST_F(SqliteReading, a_table_without_key_is_identified_by_a_hidden_rowid) {
    Program(path()).run("CREATE TABLE t(a); INSERT INTO t VALUES('x')");
    core::TableInfo const info = table_of("t");
    ASSERT_EQ(info.layout.columns.size(), 2U);
    EXPECT_EQ(info.layout.columns[1].name, "rowid");
    EXPECT_FALSE(info.layout.columns[1].in_data);
    EXPECT_EQ(info.layout.key_columns, std::vector<std::uint32_t>{1});
    EXPECT_TRUE(info.key_names.empty());
}

TEST_F(SqliteReading, integer_primary_key_is_the_rowid) {
    Program(path()).run("CREATE TABLE t(a, id INTEGER PRIMARY KEY); INSERT INTO t VALUES('x', 7)");
    core::TableInfo const info = table_of("t");
    EXPECT_EQ(info.layout.columns.size(), 2U);
    EXPECT_EQ(info.layout.key_columns, std::vector<std::uint32_t>{1});
    EXPECT_EQ(info.key_names, std::vector<std::string>{"id"});
    EXPECT_EQ(read_table("t"), Rows{"'x',7"});
}

TEST_F(SqliteReading, integer_primary_key_desc_is_not_the_rowid) {
    Program(path()).run("CREATE TABLE t(id INTEGER PRIMARY KEY DESC); INSERT INTO t VALUES(7),('text'),(NULL)");
    core::TableInfo const info = table_of("t");
    ASSERT_EQ(info.layout.columns.size(), 2U);
    EXPECT_EQ(info.layout.key_columns, std::vector<std::uint32_t>{0});
    EXPECT_EQ(info.layout.null_key_column, 1U);
}

TEST_F(SqliteReading, columns_that_shadow_the_rowid_are_ordinary_columns) {
    Program(path()).run(
        "CREATE TABLE a(rowid TEXT, v); INSERT INTO a VALUES('mine',1),('mine',2);"
        "CREATE TABLE b(ROWID, _rowid_); INSERT INTO b VALUES(5,6),(5,6);"
        "CREATE TABLE c(rowid, _rowid_, oid); INSERT INTO c VALUES(1,2,3);"
        "CREATE TABLE d(rowid INTEGER PRIMARY KEY, _rowid_, oid); INSERT INTO d VALUES(9,2,3);"
        "CREATE TABLE e(rowid, _rowid_, oid NOT NULL PRIMARY KEY); INSERT INTO e VALUES(1,2,30),(1,2,4),(0,0,'x');"
        "CREATE TABLE f(rowid, _rowid_, oid PRIMARY KEY); INSERT INTO f VALUES(1,2,30)");
    EXPECT_EQ(read_table("a"), (Rows{"'mine',1,1", "'mine',2,2"}));
    EXPECT_EQ(read_table("b"), (Rows{"5,6,1", "5,6,2"}));
    EXPECT_NE(table_of("c").unsupported_reason, "");
    EXPECT_EQ(read_table("d"), Rows{"9,2,3"});
    EXPECT_EQ(read_table("e"), (Rows{"1,2,4", "1,2,30", "0,0,'x'"}));
    EXPECT_NE(table_of("f").unsupported_reason, "");
}

TEST_F(SqliteReading, nulls_in_a_declared_key_get_the_rowid_beside_them) {
    Program(path()).run(
        "CREATE TABLE t(a TEXT, b, PRIMARY KEY(b, a)); INSERT INTO t VALUES('x',NULL),('x',NULL),(NULL,1);"
        "CREATE TABLE n(a TEXT NOT NULL PRIMARY KEY)");
    core::TableInfo const info = table_of("t");
    EXPECT_EQ(info.layout.key_columns, (std::vector<std::uint32_t>{1, 0}));
    EXPECT_EQ(info.key_names, (std::vector<std::string>{"b", "a"}));
    EXPECT_EQ(info.layout.null_key_column, 2U);
    EXPECT_EQ(read_table("t"), (Rows{"'x',null,1", "'x',null,2", "null,1,3"}));
    EXPECT_EQ(table_of("n").layout.null_key_column, core::RowLayout::kNoColumn);
}

TEST_F(SqliteReading, without_rowid_tables_are_read_along_their_key_without_sorting) {
    Program(path()).run(
        "CREATE TABLE t(a TEXT COLLATE NOCASE, b, c, PRIMARY KEY(a, b DESC, c COLLATE RTRIM)) WITHOUT ROWID;"
        "CREATE INDEX i ON t(c, b, a)");
    TestInterrupts quiet;
    sqlite::Connection connection({path(), {}}, sqlite::Connection::Access::kLive, 100, quiet);
    auto const shape = sqlite::read_shape(connection, "t");
    ASSERT_TRUE(shape);
    sqlite::RowQuery const query(connection, *shape);
    std::vector<std::string> statements = query.whole_key();
    for (std::size_t equal = 0; equal < 3; ++equal) {
        statements.push_back(query.key_tail(equal).at(0));
    }
    for (const std::string& sql : statements) {
        auto const plan = connection.prepare("EXPLAIN QUERY PLAN " + sql, "explain");
        int steps = 0;
        while (connection.step(plan, "explain")) {
            ++steps;
            std::string const detail = sqlite::column_string(plan, 3);
            EXPECT_EQ(detail.find("TEMP B-TREE"), std::string::npos) << sql << detail;
            EXPECT_NE(detail.find(sql.find("WHERE") == std::string::npos ? "SCAN" : "SEARCH"), std::string::npos)
                << detail;
            EXPECT_EQ(detail.find("INDEX i"), std::string::npos) << detail;
        }
        EXPECT_EQ(steps, 1) << sql;
    }
}

TEST_F(SqliteReading, every_storage_class_at_its_edges_is_exact) {
    Program program(path());
    program.run(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, v);"
        "INSERT INTO t(v) "
        "VALUES(9223372036854775807),(-9223372036854775808),(0),(1e999),(-1e999),(5.0),(1.7976931348623157e308),"
        "(4.9406564584124654e-324),(''),(x''),(NULL),('é€😀'),(CAST(x'ff00fe' AS TEXT)),(x'00ff'),('a' || char(0) || "
        "'b')");
    sqlite3_stmt* insert = nullptr;
    sqlite3_prepare_v2(program.handle(), "INSERT INTO t(v) VALUES(?1)", -1, &insert, nullptr);
    sqlite3_bind_double(insert, 1, -0.0);
    sqlite3_step(insert);
    sqlite3_finalize(insert);
    Rows const rows = read_table("t");
    Rows const expected = {"1,9223372036854775807",
                           "2,-9223372036854775808",
                           "3,0",
                           "4,inf",
                           "5,-inf",
                           "6,5.0",
                           "7,1.7976931348623157e+308",
                           "8,4.9406564584124654e-324",
                           "9,''",
                           "10,x''",
                           "11,null",
                           "12,'é€😀'",
                           "13,'" + std::string("\xff\0\xfe", 3) + "'",
                           "14,x'00ff'",
                           "15,'" + std::string("a\0b", 3) + "'",
                           "16,-0.0"};
    EXPECT_EQ(rows, expected);
}

TEST_F(SqliteReading, values_keep_their_storage_class_whatever_the_column_says) {
    Program(path()).run(
        "CREATE TABLE t(i INTEGER, r REAL, s TEXT, n NUMERIC); INSERT INTO t VALUES('abc', 'x', x'01', 1.5),(1.0, 2, "
        "3, '4')");
    EXPECT_EQ(read_table("t"), (Rows{"'abc','x',x'01',1.5,1", "1,2.0,'3',4,2"}));
}

TEST_F(SqliteReading, large_values_are_whole_and_end_their_batch_in_both_journal_modes) {
    for (const char* mode : {"wal", "delete"}) {
        std::filesystem::remove(path());
        Program program(path());
        program.run(std::string("PRAGMA journal_mode=") + mode +
                    "; CREATE TABLE t(id INTEGER PRIMARY KEY, v, w); INSERT INTO t VALUES(1,'s',NULL),"
                    "(2,CAST(randomblob(71680) AS TEXT),x'01'),(3,'s',randomblob(20971520)),(4,'s',2)");
        auto const source = open();
        auto const snapshot = source->open_snapshot({});
        auto const reader = snapshot->open_chunk(table(*snapshot, "t"), {});
        core::RowBatch batch(3);
        std::size_t rows = 0;
        while (reader->read(batch, {})) {
            core::Value const* const last = &batch.row(batch.row_count() - 1)[0];
            if (last[0].payload.int64 == 2) {
                EXPECT_EQ(last[1].length, 71680U);
            }
            if (last[0].payload.int64 == 3) {
                ASSERT_EQ(last[2].length, 20971520U);
                EXPECT_GE(batch.size_bytes(), 20971520U);
                sqlite3_stmt* check = nullptr;
                sqlite3_prepare_v2(program.handle(), "SELECT 1 FROM t WHERE w = ?1", -1, &check, nullptr);
                sqlite3_bind_blob(check, 1, last[2].payload.data, 20971520, SQLITE_STATIC);
                EXPECT_EQ(sqlite3_step(check), SQLITE_ROW);
                sqlite3_finalize(check);
            }
            rows += batch.row_count();
        }
        EXPECT_EQ(rows, 4U) << mode;
    }
}

TEST_F(SqliteReading, utf16_databases_read_as_utf8_and_resume_at_exact_keys) {
    for (const char* encoding : {"UTF-16le", "UTF-16be"}) {
        std::filesystem::remove(path());
        Program(path()).run(
            std::string("PRAGMA encoding='") + encoding +
            "'; CREATE TABLE \"tä\"(\"ö\" TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO \"tä\" VALUES('é€😀'),('z')"
            ",(CAST(x'00d800d8' AS TEXT)),(CAST(x'00d800d9' AS TEXT)),('')");
        auto const source = open();
        EXPECT_NE(source->describe().description.find(encoding), std::string::npos);
        auto const snapshot = source->open_snapshot({});
        core::TableInfo const info = table(*snapshot, "tä");
        EXPECT_EQ(info.layout.columns[0].name, "ö");
        Rows const all = read_chunk(*snapshot, info, {});
        EXPECT_EQ(all.size(), 5U);
        EXPECT_NE(std::find(all.begin(), all.end(), "'é€😀'"), all.end());
        Rows resumed;
        std::string bound;
        for (core::RowBatch batch(1);;) {
            auto const reader = snapshot->open_chunk(info, {bound, ""});
            if (!reader->read(batch, {.rows = 1})) {
                break;
            }
            resumed.push_back(show_row(batch.row(0)));
            bound = reader->resume_bound();
        }
        EXPECT_EQ(resumed, all) << encoding;
    }
}

TEST_F(SqliteReading, generated_columns_are_read_stored_and_virtual) {
    Program(path()).run(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, a, v AS (a+1) VIRTUAL, s AS (a*2) STORED); INSERT INTO t(a) VALUES(5)");
    EXPECT_EQ(read_table("t"), Rows{"1,5,6,10"});
}

TEST_F(SqliteReading, names_with_quotes_dots_keywords_and_unicode_are_read) {
    Program(path()).run(
        "CREATE TABLE \"a \"\"b\"\".[c]'d'; --\"(\"select\" INTEGER PRIMARY KEY, \"x\"\"y\", \"日本\"); "
        "INSERT INTO \"a \"\"b\"\".[c]'d'; --\" VALUES(1,2,3)");
    EXPECT_EQ(read_table("a \"b\".[c]'d'; --"), Rows{"1,2,3"});
}

TEST_F(SqliteReading, two_thousand_columns_are_read_with_and_without_a_key) {
    Program program(path());
    for (const char* tail : {")", ", PRIMARY KEY(c7, c1999)) WITHOUT ROWID"}) {
        std::string const name = std::string(tail).size() > 1 ? "keyed" : "plain";
        std::string columns;
        std::string values;
        for (int i = 0; i < 2000; ++i) {
            columns += (i == 0 ? "c" : ",c") + std::to_string(i);
            values += (i == 0 ? "" : ",") + std::to_string(i);
        }
        std::string create = "CREATE TABLE ";
        create.append(name).append("(").append(columns).append(tail);
        std::string insert = "INSERT INTO ";
        insert.append(name).append(" VALUES(").append(values).append(")");
        program.run(create);
        program.run(insert);
    }
    program.run("INSERT INTO plain SELECT * FROM plain");
    Rows const plain = read_table("plain");
    ASSERT_EQ(plain.size(), 2U);
    EXPECT_TRUE(plain[1].ends_with(",1998,1999,2"));
    Rows const keyed = read_table("keyed");
    ASSERT_EQ(keyed.size(), 1U);
    EXPECT_TRUE(keyed[0].ends_with(",1998,1999"));
}

TEST_F(SqliteReading, empty_tables_give_no_rows_and_one_chunk) {
    Program(path()).run("CREATE TABLE t(a); CREATE TABLE w(a PRIMARY KEY) WITHOUT ROWID");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    for (const char* name : {"t", "w"}) {
        core::TableInfo const info = table(*snapshot, name);
        EXPECT_EQ(snapshot->plan_chunks(info, 8).size(), 1U);
        EXPECT_FALSE(snapshot->split_point(info, {}));
        EXPECT_EQ(read_chunk(*snapshot, info, {}).size(), 0U);
    }
    EXPECT_EQ(table(*snapshot, "t").estimated_rows, 0);
}

TEST_F(SqliteReading, a_batch_keeps_to_its_limits) {
    Program(path()).run(
        "CREATE TABLE t(v); WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<100) INSERT INTO t SELECT "
        "zeroblob(1000) FROM n");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    auto const reader = snapshot->open_chunk(table(*snapshot, "t"), {});
    core::RowBatch batch(2);
    ASSERT_TRUE(reader->read(batch, {.rows = 7}));
    EXPECT_EQ(batch.row_count(), 7U);
    ASSERT_TRUE(reader->read(batch, {.rows = 1000, .bytes = 10'000}));
    EXPECT_LE(batch.row_count(), 11U);
    EXPECT_GE(batch.size_bytes(), 10'000U);
}

/// Before 3.41 SQLite did not mark them as harmless.
TEST_F(SqliteReading, json_functions_in_the_schema_are_trusted) {
    Program(path()).run(R"(
        CREATE TABLE computed (id INTEGER PRIMARY KEY, doc TEXT, k AS (json_extract(doc, '$.k')));
        CREATE TABLE stored (id INTEGER PRIMARY KEY, doc TEXT, k AS (doc ->> 'k') STORED);
        CREATE TABLE indexed (id INTEGER PRIMARY KEY, doc TEXT);
        CREATE INDEX by_value ON indexed (json_extract(doc, '$.k')); CREATE INDEX part ON indexed (id) WHERE json_valid(doc);
        CREATE VIEW shown AS SELECT json_group_array(k) AS ks FROM computed;
        INSERT INTO computed (doc) VALUES ('{"k": 5}'); INSERT INTO stored (doc) VALUES ('{"k": 6}');
        INSERT INTO indexed (doc) VALUES ('{"k": 7}'))");
    EXPECT_EQ(read_table("computed"), (Rows{R"(1,'{"k": 5}',5)"}));
    EXPECT_EQ(read_table("stored"), (Rows{R"(1,'{"k": 6}',6)"}));
    EXPECT_EQ(read_table("indexed"), (Rows{R"(1,'{"k": 7}')"}));
    EXPECT_EQ(read_table("shown"), (Rows{"'[5]'"}));
}

/// A schema that whoever wrote the file has made.
TEST_F(SqliteReading, other_functions_that_do_more_than_compute_are_not) {
    Program(path()).run("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    Program(path()).run("CREATE VIEW reads AS SELECT fts3_tokenizer('simple') AS a, load_extension('x') AS b FROM t");
    core::SourceError const in_view = error_of([&] { read_table("reads"); });
    EXPECT_EQ(in_view.kind(), Kind::kUnsupported);
    EXPECT_NE(in_view.text().find("unsafe use of"), std::string::npos) << in_view.text();
    EXPECT_EQ(read_table("t"), Rows{"1,1"});
    Program(path()).run("CREATE TABLE g (a, b AS (abs(a)))");
    Program(path()).run(
        "PRAGMA writable_schema = 1; "
        "UPDATE sqlite_schema SET sql = replace(sql, 'abs(a)', 'fts3_tokenizer(a)') WHERE name = 'g'");
    core::SourceError const in_column = error_of([&] { read_table("g"); });
    EXPECT_EQ(in_column.kind(), Kind::kUnsupported);
    EXPECT_NE(in_column.text().find("unsafe use of fts3_tokenizer()"), std::string::npos) << in_column.text();
    EXPECT_NE(in_column.detail().find("not damaged"), std::string::npos) << in_column.detail();
}

/// An application's own, which nobody knows here.
TEST_F(SqliteReading, a_function_of_an_application_concerns_its_table_alone) {
    Program const program(path());
    sqlite3_create_function(
        program.handle(), "mine", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr,
        [](sqlite3_context* context, int, sqlite3_value**) { sqlite3_result_int(context, 1); }, nullptr, nullptr);
    program.run("CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE TABLE g (a, b AS (mine(a)) VIRTUAL)");
    EXPECT_EQ(read_table("t"), Rows{"1,1"});
    core::SourceError const error = error_of([&] { read_table("g"); });
    EXPECT_EQ(error.kind(), Kind::kUnsupported) << error.text();
    EXPECT_NE(error.text().find("mine"), std::string::npos) << error.text();
}

}  // namespace
}  // namespace pgrepl::test
