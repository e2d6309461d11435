// After a key (x, y) of columns (a, b) are the rows with a > x OR (a = x AND b > y): both optimisers read that as
// ranges of the index. They do not so read (a, b) > (x, y), which scans from the beginning.

#include "source/mysql/copy/row_query.hpp"

#include "source/mysql/copy/key_bound.hpp"

namespace pgrepl::mysql {
namespace {

std::string column_of(const TableShape& shape, const KeyPart& part) {
    std::string const name = quote_identifier(shape.columns[part.column].name);
    return part.by_hash ? "UNHEX(SHA2(" + name + ", 256))" : name;
}

enum class Side : std::uint8_t { kBehind, kUpTo };

/// Rows after `bound`, or up to it and including it. A bound of the leading parts stands for all that share them.
std::string condition(const TableShape& shape, const std::vector<std::string>& bound, Side side) {
    std::string alternatives;
    std::string equal;
    for (std::size_t i = 0; i < bound.size(); ++i) {
        const KeyPart& part = shape.key[i];
        std::string const column = column_of(shape, part);
        std::string const literal = literal_of(bound[i], part);
        bool const greater = (side == Side::kBehind) != part.descending;
        bool const inclusive = side == Side::kUpTo && i + 1 == bound.size();
        alternatives += alternatives.empty() ? "(" : " OR (";
        alternatives += equal;
        alternatives += column;
        alternatives += greater ? " >" : " <";
        alternatives += inclusive ? "= " : " ";
        alternatives += literal;
        alternatives += ')';
        equal += column;
        equal += " = ";
        equal += literal;
        equal += " AND ";
    }
    return "(" + alternatives + ")";
}

std::string from_range(const TableShape& shape, const KeyRange& range) {
    std::string sql =
        " FROM " + quote_identifier(shape.info.name.database) + "." + quote_identifier(shape.info.name.table);
    if (shape.is_ordered) {
        sql += " FORCE INDEX (" + quote_identifier(shape.index) + ")";
    }
    if (!range.lower.empty()) {
        sql += " WHERE " + condition(shape, range.lower, Side::kBehind);
    }
    if (!range.upper.empty()) {
        sql += (range.lower.empty() ? " WHERE " : " AND ") + condition(shape, range.upper, Side::kUpTo);
    }
    return sql;
}

std::string order_by(const TableShape& shape, bool backwards = false) {
    std::string sql = shape.key.empty() ? "" : " ORDER BY ";
    for (const KeyPart& part : shape.key) {
        sql += (&part == &shape.key[0] ? "" : ", ") + column_of(shape, part) +
               (part.descending != backwards ? " DESC" : "");
    }
    return sql;
}

}  // namespace

std::string select_rows(const TableShape& shape, const KeyRange& range, std::uint64_t limit) {
    std::string sql = "SELECT ";
    for (const ColumnShape& column : shape.columns) {
        sql += (&column == &shape.columns[0] ? "" : ", ") + column.expression;
    }
    for (const KeyPart& part : shape.key) {
        if (part.needs_number) {
            sql += ", CAST(" + column_of(shape, part) + " AS UNSIGNED)";
        } else if (part.by_hash) {
            sql += ", " + column_of(shape, part);
        }
    }
    sql += from_range(shape, range) + order_by(shape);
    return limit == 0 ? sql : sql + " LIMIT " + std::to_string(limit);
}

std::string select_key_at(const TableShape& shape, const KeyRange& range, std::uint64_t offset) {
    std::string sql = "SELECT ";
    for (const KeyPart& part : shape.key) {
        std::string const column = column_of(shape, part);
        sql += &part == &shape.key[0] ? "" : ", ";
        if (part.needs_number || shape.columns[part.column].kind == ColumnKind::kBit) {
            sql += "CAST(" + column + " AS UNSIGNED)";
        } else if (part.form == BoundForm::kReal) {
            sql += "CAST(" + column + " AS DOUBLE)";
        } else {
            sql += column;
        }
    }
    return sql + from_range(shape, range) + order_by(shape) + " LIMIT 1 OFFSET " + std::to_string(offset);
}

// Not MIN() and MAX(): these scan the whole of a range that has alternatives.
std::string select_edge(const TableShape& shape, const KeyRange& range, Edge edge) {
    return "SELECT " + column_of(shape, shape.key[0]) + from_range(shape, range) +
           order_by(shape, edge == Edge::kLast) + " LIMIT 1";
}

}  // namespace pgrepl::mysql
