#pragma once
// The SQL that reads a table's rows in an order in which reading can be resumed exactly.

#include <string>
#include <vector>

#include "source/sqlite/connection.hpp"
#include "source/sqlite/table_shape.hpp"

namespace pgrepl::sqlite {

/// A row's values are the layout's columns and after them what resuming needs: the rowid, or the key's parts
/// once more (as they are stored: reading a column as UTF-8 text converts it in place). SQLite limits the
/// columns of one query to as many as a table may have; what is above goes into a second query that runs
/// beside the first.
class RowQuery {
  public:
    RowQuery(const Connection& connection, const TableShape& shape);

    /// kRowid: rows with ?1 <= rowid <= ?2, in its order. One statement for each part of the columns.
    [[nodiscard]] std::vector<std::string> rowid_range() const;

    /// kKey: all rows in key order.
    [[nodiscard]] std::vector<std::string> whole_key() const;

    /// kKey: rows whose first `equal` key parts equal ?1 … ?equal and whose next part is after the parameter
    /// after these, in key order. Rows after a whole key are those of equal = n - 1, n - 2, … 0 one after
    /// the other: each is one range of the index, whatever the parts' directions.
    [[nodiscard]] std::vector<std::string> key_tail(std::size_t equal) const;

    /// kWhole: all rows, in any order.
    [[nodiscard]] std::vector<std::string> whole_view() const;

    /// One statement of each kind.
    [[nodiscard]] std::vector<std::string> probes() const;

    /// Where the row's rowid is among its values.
    [[nodiscard]] std::size_t rowid_column() const noexcept { return rowid_column_; }
    /// Where the key parts begin among its values.
    [[nodiscard]] std::size_t key_column() const noexcept { return layout_columns_; }
    /// How many values the first statement gives; the others give as many, the last one the rest.
    [[nodiscard]] std::size_t columns_per_statement() const noexcept { return columns_per_statement_; }

  private:
    [[nodiscard]] std::vector<std::string> select(const std::string& conditions) const;
    [[nodiscard]] std::string order_by(std::size_t first_part) const;

    std::vector<std::string> expressions_;
    std::string from_;
    std::string rowid_;
    std::vector<KeyPart> key_;
    std::size_t layout_columns_;
    std::size_t rowid_column_ = 0;
    std::size_t columns_per_statement_;
};

}  // namespace pgrepl::sqlite
