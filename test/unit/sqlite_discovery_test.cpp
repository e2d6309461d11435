// Which tables of a SQLite file are found, and what is said about them.

#include <map>

#include "test/unit/sqlite_fixture.hpp"

namespace pgrepl::test {
namespace {

class SqliteDiscovery : public SqliteTest {
  protected:
    std::map<std::string, core::TableInfo> discover() {
        std::map<std::string, core::TableInfo> tables;
        for (core::TableInfo& info : open()->discover()) {
            EXPECT_EQ(info.name.database, "main");
            EXPECT_EQ(info.consistency, core::Consistency::kState);
            tables.emplace(info.name.table, std::move(info));
        }
        return tables;
    }
};

TEST_F(SqliteDiscovery, views_are_listed_and_virtual_and_shadow_tables_with_the_reason) {
    Program(path()).run(
        "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT); CREATE VIEW v AS SELECT a, a+1 AS b FROM t;"
        "CREATE VIEW broken AS SELECT * FROM nowhere;"
        "CREATE VIRTUAL TABLE f USING fts5(body); CREATE VIRTUAL TABLE r USING rtree(id, x0, x1); ANALYZE");
    auto const tables = discover();
    EXPECT_EQ(tables.at("t").unsupported_reason, "");
    EXPECT_EQ(tables.at("t").kind, "table");
    EXPECT_EQ(tables.at("v").kind, "view");
    EXPECT_EQ(tables.at("v").layout.columns.size(), 2U);
    EXPECT_EQ(tables.at("v").unsupported_reason, "");
    EXPECT_FALSE(tables.at("v").layout.has_key());
    EXPECT_EQ(tables.at("broken").unsupported_reason, "");  // reading it says what is wrong
    EXPECT_TRUE(tables.at("broken").layout.columns.empty());
    EXPECT_EQ(tables.at("f").kind, "virtual table");
    EXPECT_EQ(tables.at("r").kind, "virtual table");
    EXPECT_NE(tables.at("r").unsupported_reason, "");
    for (const char* shadow :
         {"f_data", "f_idx", "f_content", "f_docsize", "f_config", "r_node", "r_parent", "r_rowid"}) {
        EXPECT_EQ(tables.at(shadow).kind, "shadow table") << shadow;
        EXPECT_NE(tables.at(shadow).unsupported_reason, "") << shadow;
    }
    for (const auto& [name, info] : tables) {
        EXPECT_FALSE(name.starts_with("sqlite_")) << name;
    }
}

TEST_F(SqliteDiscovery, a_virtual_table_of_an_unknown_module_is_listed) {
    Program program(path());
    program.run(
        "CREATE TABLE t(a); PRAGMA writable_schema=1; INSERT INTO sqlite_schema VALUES('table','odd','odd',0,"
        "'CREATE VIRTUAL TABLE odd USING nobody_has_this(x)')");
    auto const tables = discover();
    EXPECT_EQ(tables.at("odd").kind, "virtual table");
    EXPECT_EQ(tables.at("t").unsupported_reason, "");
}

TEST_F(SqliteDiscovery, only_strict_text_columns_hold_strings_only) {
    Program(path()).run("CREATE TABLE s(a TEXT PRIMARY KEY, b ANY, c INT) STRICT; CREATE TABLE t(a TEXT PRIMARY KEY)");
    auto const tables = discover();
    EXPECT_EQ(tables.at("s").layout.columns[0].id_style, core::IdStyle::kStringsOnly);
    EXPECT_EQ(tables.at("s").layout.columns[1].id_style, core::IdStyle::kAnyType);
    EXPECT_EQ(tables.at("t").layout.columns[0].id_style, core::IdStyle::kAnyType);
    EXPECT_EQ(tables.at("s").column_types, (std::vector<std::string>{"TEXT", "ANY", "INT"}));
}

TEST_F(SqliteDiscovery, the_definition_changes_with_the_structure_and_with_nothing_else) {
    Program program(path());
    program.run("CREATE TABLE t(a PRIMARY KEY, b)");
    std::string const before = discover().at("t").definition;
    program.run("INSERT INTO t VALUES(1,2); CREATE TABLE u(a); VACUUM; CREATE INDEX i ON t(b)");
    EXPECT_EQ(discover().at("t").definition, before);
    program.run("ALTER TABLE t ADD COLUMN c");
    EXPECT_NE(discover().at("t").definition, before);
}

TEST_F(SqliteDiscovery, a_table_that_changed_since_its_discovery_is_not_read) {
    Program program(path());
    program.run("PRAGMA journal_mode=wal; CREATE TABLE t(a); CREATE TABLE u(a)");
    auto const tables = discover();
    program.run("ALTER TABLE t ADD COLUMN c; DROP TABLE u");
    auto const source = open();
    auto const snapshot = source->open_snapshot({});
    EXPECT_EQ(error_of([&] { (void)snapshot->open_chunk(tables.at("t"), {}); }).kind(), Kind::kTableChanged);
    EXPECT_EQ(error_of([&] { (void)snapshot->open_chunk(tables.at("u"), {}); }).kind(), Kind::kTableChanged);
}

TEST_F(SqliteDiscovery, an_application_collation_matters_only_where_the_table_is_sorted_by_it) {
    {
        Program program(path());
        sqlite3_create_collation(program.handle(), "mine", SQLITE_UTF8, nullptr,
                                 [](void*, int, const void*, int, const void*) { return 0; });
        program.run(
            "CREATE TABLE r(a TEXT COLLATE mine PRIMARY KEY, b); INSERT INTO r VALUES('x',1);"
            "CREATE TABLE w(a TEXT COLLATE mine PRIMARY KEY, b) WITHOUT ROWID");
    }
    auto const tables = discover();
    EXPECT_EQ(tables.at("r").unsupported_reason, "");
    EXPECT_NE(tables.at("w").unsupported_reason.find("mine"), std::string::npos);
    EXPECT_EQ(read_table("r"), Rows{"'x',1,1"});
}

TEST_F(SqliteDiscovery, a_generated_column_with_an_unknown_function_makes_one_table_unsupported) {
    {
        Program program(path());
        sqlite3_create_function(
            program.handle(), "mine", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, nullptr,
            [](sqlite3_context* c, int, sqlite3_value**) { sqlite3_result_int(c, 1); }, nullptr, nullptr);
        program.run("CREATE TABLE g(a, b AS (mine(a))); CREATE TABLE t(a)");
    }
    auto const tables = discover();
    EXPECT_NE(tables.at("g").unsupported_reason.find("mine"), std::string::npos);
    EXPECT_EQ(tables.at("t").unsupported_reason, "");
}

TEST_F(SqliteDiscovery, rows_are_estimated_without_a_scan) {
    Program program(path());
    program.run(
        "CREATE TABLE t(a); WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000) INSERT INTO t SELECT i "
        "FROM n;"
        "CREATE TABLE far(a); INSERT INTO far(rowid) VALUES(1),(9223372036854775807);"
        "CREATE TABLE w(a PRIMARY KEY) WITHOUT ROWID; INSERT INTO w SELECT a FROM t");
    auto tables = discover();
    EXPECT_EQ(tables.at("t").estimated_rows, 5000);
    EXPECT_LT(tables.at("far").estimated_rows.value_or(0), 100'000);
    EXPECT_FALSE(tables.at("w").estimated_rows);
    program.run("ANALYZE");
    EXPECT_EQ(discover().at("w").estimated_rows, 5000);
}

TEST_F(SqliteDiscovery, names_that_are_no_utf8_are_listed_as_unsupported) {
    Program(path()).run("CREATE TABLE \"bad\xff\"(a); CREATE TABLE t(\"c\xfe\"); CREATE TABLE good(a)");
    auto const tables = discover();
    EXPECT_NE(tables.at("bad?").unsupported_reason, "");
    EXPECT_NE(tables.at("t").unsupported_reason, "");
    EXPECT_EQ(tables.at("good").unsupported_reason, "");
}

TEST_F(SqliteDiscovery, the_library_and_the_file_are_described) {
    Program(path()).run("PRAGMA journal_mode=wal; CREATE TABLE t(a)");
    core::SourceInfo const info = open()->describe();
    EXPECT_TRUE(info.server_version.starts_with("SQLite 3."));
    EXPECT_EQ(info.description, "WAL mode, UTF-8, page size 4096");
}

}  // namespace
}  // namespace pgrepl::test
