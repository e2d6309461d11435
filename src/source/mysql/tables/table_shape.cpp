// What is read of a table, and as what, from its description.

#include "source/mysql/tables/table_shape.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "source/mysql/server/information_schema.hpp"
#include "source/mysql/tables/column_type.hpp"
#include "source/mysql/tables/table_structure.hpp"

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;

constexpr std::string_view kDoing = "read the tables' descriptions at";
constexpr std::string_view kSystemDatabases = "'mysql', 'information_schema', 'performance_schema', 'sys', 'ndbinfo'";
/// With which each definition begins.
constexpr std::string_view kEngineWord = "engine ";
/// Engines whose tables a transaction sees in one state.
constexpr std::array<std::string_view, 4> kSnapshotEngines{"InnoDB", "ROCKSDB", "TokuDB", "XPAND"};
/// Engines whose rows are kept by somebody else, who changes them without a word in this server's log.
constexpr std::array<std::string_view, 4> kForeignEngines{"FEDERATED", "CONNECT", "SPIDER", "S3"};

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
    /// `rule` is null, or names the key's columns for the case that the table has none.
    ShapeBuilder(const TableKey& name, const TableRow& table, Charsets& charsets, const std::vector<std::string>* rule)
        : name_(name), table_(table), charsets_(charsets), rule_(rule) {}

    TableShape build() {
        core::TableInfo& info = shape_.info;
        info.name = {.database = name_.first, .schema = "", .table = name_.second};
        info.kind = kind_name(table_);
        info.consistency = core::Consistency::kState;
        info.definition = std::string(kEngineWord) + table_.engine;
        if (table_.rows) {
            info.estimated_rows = core::believable(*table_.rows);
            info.estimated_bytes = core::believable(table_.bytes);
        }
        shape_.row_bytes = table_.row_bytes;
        for (const ColumnRow& column : table_.columns) {
            add_column(column);
        }
        check_table();
        if (info.unsupported_reason.empty()) {
            choose_key();
        }
        if (!columns_left_out_.empty()) {
            add_note("generated " + columns_left_out_ + " left out");
        }
        structure_.key = info.key_names;
        note_primary();
        if (table_.type == "SYSTEM VERSIONED") {
            add_period();
        }
        info.structure = structure_.to_text();
        return std::move(shape_);
    }

  private:
    void unsupported(std::string reason) {
        if (shape_.info.unsupported_reason.empty()) {
            shape_.info.unsupported_reason = std::move(reason);
        }
    }
    void add_note(const std::string& note) { shape_.info.note += (shape_.info.note.empty() ? "" : "; ") + note; }

    [[nodiscard]] bool is_view() const { return table_.type == "VIEW"; }

    void check_table() {
        if (is_view()) {
            return;  // its tables' engines are not known, nor how they keep versions
        }
        if (table_.type != "BASE TABLE" && table_.type != "SYSTEM VERSIONED") {
            unsupported("a " + shape_.info.kind + " is no table");
        } else if (table_.engine.empty()) {
            unsupported("the server cannot open it: " + table_.comment);
        }
        if (table_.type == "SYSTEM VERSIONED") {
            add_note("current rows only, not their history");
        }
        if (table_.engine == "BLACKHOLE") {
            unsupported("storage engine BLACKHOLE keeps no rows");
        }
        shape_.info.not_in_log = why_not_in_log();
        shape_.info.parts = table_.parts;
        bool const has_versions = std::any_of(kSnapshotEngines.begin(), kSnapshotEngines.end(),
                                              [&](std::string_view engine) { return engine == table_.engine; });
        shape_.info.is_transactional = has_versions;
        if (shape_.info.unsupported_reason.empty() && !has_versions) {
            add_note("storage engine " + table_.engine +
                     " keeps no versions of rows: changes made during a copy may be seen in part");
        }
    }

    [[nodiscard]] std::string why_not_in_log() const {
        for (const ColumnRow& column : table_.columns) {
            if (column.generation == "ROW START" && column.data_type == "bigint") {
                return "it is versioned by transactions, and MariaDB logs changes of such tables as statements";
            }
        }
        if (table_.is_merge()) {
            return "storage engine MERGE shows rows of other tables, whose changes are logged under their names";
        }
        if (!table_.merged_into.empty()) {
            return "MERGE table " + table_.merged_into + " changes its rows, and they are then logged under that name";
        }
        bool const foreign = std::any_of(kForeignEngines.begin(), kForeignEngines.end(),
                                         [&](std::string_view engine) { return engine == table_.engine; });
        return foreign ? "storage engine " + table_.engine + " keeps its rows elsewhere, where others may change them"
                       : std::string();
    }

    void add_column(const ColumnRow& column) {
        std::string declared = column.column_type;
        if (!column.charset.empty()) {
            declared += " CHARACTER SET " + column.charset + " COLLATE " + column.collation;
        }
        shape_.info.definition += "\n" + quote_identifier(column.name) + " " + declared +
                                  (column.nullable ? " NULL " : " NOT NULL ") + column.extra +
                                  (column.generation.empty() ? "" : " AS (" + column.generation + ")");
        if (column.left_out) {
            columns_left_out_ += (columns_left_out_.empty() ? "column " : ", ") + quote_identifier(column.name);
            structure_.columns.push_back({.name = column.name, .left_out = true});
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
        structure_.columns.push_back({.name = column.name,
                                      .logical = logical_type(column, is_json),
                                      .left_out = false,
                                      .fraction = shape.fraction,
                                      .id_style = style});
        shape_.info.layout.columns.push_back({.name = column.name, .in_data = true, .id_style = style});
        shape_.info.column_types.push_back(std::move(declared));
        shape_.columns.push_back(std::move(shape));
    }

    /// The columns that say from when until when a row was the current one may be invisible to information_schema too.
    void add_period() {
        for (const ColumnRow& column : table_.columns) {
            if (column.generation == "ROW END") {
                structure_.end_column = column.name;
                return;
            }
        }
        structure_.columns.push_back({.name = "row_start", .left_out = true});
        structure_.columns.push_back({.name = "row_end", .left_out = true});
        structure_.end_column = "row_end";
    }

    static void shape_set(const ColumnRow& column, ColumnShape& shape) {
        std::vector<std::string> labels = parse_labels(column.column_type);
        if (std::find(labels.begin(), labels.end(), "") == labels.end()) {
            return;
        }
        shape.kind = ColumnKind::kSetNumber;
        shape.expression = "CAST(" + shape.expression + " AS UNSIGNED)";
        shape.labels.assign(labels.begin(), labels.end());
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
        return index.unique && std::all_of(index.parts.begin(), index.parts.end(), [&](const IndexPart& part) {
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
        bool const is_broken = is_view() && table_.columns.empty();  // reading it says so
        if (best == nullptr && rule_ != nullptr && !is_broken) {
            return follow_rule();
        }
        if (best == nullptr) {
            return do_without_key();
        }
        if (rule_ != nullptr) {
            add_note("the rule keys is not needed: it has a key of its own");
        }
        shape_.index = best->name;
        shape_.is_ordered = best->ordered;
        shape_.info.definition += "\nkey " + quote_identifier(best->name);
        for (const IndexPart& part : best->parts) {
            add_key_part(part);
        }
        // A comparison with an ENUM's number is no range of an index.
        shape_.is_ordered = shape_.is_ordered && !shape_.key[0].needs_number;
        sort_by_hashes();
    }

    void sort_by_hashes() {
        if (shape_.is_ordered) {
            return;
        }
        for (KeyPart& part : shape_.key) {
            if (part.form == BoundForm::kText || part.form == BoundForm::kBytes) {
                part.form = BoundForm::kBytes;
                part.by_hash = true;
                shape_.info.definition += ", " + quote_identifier(shape_.columns[part.column].name) + " by its hash";
            }
        }
    }

    /// The server's log names a unique key as the primary one where the table has none.
    void note_primary() {
        std::set<std::string> primary;
        for (const ColumnRow& column : table_.columns) {
            if (column.in_primary_key) {
                primary.insert(column.name);
            }
        }
        if (primary != std::set(structure_.key.begin(), structure_.key.end())) {
            structure_.primary = {primary.begin(), primary.end()};
        }
    }

    void do_without_key() {
        if (shape_.columns.empty() && !is_view()) {
            // Where it cannot be opened, the reason stands in place of its comment.
            bool const any_word = !table_.any_column && !table_.comment.empty();
            return unsupported("it has no column that is stored and may be read" +
                               (any_word ? "; the server says of it: " + table_.comment : std::string()));
        }
        shape_.is_ordered = false;
        shape_.info.definition += "\nno key";
        add_note("it has no key: it is compared as a whole with each refresh");
    }

    /// The columns that the rule names. Nothing at the source keeps them unique.
    void follow_rule() {
        for (const std::string& name : *rule_) {
            std::string const column = "column " + quote_identifier(name) + ", named by the rule keys, ";
            auto const row = std::find_if(table_.columns.begin(), table_.columns.end(),
                                          [&](const ColumnRow& candidate) { return candidate.name == name; });
            std::optional<std::uint32_t> const at = layout_column(name);
            if (row == table_.columns.end()) {
                return unsupported(column + "does not exist");
            }
            if (!at) {
                return unsupported(column + "is a generated column that is left out");
            }
            if (row->nullable) {
                return unsupported(column + "may be NULL, so that different rows could have one id");
            }
            ColumnKind const kind = shape_.columns[*at].kind;
            if (kind == ColumnKind::kJson || kind == ColumnKind::kGeometry) {
                return unsupported(column + "holds JSON or shapes, which are no keys");
            }
        }
        shape_.info.definition += "\nkey by rule";
        for (const std::string& name : *rule_) {
            add_key_part({.column = name, .descending = false, .usable = true, .nullable = false});
        }
        const IndexRow* const index = index_of_rule();
        shape_.is_ordered = index != nullptr;
        if (index != nullptr) {
            shape_.index = index->name;
            shape_.info.definition += " in " + quote_identifier(index->name);
        }
        sort_by_hashes();
        add_note("its key is that of the rule keys, which nothing at the source keeps unique");
    }

    /// An index that begins with the rule's columns, and tells all keys apart: not one of text, which sorts by a
    /// collation that may find different keys equal.
    [[nodiscard]] const IndexRow* index_of_rule() const {
        bool const can_be_ordered = std::none_of(shape_.key.begin(), shape_.key.end(), [](const KeyPart& part) {
            return part.form == BoundForm::kText || part.needs_number;
        });
        for (const IndexRow& index : table_.indexes) {
            if (can_be_ordered && index.ordered && index.parts.size() >= rule_->size() &&
                std::equal(rule_->begin(), rule_->end(), index.parts.begin(),
                           [](const std::string& name, const IndexPart& part) {
                               return part.usable && !part.descending && part.column == name;
                           })) {
                return &index;
            }
        }
        return nullptr;
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

    const TableKey& name_;
    const TableRow& table_;
    Charsets& charsets_;
    const std::vector<std::string>* rule_;
    TableShape shape_;
    TableStructure structure_;
    std::string columns_left_out_;
};

/// The rule for a table; null if there is none. Its full name goes first.
const std::vector<std::string>* rule_of(const NameRules& names, const TableKey& name, const KeyRules& rules) {
    for (const std::string& wanted : {name.first + "." + name.second, name.second}) {
        for (const auto& [ruled, columns] : rules) {
            if (names.are_same(ruled, wanted)) {
                return &columns;
            }
        }
    }
    return nullptr;
}

std::vector<TableShape> shapes_of(const std::shared_ptr<const NameRules>& names, const TableDescriptions& tables,
                                  Charsets& charsets, const KeyRules& rules) {
    std::vector<TableShape> shapes;
    shapes.reserve(tables.size());
    for (const auto& [name, table] : tables) {
        shapes.push_back(ShapeBuilder(name, table, charsets, rule_of(*names, name, rules)).build());
        shapes.back().info.name_rules = names;
    }
    return shapes;
}

}  // namespace

bool Scope::holds(std::string_view database) const {
    return databases.empty() || std::any_of(databases.begin(), databases.end(),
                                            [&](const std::string& ours) { return names->are_same(ours, database); });
}

std::vector<std::string> Scope::find_databases(Connection& connection, Missing missing) {
    std::vector<std::string> there;
    TextRows const rows = connection.query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA", kDoing);
    for (std::string& database : databases) {
        auto const found = std::find_if(rows.begin(), rows.end(), [&](const TextRow& row) {
            return names->are_same(row[0].value_or(""), database);
        });
        if (found == rows.end() && missing == Missing::kPassOver) {
            continue;
        }
        if (found == rows.end()) {
            throw SourceError(SourceErrorKind::kNotFound, 1049,
                              "MySQL server " + connection.server() + " has no database \"" + database + "\"", false,
                              "It does not exist, or the user may not see it.",
                              "Check the URL, or grant SELECT on the database.");
        }
        database = found->front().value_or("");
        there.push_back(database);
    }
    return there;
}

std::vector<TableShape> read_shapes(Connection& connection, Charsets& charsets, Scope& scope, const KeyRules& rules,
                                    Scope::Missing missing) {
    // MariaDB's information_schema takes `Sys` for `sys`.
    std::string const by_letters = !connection.is_mariadb()         ? ""
                                   : connection.version() >= 100600 ? " COLLATE utf8mb3_bin"
                                                                    : " COLLATE utf8_bin";
    std::string filter = by_letters + " NOT IN (" + std::string(kSystemDatabases) + ")";
    if (!scope.databases.empty()) {
        std::vector<std::string> const databases = scope.find_databases(connection, missing);
        if (databases.empty()) {
            return {};
        }
        filter.clear();
        for (const std::string& database : databases) {
            filter += (filter.empty() ? " IN (" : ", ") + quote_text(database);
        }
        filter += ")";
    }
    std::vector<TableShape> shapes = shapes_of(scope.names, read_descriptions(connection, filter, ""), charsets, rules);
    // Databases, too, that differ from those in the list by case or accents.
    std::erase_if(shapes, [&](const TableShape& shape) { return !scope.holds(shape.info.name.database); });
    return shapes;
}

std::optional<TableShape> read_shape(Connection& connection, Charsets& charsets, const Scope& scope,
                                     const core::TableName& name, const KeyRules& rules) {
    if (!scope.holds(name.database)) {
        return std::nullopt;
    }
    TableDescriptions const found =
        read_descriptions(connection, " = " + quote_text(name.database), " = " + quote_text(name.table));
    std::vector<TableShape> shapes = shapes_of(scope.names, found, charsets, rules);
    core::TableName const wanted = scope.names->comparable(name);
    for (TableShape& shape : shapes) {
        if (scope.names->comparable(shape.info.name) == wanted) {  // information_schema compares in its own way
            return std::move(shape);
        }
    }
    return std::nullopt;
}

bool survives_crash(std::string_view definition) {
    constexpr std::string_view kView;  // whose tables have engines of their own
    if (!definition.starts_with(kEngineWord)) {
        return false;
    }
    definition.remove_prefix(kEngineWord.size());
    std::string_view const engine = definition.substr(0, definition.find('\n'));
    return engine == "InnoDB" || engine == kView;
}

}  // namespace pgrepl::mysql
