// Discovery: reads SQLite's own description of each table (table_list, table_xinfo, index_xinfo) and decides
// by what its rows are identified and in which order they are read.

#include "source/sqlite/table_shape.hpp"

#include <algorithm>

#include "core/utf8.hpp"
#include "source/sqlite/row_count.hpp"
#include "source/sqlite/row_query.hpp"

namespace pgrepl::sqlite {
namespace {

using core::is_utf8;

constexpr std::string_view kDoing = "read the schema";

constexpr std::string_view kTablesQuery = R"(
    SELECT t.name, t.type, t.wr, t.strict, s.sql
    FROM pragma_table_list AS t
    LEFT JOIN sqlite_schema AS s ON s.name = t.name AND s.type IN ('table', 'view')
    WHERE t.schema = 'main' AND lower(substr(t.name, 1, 7)) <> 'sqlite_' AND (?1 IS NULL OR t.name = ?1)
    ORDER BY t.name)";

constexpr std::string_view kColumnsQuery =
    R"(SELECT name, type, "notnull", pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid)";

constexpr std::string_view kKeyIndexQuery = "SELECT name FROM pragma_index_list(?1, 'main') WHERE origin = 'pk'";

constexpr std::string_view kKeyPartsQuery =
    R"(SELECT name, "desc", coll FROM pragma_index_xinfo(?1, 'main') WHERE key = 1 ORDER BY seqno)";

struct ColumnRow {
    std::string name;
    std::string type;
    bool not_null = false;
    int key_position = 0;  ///< from 1; 0: not part of the primary key
    int hidden = 0;        ///< 1: hidden in a virtual table; 2, 3: generated
};

struct TableRow {
    std::string name;
    std::string type;
    std::string sql;
    bool without_rowid = false;
    bool strict = false;
};

bool same_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && sqlite3_strnicmp(a.data(), b.data(), static_cast<int>(a.size())) == 0;
}

void bind_text(const Statement& statement, int parameter, const std::string& text) {
    sqlite3_bind_text64(statement.get(), parameter, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

std::vector<ColumnRow> read_columns(const Connection& connection, const std::string& table) {
    Statement const statement = connection.prepare(kColumnsQuery, kDoing);
    bind_text(statement, 1, table);
    std::vector<ColumnRow> columns;
    while (connection.step(statement, kDoing)) {
        columns.push_back({.name = column_string(statement, 0),
                           .type = column_string(statement, 1),
                           .not_null = sqlite3_column_int(statement.get(), 2) != 0,
                           .key_position = sqlite3_column_int(statement.get(), 3),
                           .hidden = sqlite3_column_int(statement.get(), 4)});
    }
    return columns;
}

/// The index behind a declared primary key; empty where the key is the rowid itself.
std::string read_key_index(const Connection& connection, const std::string& table) {
    Statement const statement = connection.prepare(kKeyIndexQuery, kDoing);
    bind_text(statement, 1, table);
    return connection.step(statement, kDoing) ? column_string(statement, 0) : std::string();
}

std::vector<KeyPart> read_key_parts(const Connection& connection, const std::string& index) {
    Statement const statement = connection.prepare(kKeyPartsQuery, kDoing);
    bind_text(statement, 1, index);
    std::vector<KeyPart> parts;
    while (connection.step(statement, kDoing)) {
        parts.push_back({.column = column_string(statement, 0),
                         .collation = column_string(statement, 2),
                         .descending = sqlite3_column_int(statement.get(), 1) != 0});
    }
    return parts;
}

bool knows_collation(const Connection& connection, const std::string& name) {
    Statement const statement =
        connection.prepare("SELECT 1 FROM pragma_collation_list WHERE name = ?1 COLLATE NOCASE", kDoing);
    bind_text(statement, 1, name);
    return connection.step(statement, kDoing);
}

/// The name by which the rowid can be had although columns may be called like it; empty if there is none.
std::string free_rowid_name(const std::vector<ColumnRow>& columns) {
    for (const char* name : {"rowid", "_rowid_", "oid"}) {
        bool const taken = std::any_of(columns.begin(), columns.end(),
                                       [&](const ColumnRow& column) { return same_ignoring_case(column.name, name); });
        if (!taken) {
            return name;
        }
    }
    return {};
}

/// Turns bytes that are no UTF-8 into question marks, so that the table can at least be listed.
std::string listable(const std::string& name) {
    if (is_utf8(name)) {
        return name;
    }
    std::string result = name;
    auto const beyond_ascii = [](char letter) { return (letter & 0x80) != 0; };
    std::replace_if(result.begin(), result.end(), beyond_ascii, '?');
    return result;
}

/// Columns, key and definition of a table, from its description alone.
class ShapeReader {
  public:
    ShapeReader(const Connection& connection, TableRow table) : connection_(connection), table_(std::move(table)) {
        shape_.info.name = {.database = "main", .schema = "", .table = listable(table_.name)};
        shape_.info.kind = table_.type == "virtual"  ? "virtual table"
                           : table_.type == "shadow" ? "shadow table"
                                                     : table_.type;
        shape_.info.consistency = core::Consistency::kState;
        shape_.info.definition = table_.sql;
    }

    TableShape read() {
        if (table_.type == "virtual" || table_.type == "shadow") {
            read_columns_if_possible();
            return unsupported(table_.type == "virtual" ? "the rows of a virtual table are computed by a module"
                                                        : "it holds the inner data of a virtual table");
        }
        if (table_.type == "view") {
            read_columns_if_possible();
        } else {
            columns_ = read_columns(connection_, table_.name);
            add_columns();
        }
        if (!is_utf8(table_.name) || !std::all_of(columns_.begin(), columns_.end(),
                                                  [](const ColumnRow& column) { return is_utf8(column.name); })) {
            return unsupported("its name or a column's name is not valid UTF-8");
        }
        if (table_.type == "view") {
            shape_.paging = TableShape::Paging::kWhole;
            shape_.info.note = "it has no key: it is compared as a whole with each refresh";
            return std::move(shape_);
        }
        key_index_ = key_columns().empty() ? std::string() : read_key_index(connection_, table_.name);
        choose_paging();
        if (shape_.info.unsupported_reason.empty()) {
            set_key();
            probe();
        }
        return std::move(shape_);
    }

  private:
    TableShape unsupported(std::string reason) {
        shape_.info.unsupported_reason = std::move(reason);
        shape_.paging = TableShape::Paging::kNone;
        return std::move(shape_);
    }

    /// A view may be broken, which reading it will say; the module of a virtual table unknown.
    void read_columns_if_possible() {
        try {
            columns_ = read_columns(connection_, table_.name);
            add_columns();
        } catch (const core::SourceError& error) {
            if (error.kind() == core::SourceErrorKind::kInterrupted) {
                throw;
            }
        }
    }

    void add_columns() {
        for (const ColumnRow& column : columns_) {
            bool const strings_only = table_.strict && same_ignoring_case(column.type, "TEXT");
            shape_.info.layout.columns.push_back(
                {.name = listable(column.name),
                 .in_data = true,
                 .id_style = strings_only ? core::IdStyle::kStringsOnly : core::IdStyle::kAnyType});
            shape_.info.column_types.push_back(listable(column.type));
            shape_.info.definition += "\n" + quote_identifier(column.name) + " " + column.type + " " +
                                      std::to_string(column.key_position) + " " + std::to_string(column.hidden);
        }
    }

    /// Indexes of the primary key's columns, in key order.
    [[nodiscard]] std::vector<std::uint32_t> key_columns() const {
        std::vector<std::uint32_t> key;
        for (std::uint32_t i = 0; i < columns_.size(); ++i) {
            if (columns_[i].key_position > 0) {
                key.push_back(i);
            }
        }
        std::sort(key.begin(), key.end(),
                  [&](auto a, auto b) { return columns_[a].key_position < columns_[b].key_position; });
        return key;
    }

    void choose_paging() {
        auto const key = key_columns();
        if (!table_.without_rowid && !key.empty() && key_index_.empty()) {
            // INTEGER PRIMARY KEY: the column is the rowid.
            shape_.paging = TableShape::Paging::kRowid;
            shape_.rowid = quote_identifier(columns_[key[0]].name);
            shape_.rowid_column = key[0];
            return;
        }
        if (!table_.without_rowid) {
            shape_.rowid = free_rowid_name(columns_);
            if (!shape_.rowid.empty()) {
                shape_.paging = TableShape::Paging::kRowid;
                return;
            }
        }
        choose_key_paging(key);
    }

    void choose_key_paging(const std::vector<std::uint32_t>& key) {
        bool const null_possible =
            std::any_of(key.begin(), key.end(), [&](std::uint32_t column) { return !columns_[column].not_null; });
        if (!table_.without_rowid && (key.empty() || null_possible)) {
            shape_.info.unsupported_reason =
                "its columns hide all three names of the rowid, and it has no primary key whose columns are "
                "NOT NULL";
            return;
        }
        shape_.key = read_key_parts(connection_, key_index_);
        for (const KeyPart& part : shape_.key) {
            if (!knows_collation(connection_, part.collation)) {
                shape_.info.unsupported_reason =
                    "its key is sorted by the collation \"" + listable(part.collation) + "\" of an application";
                return;
            }
        }
        shape_.index = table_.without_rowid ? std::string() : key_index_;
        shape_.paging = TableShape::Paging::kKey;
    }

    void set_key() {
        core::RowLayout& layout = shape_.info.layout;
        auto const key = key_columns();
        layout.key_columns = key;
        bool null_possible = false;
        for (std::uint32_t const column : key) {
            shape_.info.key_names.push_back(columns_[column].name);
            null_possible = null_possible || !columns_[column].not_null;
        }
        bool const rowid_is_column = shape_.rowid_column.has_value();
        if (shape_.paging != TableShape::Paging::kRowid || rowid_is_column || (!key.empty() && !null_possible)) {
            return;
        }
        auto const rowid = static_cast<std::uint32_t>(layout.columns.size());
        layout.columns.push_back({.name = shape_.rowid, .in_data = false, .id_style = core::IdStyle::kAnyType});
        shape_.info.column_types.emplace_back("INTEGER");
        shape_.rowid_column = rowid;
        if (key.empty()) {
            layout.key_columns = {rowid};
            shape_.info.note = "no primary key: rows are identified by rowid, which VACUUM may renumber";
        } else {
            layout.null_key_column = rowid;
        }
    }

    /// Lets SQLite compile the statements that will read the table: what it refuses now it would refuse
    /// later.
    void probe() {
        try {
            RowQuery const query(connection_, shape_);
            for (const std::string& sql : query.probes()) {
                (void)connection_.prepare(sql, "read table " + quote_identifier(table_.name));
            }
        } catch (const core::SourceError& error) {
            if (error.kind() != core::SourceErrorKind::kUnsupported &&
                error.kind() != core::SourceErrorKind::kInternal) {
                throw;
            }
            shape_.info.unsupported_reason =
                "SQLite refuses to read it: " + listable(sqlite3_errmsg(connection_.handle()));
            shape_.paging = TableShape::Paging::kNone;
        }
    }

    const Connection& connection_;
    TableRow table_;
    std::vector<ColumnRow> columns_;
    std::string key_index_;
    TableShape shape_;
};

std::vector<TableShape> read(const Connection& connection, const std::string* only) {
    Statement const statement = connection.prepare(kTablesQuery, kDoing);
    if (only != nullptr) {
        bind_text(statement, 1, *only);
    }
    std::vector<TableRow> rows;
    while (connection.step(statement, kDoing)) {
        rows.push_back({.name = column_string(statement, 0),
                        .type = column_string(statement, 1),
                        .sql = column_string(statement, 4),
                        .without_rowid = sqlite3_column_int(statement.get(), 2) != 0,
                        .strict = sqlite3_column_int(statement.get(), 3) != 0});
    }
    std::vector<TableShape> shapes;
    for (TableRow& row : rows) {
        connection.throw_if_interrupted();
        shapes.push_back(ShapeReader(connection, std::move(row)).read());
    }
    return shapes;
}

}  // namespace

std::vector<TableShape> read_shapes(const Connection& connection) {
    std::vector<TableShape> shapes = read(connection, nullptr);
    estimate_sizes(connection, shapes);
    return shapes;
}

std::optional<TableShape> read_shape(const Connection& connection, const std::string& name) {
    std::vector<TableShape> shapes = read(connection, &name);
    if (shapes.empty()) {
        return std::nullopt;
    }
    return std::move(shapes.front());
}

}  // namespace pgrepl::sqlite
