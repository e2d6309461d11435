// Values and changes as decoded from recorded binlogs, against what the servers themselves said.

#include <gtest/gtest.h>

#include "source/mysql/tables/table_structure.hpp"
#include "source/mysql/values/collations.hpp"
#include "test/unit/mysql_corpus.hpp"
#include "test/unit/mysql_event_walk.hpp"
#include "test/unit/mysql_value_text.hpp"

namespace pgrepl::test {
namespace {

using Row = std::map<std::string, std::string>;
using Tables = std::map<std::string, std::map<std::string, Row>>;

Row row_of(const mysql::EventTable& table, std::span<const core::Value> values) {
    Row row;
    for (const mysql::EventColumn& column : table.columns) {
        if (column.output != mysql::EventColumn::kNotRead) {
            bool const json = column.type == mysql::ColumnType::kJson || column.logical == mysql::LogicalType::kJson;
            row[column.name] = json ? json_value_text(values[column.output]) : value_text(values[column.output]);
        }
    }
    return row;
}

/// Applies changes to tables of texts, checking that each row is found as it was.
void apply(Tables& tables, const mysql::EventTable& table, core::ChangeKind kind, const core::RowBatch& batch) {
    auto& rows = tables[table.table];
    std::size_t next = 0;
    if (kind != core::ChangeKind::kInsert) {
        Row const before = row_of(table, batch.row(next++));
        Row stored = rows[before.at("id")];
        for (auto const& [column, value] : before) {
            stored.try_emplace(column, value);  // an added column
        }
        EXPECT_EQ(stored, before) << table.table;
        rows.erase(before.at("id"));
    }
    if (kind != core::ChangeKind::kDelete) {
        Row const after = row_of(table, batch.row(next));
        rows[after.at("id")] = after;
    }
}

class MysqlValues : public testing::TestWithParam<const char*> {
  protected:
    Corpus const corpus_ = load_corpus(GetParam());

    /// Reads all events; errors of tables named refused_… are counted, others fail.
    int replay(Tables& tables) {
        EventWalk walk(mysql::ChecksumAlgorithm::kCrc32);
        walk.complete = [&](mysql::EventTable& table) { corpus_.complete(table); };
        walk.on_change = [&](auto const& table, auto kind, auto const& batch) {
            if (table.database == "corpus" && corpus_.expected.contains(table.table)) {
                apply(tables, table, kind, batch);
            }
        };
        int refused = 0;
        for (mysql::ByteSpan const event : corpus_.events) {
            try {
                walk.read(event);
            } catch (const core::SourceError& error) {
                EXPECT_EQ(error.kind(), core::SourceErrorKind::kUnsupported) << error.text() << " " << error.detail();
                EXPECT_TRUE(error.hint().find("binlog_row_") != std::string::npos) << error.text() << error.hint();
                ++refused;
            }
        }
        return refused;
    }
};

TEST_P(MysqlValues, replayed_tables_equal_what_the_server_selects) {
    Tables tables;
    replay(tables);
    std::size_t compared = 0;
    for (auto const& [name, rows] : corpus_.expected) {
        EXPECT_EQ(tables[name].size(), rows.size()) << name;
        for (auto const& [id, row] : rows) {
            for (auto const& [column, value] : row) {
                EXPECT_EQ(tables[name][id][column], value) << name << " " << id << " " << column;
                ++compared;
            }
        }
    }
    EXPECT_GT(compared, 1500U);
}

TEST_P(MysqlValues, partial_images_and_partial_json_are_refused_by_name) {
    Tables tables;
    EXPECT_EQ(replay(tables), std::string(GetParam()).starts_with("mysql") ? 2 : 1);
}

TEST_P(MysqlValues, a_column_left_out_moves_the_others_up) {
    EventWalk walk(mysql::ChecksumAlgorithm::kCrc32);
    walk.complete = [&](mysql::EventTable& table) {
        corpus_.complete(table);
        if (table.table == "v_hidden") {
            table.leave_out(2);
        }
    };
    std::vector<std::string> row;
    walk.on_change = [&](auto const& table, auto, auto const& batch) {
        if (table.table == "v_hidden") {
            for (const core::Value& value : batch.row(0)) {
                row.push_back(value_text(value));
            }
        }
    };
    for (mysql::ByteSpan const event : corpus_.events) {
        try {
            walk.read(event);
        } catch (const core::SourceError&) {
        }
    }
    ASSERT_GE(row.size(), 3U);
    EXPECT_EQ(row[0], "1");
    EXPECT_EQ(row[1], "10");
    EXPECT_EQ(row.back(), "z");
}

/// The value of MySQL's binary JSON, and of the text that the server prints for it.
void expect_equal_json(std::vector<std::uint8_t> stored, std::string_view printed) {
    core::Arena arena;
    mysql::JsonBinaryReader reader;
    mysql::JsonScratch scratch;
    mysql::Charsets charsets;
    core::Value const streamed = reader.read(stored, {}, arena);
    core::Value const copied = mysql::json_value(printed, *charsets.find("utf8mb4"), arena, scratch);
    EXPECT_EQ(streamed.kind, copied.kind) << printed;
    EXPECT_EQ(json_value_text(streamed), json_value_text(copied)) << printed;
}

TEST(MysqlJsonBinary, is_read_as_the_text_that_the_server_prints) {
    expect_equal_json({}, "null");
    expect_equal_json({4, 0}, "null");
    expect_equal_json({4, 1}, "true");
    expect_equal_json({5, 0xff, 0xff}, "-1");
    expect_equal_json({0x0c, 2, 'a', 0}, R"("a\u0000")");
    expect_equal_json({2, 0, 0, 4, 0}, "[]");
    expect_equal_json({0, 1, 0, 12, 0, 11, 0, 1, 0, 5, 7, 0, 'a'}, R"({"a": 7})");
}

TEST(MysqlJsonBinary, a_key_that_jsonb_cannot_hold_makes_the_value_its_text) {
    expect_equal_json({0, 1, 0, 14, 0, 11, 0, 3, 0, 5, 7, 0, 'a', 0, '\n'}, R"({"a\u0000\n": 7})");
}

/// The value of a table's only column, from one row's bytes behind the bitmap of nulls.
std::string decode(mysql::EventColumn column, std::vector<std::uint8_t> bytes) {
    column.output = 0;
    mysql::RowDecoder decoder({.database = "d", .table = "t", .columns = {std::move(column)}, .row_width = 1});
    bytes.insert(bytes.begin(), 0);
    core::RowBatch batch(1);
    std::vector<std::uint8_t> const all = {1};
    decoder.open({.column_count = 1, .present = all, .present_after = all, .rows = bytes, .place = {}});
    EXPECT_TRUE(decoder.next(batch));
    if (decoder.invalid_value()) {
        throw core::SourceError(*decoder.invalid_value());
    }
    return value_text(batch.row(0)[0]);
}

TEST(MysqlRowDecoder, an_image_may_lack_only_what_is_not_read) {
    std::vector<mysql::EventColumn> columns(3);
    for (mysql::EventColumn& column : columns) {
        column.type = mysql::ColumnType::kTiny;
        column.signedness = mysql::Signedness::kSigned;
    }
    columns[0].output = 0;
    columns[2].output = 1;
    std::vector<std::uint8_t> const all = {7};
    std::vector<std::uint8_t> const without_second = {5};
    std::vector<std::uint8_t> const without_last = {3};
    // Behind a null bit for each column that is there: 1, 2, 3, and then 4 and null.
    std::vector<std::uint8_t> const rows = {0, 1, 2, 3, 2, 4};
    mysql::RowDecoder decoder({.database = "d", .table = "t", .columns = columns, .row_width = 2});
    mysql::RowsEvent event;
    event.kind = core::ChangeKind::kUpdate;
    event.column_count = 3;
    event.present = all;
    event.present_after = without_second;
    event.rows = rows;
    core::RowBatch batch(2);
    decoder.open(event);
    EXPECT_TRUE(decoder.next(batch));
    EXPECT_FALSE(decoder.next(batch));
    EXPECT_EQ(value_text(batch.row(0)[0]) + value_text(batch.row(0)[1]), "13");
    EXPECT_EQ(value_text(batch.row(1)[0]) + value_text(batch.row(1)[1]), "4NULL");
    event.present_after = without_last;
    EXPECT_THROW(decoder.open(event), core::SourceError);
}

/// A table as an event shows it: with these columns, all of them CHAR of 36 bytes.
mysql::EventTable event_table(std::initializer_list<const char*> names) {
    static mysql::Charsets charsets;
    mysql::EventTable table;
    for (const char* const name : names) {
        mysql::EventColumn& column = table.columns.emplace_back();
        column.name = name;
        column.type = mysql::ColumnType::kString;
        column.length = 36;
        column.charset = charsets.find("latin1");
        column.output = table.row_width++;
    }
    return table;
}

std::string names_of(const core::RowLayout& layout) {
    std::string names;
    for (const core::Column& column : layout.columns) {
        names += (names.empty() ? "" : " ") + column.name;
    }
    return names;
}

TEST(MysqlTableStructure, columns_that_it_does_not_know_are_left_out) {
    mysql::EventTable table = event_table({"id", "DB_ROW_HASH_1", "a", "g"});
    mysql::StreamedLayout const streamed =
        mysql::complete_table(table,
                              mysql::TableStructure::parse(
                                  "column plain 0 text id\ncolumn plain 0 text a\ncolumn virtual 0 text g\nkey id\n"),
                              {});
    EXPECT_EQ(names_of(streamed.layout), "id a");
    EXPECT_EQ(table.columns[1].output, mysql::EventColumn::kNotRead);
    EXPECT_EQ(table.columns[2].output, 1U);
    EXPECT_EQ(table.row_width, 2U);
    EXPECT_EQ(streamed.layout.key_columns, std::vector<std::uint32_t>{0});
    EXPECT_EQ(streamed.lacking_column, "");
}

TEST(MysqlTableStructure, columns_that_it_has_and_the_event_has_not_are_named) {
    mysql::EventTable table = event_table({"id"});
    EXPECT_EQ(mysql::complete_table(
                  table, mysql::TableStructure::parse("column plain 0 text id\ncolumn plain 0 text new\nkey id\n"), {})
                  .lacking_column,
              "new");
    EXPECT_EQ(
        mysql::complete_table(table, mysql::TableStructure::parse("column plain 0 text id\nkey id\nend row_end\n"), {})
            .lacking_column,
        "row_end");
}

TEST(MysqlTableStructure, rows_without_a_column_of_the_key_are_refused) {
    mysql::EventTable table = event_table({"id", "old_key"});
    try {
        mysql::complete_table(
            table, mysql::TableStructure::parse("column plain 0 text id\ncolumn plain 0 text k\nkey id\nkey k\n"), {});
        FAIL() << "it was taken";
    } catch (const core::SourceError& error) {
        EXPECT_EQ(error.kind(), core::SourceErrorKind::kTableChanged);
        EXPECT_NE(error.text().find("\"k\" of the key"), std::string::npos) << error.text();
    }
}

TEST(MysqlTableStructure, a_type_that_the_event_cannot_hold_is_of_a_later_time) {
    for (const char* const type : {"uuid", "inet6", "inet4"}) {
        mysql::EventTable table = event_table({"u"});
        mysql::TableStructure const structure =
            mysql::TableStructure::parse(std::string("column ") + type + " 0 text u\n");
        mysql::complete_table(table, structure, {});
        EXPECT_EQ(table.columns[0].logical, mysql::LogicalType::kAsStored) << type;
        table.columns[0].charset = nullptr;
        table.columns[0].length = std::string(type) == "inet4" ? 4 : 16;
        mysql::complete_table(table, structure, {});
        EXPECT_EQ(table.columns[0].logical, structure.columns[0].logical) << type;
    }
}

TEST(MysqlRowDecoder, a_set_has_at_most_64_labels) {
    mysql::EventColumn column;
    column.type = mysql::ColumnType::kSet;
    column.length = 8;
    column.labels.assign(64, "a");
    std::vector<std::uint8_t> const last = {0, 0, 0, 0, 0, 0, 0, 0x80};
    EXPECT_EQ(decode(column, last), R"(["a"])");
    column.labels.emplace_back("b");
    EXPECT_THROW(decode(column, last), core::SourceError);
}

TEST(MysqlRowDecoder, json_is_read_in_the_charset_of_its_column) {
    mysql::Charsets charsets;
    mysql::EventColumn column;
    column.type = mysql::ColumnType::kVarchar;
    column.logical = mysql::LogicalType::kJson;
    column.length = 20;
    column.charset = charsets.find("latin1");
    EXPECT_EQ(decode(column, {5, '[', '"', 0xe9, '"', ']'}), R"(["é"])");
    column.charset = charsets.find_by_collation(mysql::kBinaryCollation);
    EXPECT_EQ(decode(column, {6, '[', '"', 0xc3, 0xa9, '"', ']'}), R"(["é"])");
    EXPECT_EQ(decode(column, {1, 'x'}), "x");
}

INSTANTIATE_TEST_SUITE_P(Servers, MysqlValues, testing::Values("mysql97", "mariadb1011"),
                         [](auto const& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace pgrepl::test
