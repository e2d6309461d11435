// Discovery from information_schema: one question for the tables, the columns, the unique keys, and MariaDB's
// json_valid() checks each, whatever the number of tables.

#include "source/mysql/table_shape.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;

constexpr std::string_view kDoing = "read the tables' descriptions at";
constexpr std::string_view kSystemDatabases = "'mysql', 'information_schema', 'performance_schema', 'sys', 'ndbinfo'";
/// Engines whose tables a transaction sees in one state.
constexpr std::array<std::string_view, 4> kSnapshotEngines{"InnoDB", "ROCKSDB", "TokuDB", "XPAND"};

using Name = std::pair<std::string, std::string>;  // database, table

std::string text_of(const TextRow& row, std::size_t column) { return row[column].value_or(""); }

std::uint64_t number_of(const TextRow& row, std::size_t column) {
    std::uint64_t number = 0;
    if (row[column]) {
        std::from_chars(row[column]->data(), row[column]->data() + row[column]->size(), number);
    }
    return number;
}

struct ColumnRow {
    std::string name;
    bool nullable = false;
    std::string data_type;
    std::string column_type;
    std::string charset;
    std::string collation;
    std::uint64_t fraction = 0;
    std::string extra;
    std::string generation;
};

struct IndexPart {
    std::string column;
    bool descending = false;
    bool usable = true;  ///< a whole column, not a prefix or an expression
    bool nullable = false;
};

struct IndexRow {
    std::string name;
    bool ordered = true;  ///< a b-tree; not a hash
    std::vector<IndexPart> parts;
};

struct TableRow {
    std::string type;
    std::string engine;
    std::optional<std::uint64_t> rows;
    std::uint64_t bytes = 0;
    std::uint64_t row_bytes = 0;
    bool partitioned = false;
    std::string comment;
    std::vector<ColumnRow> columns;
    std::vector<IndexRow> indexes;
    std::vector<std::string> json_columns;  ///< MariaDB: with a json_valid() check, quoted
};

/// The labels of enum('a','b''c') or set(…).
std::vector<std::string> parse_labels(const std::string& column_type) {
    std::vector<std::string> labels;
    std::size_t at = column_type.find('\'');
    while (at != std::string::npos && at < column_type.size()) {
        std::string label;
        for (++at; at < column_type.size(); ++at) {
            if (column_type[at] == '\'') {
                if (at + 1 >= column_type.size() || column_type[at + 1] != '\'') {
                    break;
                }
                ++at;
            }
            label += column_type[at];
        }
        labels.push_back(std::move(label));
        at = column_type.find('\'', at + 1);
    }
    return labels;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::optional<ColumnKind> number_kind(std::string_view type) {
    static constexpr std::pair<std::string_view, ColumnKind> kKinds[] = {
        {"tinyint", ColumnKind::kInt8},        {"smallint", ColumnKind::kInt16}, {"mediumint", ColumnKind::kInt32},
        {"int", ColumnKind::kInt32},           {"bigint", ColumnKind::kInt64},   {"decimal", ColumnKind::kDecimal},
        {"float", ColumnKind::kFloat},         {"double", ColumnKind::kDouble},  {"bit", ColumnKind::kBit},
        {"year", ColumnKind::kYear},           {"date", ColumnKind::kDate},      {"datetime", ColumnKind::kDateTime},
        {"timestamp", ColumnKind::kTimestamp}, {"time", ColumnKind::kTime}};
    for (const auto& [name, kind] : kKinds) {
        if (name == type) {
            return kind;
        }
    }
    return std::nullopt;
}

/// What the column holds, or nothing for a type that we do not know.
std::optional<ColumnKind> kind_of(const ColumnRow& column, bool is_json) {
    const std::string& type = column.data_type;
    if (std::optional<ColumnKind> const kind = number_kind(type)) {
        return kind;
    }
    if (type == "json" || is_json) {
        return ColumnKind::kJson;
    }
    if (type == "set") {
        return ColumnKind::kSet;
    }
    if (is_one_of(type, {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "uuid", "inet4",
                         "inet6"})) {
        return ColumnKind::kText;
    }
    if (is_one_of(type, {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"})) {
        return ColumnKind::kBytes;
    }
    if (is_one_of(type, {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
                         "geometrycollection", "geomcollection"})) {
        return ColumnKind::kGeometry;
    }
    return std::nullopt;
}

bool is_integer(ColumnKind kind) { return kind <= ColumnKind::kInt64; }

BoundForm bound_form(const ColumnRow& column, ColumnKind kind) {
    switch (kind) {
        case ColumnKind::kFloat:
        case ColumnKind::kDouble:
            return BoundForm::kReal;
        case ColumnKind::kDate:
        case ColumnKind::kDateTime:
        case ColumnKind::kTimestamp:
        case ColumnKind::kTime:
            return BoundForm::kQuoted;
        case ColumnKind::kText:
            return column.data_type == "enum" ? BoundForm::kNumber
                   : column.charset.empty()   ? BoundForm::kQuoted
                                              : BoundForm::kText;
        case ColumnKind::kBytes:
            return BoundForm::kBytes;
        default:
            return BoundForm::kNumber;
    }
}

std::string kind_name(const TableRow& table) {
    if (table.type == "BASE TABLE") {
        return table.partitioned ? "partitioned table" : "table";
    }
    if (table.type == "SYSTEM VERSIONED") {
        return "system-versioned table";
    }
    std::string name = table.type;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    return name;
}

class ShapeBuilder {
  public:
    ShapeBuilder(const Name& name, const TableRow& table, Charsets& charsets)
        : name_(name), table_(table), charsets_(charsets) {}

    TableShape build() {
        core::TableInfo& info = shape_.info;
        info.name = {.database = name_.first, .schema = "", .table = name_.second};
        info.kind = kind_name(table_);
        info.consistency = core::Consistency::kState;
        info.definition = "engine " + table_.engine;
        if (table_.rows) {
            info.estimated_rows = static_cast<std::int64_t>(*table_.rows);
            info.estimated_bytes = static_cast<std::int64_t>(table_.bytes);
        }
        shape_.row_bytes = table_.row_bytes;
        for (const ColumnRow& column : table_.columns) {
            add_column(column);
        }
        check_table();
        if (info.unsupported_reason.empty()) {
            choose_key();
        }
        if (!virtual_columns_.empty()) {
            add_note("virtual generated " + virtual_columns_ + " left out");
        }
        return std::move(shape_);
    }

  private:
    void unsupported(std::string reason) {
        if (shape_.info.unsupported_reason.empty()) {
            shape_.info.unsupported_reason = std::move(reason);
        }
    }
    void add_note(const std::string& note) { shape_.info.note += (shape_.info.note.empty() ? "" : "; ") + note; }

    void check_table() {
        if (table_.type == "VIEW") {
            unsupported("a view has no rows of its own");
        } else if (table_.type != "BASE TABLE" && table_.type != "SYSTEM VERSIONED") {
            unsupported("a " + shape_.info.kind + " is no table");
        } else if (table_.engine.empty()) {
            unsupported("the server cannot open it: " + table_.comment);
        }
        if (table_.type == "SYSTEM VERSIONED") {
            add_note("current rows only, not their history");
        }
        bool const has_versions = std::any_of(kSnapshotEngines.begin(), kSnapshotEngines.end(),
                                              [&](std::string_view engine) { return engine == table_.engine; });
        if (shape_.info.unsupported_reason.empty() && !has_versions) {
            add_note("storage engine " + table_.engine +
                     " keeps no versions of rows: changes made during a copy may be seen in part");
        }
    }

    void add_column(const ColumnRow& column) {
        std::string declared = column.column_type;
        if (!column.charset.empty()) {
            declared += " CHARACTER SET " + column.charset + " COLLATE " + column.collation;
        }
        shape_.info.definition += "\n" + quote_identifier(column.name) + " " + declared +
                                  (column.nullable ? " NULL " : " NOT NULL ") + column.extra +
                                  (column.generation.empty() ? "" : " AS (" + column.generation + ")");
        if (column.extra.find("VIRTUAL") != std::string::npos) {
            virtual_columns_ += (virtual_columns_.empty() ? "column " : ", ") + quote_identifier(column.name);
            return;
        }
        bool const is_json = std::find(table_.json_columns.begin(), table_.json_columns.end(),
                                       quote_identifier(column.name)) != table_.json_columns.end();
        std::optional<ColumnKind> const kind = kind_of(column, is_json);
        ColumnShape shape;
        shape.name = column.name;
        shape.expression = quote_identifier(column.name);
        shape.kind = kind.value_or(ColumnKind::kBytes);
        shape.is_unsigned = column.column_type.find(" unsigned") != std::string::npos;
        shape.fraction = static_cast<std::uint8_t>(std::min<std::uint64_t>(column.fraction, 6));
        if (!kind) {
            unsupported("column " + shape.expression + " has the type " + column.data_type + ", which is not known");
        }
        if (column.data_type == "vector") {
            shape.expression = "CAST(" + shape.expression + " AS BINARY)";  // a type that the driver does not know
        }
        shape.charset = charsets_.find(column.charset.empty() ? "utf8mb4" : column.charset);
        if (shape.charset == nullptr) {
            unsupported("column " + shape.expression + " has the character set " + column.charset +
                        ", which is not known");
        }
        if (shape.kind == ColumnKind::kSet) {
            shape_set(column, shape);
        }
        core::IdStyle const style =
            shape.kind == ColumnKind::kBytes ? core::IdStyle::kHexBytes : core::IdStyle::kStringsOnly;
        shape_.info.layout.columns.push_back({.name = column.name, .in_data = true, .id_style = style});
        shape_.info.column_types.push_back(std::move(declared));
        shape_.columns.push_back(std::move(shape));
    }

    static void shape_set(const ColumnRow& column, ColumnShape& shape) {
        std::vector<std::string> labels = parse_labels(column.column_type);
        if (std::find(labels.begin(), labels.end(), "") == labels.end()) {
            return;
        }
        shape.kind = ColumnKind::kSetNumber;
        shape.expression = "CAST(" + shape.expression + " AS UNSIGNED)";
        shape.labels = std::move(labels);
    }

    [[nodiscard]] std::optional<std::uint32_t> layout_column(const std::string& name) const {
        for (std::uint32_t i = 0; i < shape_.columns.size(); ++i) {
            if (shape_.columns[i].name == name) {
                return i;
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] bool can_be_key(const IndexRow& index) const {
        return std::all_of(index.parts.begin(), index.parts.end(), [&](const IndexPart& part) {
            return part.usable && !part.nullable && layout_column(part.column).has_value();
        });
    }

    /// The primary key; else the unique key with the fewest columns.
    void choose_key() {
        const IndexRow* best = nullptr;
        for (const IndexRow& index : table_.indexes) {
            if (!can_be_key(index)) {
                continue;
            }
            auto const rank = [](const IndexRow& candidate) {
                return std::make_tuple(candidate.name != "PRIMARY", !candidate.ordered, candidate.parts.size());
            };
            if (best == nullptr || rank(index) < rank(*best)) {
                best = &index;
            }
        }
        if (best == nullptr) {
            unsupported(
                "it has no primary key, and no unique key of whole columns that are NOT NULL: give it one, or "
                "name the columns that identify its rows by the rule \"keys\"");
            return;
        }
        shape_.index = best->name;
        shape_.is_ordered = best->ordered;
        shape_.info.definition += "\nkey " + quote_identifier(best->name);
        for (const IndexPart& part : best->parts) {
            add_key_part(part);
        }
        // A comparison with an ENUM's number is no range of an index.
        shape_.is_ordered = shape_.is_ordered && !shape_.key[0].needs_number;
    }

    void add_key_part(const IndexPart& part) {
        std::uint32_t const column = layout_column(part.column).value();
        auto const row = std::find_if(table_.columns.begin(), table_.columns.end(),
                                      [&](const ColumnRow& candidate) { return candidate.name == part.column; });
        const ColumnShape& shape = shape_.columns[column];
        shape_.key.push_back({.column = column,
                              .form = bound_form(*row, shape.kind),
                              .descending = part.descending,
                              .is_integer = is_integer(shape.kind),
                              .needs_number = row->data_type == "enum" || row->data_type == "set",
                              .charset = row->charset});
        shape_.info.layout.key_columns.push_back(column);
        shape_.info.key_names.push_back(part.column);
        shape_.info.definition += " " + quote_identifier(part.column) + (part.descending ? " DESC" : "");
    }

    const Name& name_;
    const TableRow& table_;
    Charsets& charsets_;
    TableShape shape_;
    std::string virtual_columns_;
};

class ShapeReader {
  public:
    ShapeReader(Connection& connection, Charsets& charsets, std::string database_filter, std::string table_filter)
        : connection_(connection),
          charsets_(charsets),
          database_filter_(std::move(database_filter)),
          table_filter_(std::move(table_filter)) {}

    std::vector<TableShape> read() {
        read_tables();
        read_columns();
        read_indexes();
        if (connection_.is_mariadb()) {
            read_json_checks();
        }
        std::vector<TableShape> shapes;
        for (const auto& [name, table] : tables_) {
            shapes.push_back(ShapeBuilder(name, table, charsets_).build());
        }
        return shapes;
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

    void read_tables() {
        std::string const sql =
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, AVG_ROW_LENGTH, "
            "CREATE_OPTIONS, TABLE_COMMENT FROM information_schema.TABLES" +
            filter() + " AND TABLE_TYPE <> 'TEMPORARY'";
        for (const TextRow& row : connection_.query(sql, kDoing)) {
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
            "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, IS_NULLABLE, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, "
            "COLLATION_NAME, DATETIME_PRECISION, EXTRA, GENERATION_EXPRESSION FROM information_schema.COLUMNS" +
            filter() + " ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION";
        for (const TextRow& row : connection_.query(sql, kDoing)) {
            TableRow* const table = find(row);
            if (table == nullptr) {
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
                                      .generation = text_of(row, 10)});
        }
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
            expression + " FROM information_schema.STATISTICS" + filter() + " AND NON_UNIQUE = 0 AND " + usable +
            " = 'YES' ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX";
        for (const TextRow& row : connection_.query(sql, kDoing)) {
            TableRow* const table = find(row);
            if (table == nullptr) {
                continue;
            }
            std::string const name = text_of(row, 2);
            if (table->indexes.empty() || table->indexes.back().name != name) {
                table->indexes.push_back({.name = name, .ordered = text_of(row, 7) == "BTREE", .parts = {}});
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
        for (const TextRow& row : connection_.query(sql, kDoing)) {
            TableRow* const table = find(row);
            std::string const clause = text_of(row, 2);
            if (table != nullptr && clause.starts_with(kBegin) && clause.ends_with(')')) {
                table->json_columns.push_back(clause.substr(kBegin.size(), clause.size() - kBegin.size() - 1));
            }
        }
    }

    Connection& connection_;
    Charsets& charsets_;
    std::string database_filter_;
    std::string table_filter_;
    std::map<Name, TableRow> tables_;
};

void check_databases(Connection& connection, const std::vector<std::string>& databases) {
    for (const std::string& database : databases) {
        std::string const sql =
            "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = " + quote_text(database);
        if (connection.query(sql, kDoing).empty()) {
            throw SourceError(SourceErrorKind::kNotFound, 1049,
                              "MySQL server " + connection.server() + " has no database \"" + database + "\"", false,
                              "It does not exist, or the user may not see it.",
                              "Check the URL, or grant SELECT on the database.");
        }
    }
}

}  // namespace

std::vector<TableShape> read_shapes(Connection& connection, Charsets& charsets,
                                    const std::vector<std::string>& databases) {
    check_databases(connection, databases);
    std::string filter = " NOT IN (" + std::string(kSystemDatabases) + ")";
    if (!databases.empty()) {
        filter.clear();
        for (const std::string& database : databases) {
            filter += (filter.empty() ? " IN (" : ", ") + quote_text(database);
        }
        filter += ")";
    }
    return ShapeReader(connection, charsets, filter, "").read();
}

std::optional<TableShape> read_shape(Connection& connection, Charsets& charsets, const core::TableName& name) {
    std::vector<TableShape> shapes =
        ShapeReader(connection, charsets, " = " + quote_text(name.database), " = " + quote_text(name.table)).read();
    for (TableShape& shape : shapes) {
        if (shape.info.name == name) {  // the server may have compared without regard to case
            return std::move(shape);
        }
    }
    return std::nullopt;
}

}  // namespace pgrepl::mysql
