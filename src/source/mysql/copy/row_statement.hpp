#pragma once
// A prepared statement that reads rows of a table, whose values are taken from the packets in place.

#include <cstdint>
#include <string>
#include <vector>

#include "core/row_batch.hpp"
#include "source/mysql/server/connection.hpp"
#include "source/mysql/tables/table_shape.hpp"
#include "source/mysql/values/json_text.hpp"

namespace pgrepl::mysql {

struct StatementDeleter {
    void operator()(MYSQL_STMT* statement) const noexcept { mysql_stmt_close(statement); }
};

/// One execution of one SELECT: the columns of the shape in its order, and after them the numbers and hashes of
/// those key parts that need one. Nothing is buffered on our side; until the last row is read, or the statement
/// destroyed (which reads what is left of it), the connection is busy.
class RowStatement {
  public:
    /// Prepares and executes. `doing`: for errors; must outlive the statement.
    RowStatement(Connection& connection, const TableShape& shape, const std::string& sql, const std::string& doing);
    RowStatement(const RowStatement&) = delete;
    RowStatement& operator=(const RowStatement&) = delete;
    ~RowStatement();

    /// Moves to the next row; false after the last one. To be called within a Connection::Turn.
    bool next();

    /// The current row's values. Returns whether a large value was left in the driver's buffer, where it stays until
    /// next().
    bool decode(std::span<core::Value> row, core::RowBatch& batch);

    /// The current row's key as a bound.
    [[nodiscard]] std::vector<std::string> key_of_row(const std::vector<KeyPart>& key) const;

  private:
    void check_types() const;
    bool decode_value(std::size_t index, const unsigned char* at, core::RowBatch& batch, core::Value& value);
    [[nodiscard]] const unsigned char* value_at(std::size_t column) const noexcept {
        return statement_->bind[column].u.row_ptr;
    }
    [[noreturn]] void fail();

    Connection& connection_;
    const TableShape& shape_;
    const std::string& doing_;
    JsonScratch json_;
    std::unique_ptr<MYSQL_STMT, StatementDeleter> statement_;
};

}  // namespace pgrepl::mysql
