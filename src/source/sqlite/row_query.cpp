// The SQL that reads a table's rows. Each statement is one range of one b-tree, read in its own order:
// nothing is sorted, and the first row comes at once.

#include "source/sqlite/row_query.hpp"

#include <algorithm>
#include <utility>

namespace pgrepl::sqlite {
namespace {

std::string collated(const KeyPart& part) {
    return quote_identifier(part.column) + " COLLATE " + quote_identifier(part.collation);
}

}  // namespace

RowQuery::RowQuery(const Connection& connection, const TableShape& shape)
    : rowid_(shape.rowid), key_(shape.key), layout_columns_(shape.info.layout.columns.size()) {
    for (const core::Column& column : shape.info.layout.columns) {
        expressions_.push_back(column.in_data ? quote_identifier(column.name) : shape.rowid);
    }
    if (shape.paging == TableShape::Paging::kRowid) {
        rowid_column_ = shape.rowid_column.value_or(expressions_.size());
        if (!shape.rowid_column) {
            expressions_.push_back(shape.rowid);
        }
    }
    for (const KeyPart& part : key_) {
        expressions_.push_back(quote_identifier(part.column));
    }
    from_ = " FROM main." + quote_identifier(shape.info.name.table);
    if (shape.paging != TableShape::Paging::kWhole) {
        // The planner must not prefer another index that happens to cover the columns.
        from_ += shape.index.empty() ? std::string(" NOT INDEXED") : " INDEXED BY " + quote_identifier(shape.index);
    }
    columns_per_statement_ = static_cast<std::size_t>(sqlite3_limit(connection.handle(), SQLITE_LIMIT_COLUMN, -1));
}

std::vector<std::string> RowQuery::select(const std::string& conditions) const {
    std::vector<std::string> statements;
    for (std::size_t first = 0; first < expressions_.size(); first += columns_per_statement_) {
        std::string sql = "SELECT ";
        std::size_t const end = std::min(expressions_.size(), first + columns_per_statement_);
        for (std::size_t i = first; i < end; ++i) {
            sql += (i == first ? "" : ", ") + expressions_[i];
        }
        sql += from_;
        sql += conditions;
        statements.push_back(std::move(sql));
    }
    return statements;
}

std::string RowQuery::order_by(std::size_t first_part) const {
    std::string sql = " ORDER BY ";
    for (std::size_t i = first_part; i < key_.size(); ++i) {
        sql += (i == first_part ? "" : ", ") + collated(key_[i]) + (key_[i].descending ? " DESC" : " ASC");
    }
    return sql;
}

std::vector<std::string> RowQuery::rowid_range() const {
    return select(" WHERE " + rowid_ + " BETWEEN ?1 AND ?2 ORDER BY " + rowid_);
}

std::vector<std::string> RowQuery::whole_key() const { return select(order_by(0)); }

std::vector<std::string> RowQuery::key_tail(std::size_t equal) const {
    std::string conditions = " WHERE ";
    for (std::size_t i = 0; i < equal; ++i) {
        conditions += collated(key_[i]) + " = ?" + std::to_string(i + 1) + " AND ";
    }
    conditions += collated(key_[equal]) + (key_[equal].descending ? " < ?" : " > ?") + std::to_string(equal + 1);
    return select(conditions + order_by(equal));
}

std::vector<std::string> RowQuery::whole_view() const {
    // Of a view that is broken no column is known, and this says why.
    return expressions_.empty() ? std::vector<std::string>{"SELECT *" + from_} : select("");
}

std::vector<std::string> RowQuery::probes() const {
    std::vector<std::string> statements = key_.empty() ? rowid_range() : whole_key();
    if (!key_.empty()) {
        std::vector<std::string> const tail = key_tail(key_.size() - 1);
        statements.insert(statements.end(), tail.begin(), tail.end());
    }
    return statements;
}

}  // namespace pgrepl::sqlite
