#pragma once
// A running read of rows: the statements of a RowQuery stepped side by side, and the transfer of a row's
// values into a batch.

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/row_batch.hpp"
#include "source/sqlite/connection.hpp"
#include "source/sqlite/key_bound.hpp"

namespace pgrepl::sqlite {

class RowCursor {
  public:
    /// `is_key` says of each column of a row whether it is one of the key.
    RowCursor(const Connection& connection, const std::vector<std::string>& statements,
              std::size_t columns_per_statement, std::vector<bool> is_key, std::string doing);

    /// Begins again from the first row.
    void reset() noexcept;
    void bind_rowids(std::int64_t low, std::int64_t high);
    void bind_key(std::span<const KeyValue> values, unsigned char encoding);

    /// The next row. False: no more, and reset.
    bool step();

    [[nodiscard]] std::int64_t integer(std::size_t column) const;
    [[nodiscard]] KeyValue key_value(std::size_t column) const;

    /// How a row's values are taken.
    struct Transfer {
        bool utf8_database = true;
        bool may_borrow = false;  ///< large values may stay in SQLite's memory, valid until the next step
    };
    /// Puts the row's first values into `row`. Of a row that is too large for every target, some are cut, but none of
    /// its key. True: some of it is borrowed.
    bool transfer(std::span<core::Value> row, core::RowBatch& batch, Transfer how) const;

  private:
    const Connection& connection_;
    std::string doing_;
    std::vector<Statement> statements_;
    std::size_t columns_per_statement_;
    std::vector<bool> is_key_;
};

}  // namespace pgrepl::sqlite
