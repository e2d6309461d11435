// The questions to information_schema.

#include "source/mysql/server/information_schema.hpp"

#include <algorithm>
#include <charconv>

#include "source/mysql/server/mysql_error.hpp"
#include "source/mysql/sql/merged_tables.hpp"
#include "source/mysql/sql/word_reader.hpp"

namespace pgrepl::mysql {
namespace {

/// Descriptions that are torn are asked for again.
constexpr int kMostAttempts = 10;

constexpr std::string_view kDoing = "read the tables' descriptions at";

std::string text_of(const TextRow& row, std::size_t column) { return row[column].value_or(""); }

std::uint64_t number_of(const TextRow& row, std::size_t column) {
    std::uint64_t number = 0;
    if (row[column]) {
        std::from_chars(row[column]->data(), row[column]->data() + row[column]->size(), number);
    }
    return number;
}

/// What is asked of a table; nothing if it cannot be read: what is wrong with it is said when its rows are wanted.
template <typename Question>
auto if_readable(Question question) -> decltype(question()) {
    try {
        return question();
    } catch (const core::SourceError& error) {
        using Kind = core::SourceErrorKind;
        if (error.kind() == Kind::kTableChanged || error.kind() == Kind::kTableDenied ||
            error.kind() == Kind::kNotFound || cannot_open_table(error)) {
            return {};
        }
        throw;
    }
}

class Reader {
  public:
    Reader(Connection& connection, const std::string& database_filter, const std::string& table_filter)
        : connection_(connection), database_filter_(database_filter), table_filter_(table_filter) {}

    TableDescriptions read() {
        read_tables();
        read_columns();
        read_indexes();
        if (connection_.is_mariadb()) {
            read_json_checks();
            read_hidden_json_checks();
        }
        read_merged();
        return std::move(tables_);
    }

  private:
    [[nodiscard]] std::string filter(const std::string& schema_column = "TABLE_SCHEMA") const {
        return " WHERE " + schema_column + database_filter_ +
               (table_filter_.empty() ? "" : " AND TABLE_NAME" + table_filter_);
    }
    TableRow* find(const TextRow& row) {
        auto const found = tables_.find({text_of(row, 0), text_of(row, 1)});
        return found == tables_.end() ? nullptr : &found->second;
    }

    TextRows ask(const std::string& sql) {
        TextRows rows = connection_.query(sql, kDoing);
        connection_.throw_if_locked_out(kDoing);
        return rows;
    }

    void read_tables() {
        std::string const sql =
            R"(SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, AVG_ROW_LENGTH,
               CREATE_OPTIONS, TABLE_COMMENT FROM information_schema.TABLES)" +
            filter() + " AND TABLE_TYPE <> 'TEMPORARY'";
        for (const TextRow& row : ask(sql)) {
            TableRow& table = tables_[{text_of(row, 0), text_of(row, 1)}];
            table.type = text_of(row, 2);
            table.engine = text_of(row, 3);
            if (row[4]) {
                table.rows = number_of(row, 4);
            }
            table.bytes = number_of(row, 5);
            table.row_bytes = number_of(row, 6);
            table.partitioned = text_of(row, 7).find("partitioned") != std::string::npos;
            table.comment = text_of(row, 8);
        }
    }

    void read_columns() {
        std::string const sql =
            R"(SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, IS_NULLABLE, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME,
               COLLATION_NAME, DATETIME_PRECISION, EXTRA, GENERATION_EXPRESSION, COLUMN_KEY = 'PRI', )"
            // Shown are those with any right, be it to insert. (Without accounts, nothing is said of rights.)
            "PRIVILEGES = '' OR FIND_IN_SET('select', PRIVILEGES) <> 0 FROM information_schema.COLUMNS" +
            filter() + " ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION";
        for (const TextRow& row : ask(sql)) {
            TableRow* const table = find(row);
            if (table == nullptr) {
                continue;
            }
            table->any_column = true;
            if (number_of(row, 12) == 0) {
                continue;
            }
            table->columns.push_back({.name = text_of(row, 2),
                                      .nullable = text_of(row, 3) == "YES",
                                      .data_type = text_of(row, 4),
                                      .column_type = text_of(row, 5),
                                      .charset = text_of(row, 6),
                                      .collation = text_of(row, 7),
                                      .fraction = number_of(row, 8),
                                      .extra = text_of(row, 9),
                                      .generation = text_of(row, 10),
                                      .in_primary_key = text_of(row, 11) == "1"});
            ColumnRow& column = table->columns.back();
            bool const is_period = column.generation == "ROW START" || column.generation == "ROW END";
            column.left_out = column.extra.find("VIRTUAL") != std::string::npos ||
                              (log_lacks_generated_columns() && !column.generation.empty() && !is_period);
        }
    }

    /// Its log holds a generated column, even a stored one, only where the statement needs it.
    [[nodiscard]] bool log_lacks_generated_columns() const {
        return connection_.is_mariadb() && connection_.version() >= 110000;
    }

    void read_indexes() {
        // An index that the optimiser must not see cannot be asked for either.
        std::string usable = "'YES'";
        std::string expression = "NULL";
        if (connection_.is_mariadb() && connection_.version() >= 100600) {
            usable = "IF(IGNORED = 'YES', 'NO', 'YES')";
        } else if (!connection_.is_mariadb() && connection_.version() >= 80013) {
            usable = "IS_VISIBLE";
            expression = "EXPRESSION";
        }
        std::string const sql =
            "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, COLLATION, SUB_PART, NULLABLE, INDEX_TYPE, " +
            expression + ", NON_UNIQUE FROM information_schema.STATISTICS" + filter() + " AND " + usable +
            " = 'YES' ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX";
        for (const TextRow& row : ask(sql)) {
            TableRow* const table = find(row);
            if (table == nullptr) {
                continue;
            }
            std::string const name = text_of(row, 2);
            if (table->indexes.empty() || table->indexes.back().name != name) {
                table->indexes.push_back({.name = name,
                                          .unique = text_of(row, 9) == "0",
                                          .ordered = text_of(row, 7) == "BTREE",
                                          .parts = {}});
            }
            table->indexes.back().parts.push_back({.column = text_of(row, 3),
                                                   .descending = text_of(row, 4) == "D",
                                                   .usable = row[3] && !row[5] && !row[8],
                                                   .nullable = text_of(row, 6) == "YES"});
        }
    }

    /// MariaDB's JSON is LONGTEXT with the check that the type's name puts on it.
    void read_json_checks() {
        constexpr std::string_view kBegin = "json_valid(";
        std::string const sql =
            "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS" +
            filter("CONSTRAINT_SCHEMA") + " AND CHECK_CLAUSE LIKE 'json_valid(%'";
        for (const TextRow& row : ask(sql)) {
            TableRow* const table = find(row);
            std::string const clause = text_of(row, 2);
            if (table != nullptr && clause.starts_with(kBegin) && clause.ends_with(')')) {
                table->json_columns.push_back(clause.substr(kBegin.size(), clause.size() - kBegin.size() - 1));
            }
        }
    }

    /// The server shows checks to an account with SELECT on the database only; to others, that of a column which may be
    /// JSON is told by the table's definition, or, if the account may read some columns only, by a result of no rows.
    void read_hidden_json_checks() {
        for (auto& [name, table] : tables_) {
            std::vector<std::string> candidates;
            for (const ColumnRow& column : table.columns) {
                std::string const quoted = quote_identifier(column.name);
                bool const is_known =
                    std::find(table.json_columns.begin(), table.json_columns.end(), quoted) != table.json_columns.end();
                if (!is_known && column.data_type == "longtext" && column.charset == "utf8mb4") {
                    candidates.push_back(quoted);
                }
            }
            if (candidates.empty() || table.type == "VIEW") {
                continue;
            }
            core::TableName const full{name.first, "", name.second};
            std::string const statement = create_statement(connection_, full);
            for (std::string& column :
                 statement.empty() ? json_results(full, candidates) : checked_as_json(statement)) {
                table.json_columns.push_back(std::move(column));
            }
        }
    }

    /// CHECK (json_valid(`a`)), quoted.
    static std::vector<std::string> checked_as_json(const std::string& statement) {
        std::vector<std::string> columns;
        WordReader words(statement, {});
        while (!words.at_end()) {
            if (!words.accept("CHECK")) {
                words.skip();
                continue;
            }
            if (words.accept_sign('(') && words.accept("JSON_VALID") && words.accept_sign('(')) {
                std::string const column = words.name();
                if (words.accept_sign(')') && words.accept_sign(')')) {
                    columns.push_back(quote_identifier(column));
                }
            }
        }
        return columns;
    }

    std::vector<std::string> json_results(const core::TableName& name, const std::vector<std::string>& columns) {
        std::string sql = "SELECT ";
        for (const std::string& column : columns) {
            sql += (&column == &columns[0] ? "" : ", ") + column;
        }
        sql += " FROM " + quote_identifier(name.database) + "." + quote_identifier(name.table) + " LIMIT 0";
        std::vector<std::string> found;
        for (std::size_t const i : if_readable([&] { return connection_.json_columns(sql, kDoing); })) {
            found.push_back(columns.at(i));
        }
        return found;
    }

    /// A MERGE table holds rows of MyISAM tables, of any database. Only its definition says of which.
    void read_merged() {
        bool const any = std::any_of(tables_.begin(), tables_.end(), [](const auto& table) {
            return table.second.engine == "MyISAM" || table.second.is_merge();
        });
        if (!any) {
            return;
        }
        for (const TextRow& row : connection_.query(
                 "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE ENGINE = 'MRG_MYISAM'",
                 kDoing)) {
            core::TableName const name{text_of(row, 0), "", text_of(row, 1)};
            std::vector<core::TableName> const parts =
                merged_tables(create_statement(connection_, name), {}, name.database);
            if (TableRow* const merge = find(row)) {
                merge->parts = parts;
            }
            for (const core::TableName& part : parts) {
                auto const found = tables_.find({part.database, part.table});
                if (found != tables_.end()) {
                    found->second.merged_into = quote_identifier(name.database) + "." + quote_identifier(name.table);
                }
            }
        }
    }

    Connection& connection_;
    const std::string& database_filter_;
    const std::string& table_filter_;
    TableDescriptions tables_;
};

}  // namespace

namespace {

/// A column of the primary key that no index has.
bool lacks_key(const TableRow& table) {
    auto const is_in_index = [&](const ColumnRow& column) {
        return std::any_of(table.indexes.begin(), table.indexes.end(), [&](const IndexRow& index) {
            return std::any_of(index.parts.begin(), index.parts.end(),
                               [&](const IndexPart& part) { return part.column == column.name; });
        });
    };
    return std::any_of(table.columns.begin(), table.columns.end(),
                       [&](const ColumnRow& column) { return column.in_primary_key && !is_in_index(column); });
}

/// The account has a right to it, but none that has to do with columns; or the server cannot open it, for whatever
/// reason. False: it is not there just now.
bool may_see_no_column(Connection& connection, const TableKey& name) {
    try {
        std::string const table = quote_identifier(name.first) + "." + quote_identifier(name.second);
        return connection.query("SHOW COLUMNS FROM " + table, kDoing).empty();
    } catch (const core::SourceError& error) {
        bool const is_gone =
            error.kind() == core::SourceErrorKind::kTableChanged || error.kind() == core::SourceErrorKind::kNotFound;
        if (error.retryable() && !is_gone && !cannot_open_table(error)) {
            throw;
        }
        return !is_gone;
    }
}

/// What the questions say of them does not belong together: they were renamed, or others have taken their names,
/// between two of them. (Of a broken view the server knows no columns.)
std::vector<TableKey> torn_tables(Connection& connection, const TableDescriptions& tables) {
    std::vector<TableKey> torn;
    for (auto const& [name, table] : tables) {
        bool const is_bare = !table.any_column && table.type != "VIEW";
        if (is_bare ? !may_see_no_column(connection, name) : lacks_key(table)) {
            torn.push_back(name);
        }
    }
    return torn;
}

/// A question about one table is answered sooner than one about all, so that less comes between two of them. Without
/// columns it is left out.
void read_alone(Connection& connection, const TableKey& name, TableDescriptions& tables) {
    std::string const database = " = " + quote_text(name.first);
    std::string const table = " = " + quote_text(name.second);
    for (int attempt = 1; attempt <= kMostAttempts; ++attempt) {
        TableDescriptions alone = Reader(connection, database, table).read();
        auto const found = alone.find(name);
        if (found == alone.end()) {
            tables.erase(name);  // it is not there just now
            return;
        }
        bool const is_whole = torn_tables(connection, alone).empty();
        tables.at(name) = std::move(found->second);
        if (is_whole) {
            return;
        }
    }
    if (!tables.at(name).any_column) {
        tables.erase(name);
    }
}

}  // namespace

std::string create_statement(Connection& connection, const core::TableName& name) {
    TextRows const rows = if_readable([&] {
        return connection.query(
            "SHOW CREATE TABLE " + quote_identifier(name.database) + "." + quote_identifier(name.table), kDoing);
    });
    return rows.empty() || rows[0].size() < 2 ? std::string() : rows[0][1].value_or("");
}

TableDescriptions read_descriptions(Connection& connection, const std::string& database_condition,
                                    const std::string& table_condition) {
    TableDescriptions tables;
    std::vector<TableKey> torn;
    for (int attempt = 1; attempt == 1 || (attempt <= kMostAttempts && !torn.empty()); ++attempt) {
        tables = Reader(connection, database_condition, table_condition).read();
        torn = torn_tables(connection, tables);
    }
    for (const TableKey& name : torn) {
        read_alone(connection, name, tables);
    }
    return tables;
}

}  // namespace pgrepl::mysql
