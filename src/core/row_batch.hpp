#pragma once
// The rows that an adapter hands over at once, and the layout that all rows of one table share.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/arena.hpp"
#include "core/value.hpp"

namespace pgrepl::core {

/// How a value of a key column becomes text in `id` (docs/user/types.md, "The id column").
enum class IdStyle : std::uint8_t {
    kStringsOnly,  ///< the column holds strings only: no quoting of what looks like a number
    kAnyType,      ///< other types are possible: strings that look like JSON scalars are quoted
    kHexBytes,     ///< bytes are written as \x and hex digits (MySQL BINARY); otherwise as kStringsOnly
};

struct Column {
    std::string name;     ///< UTF-8, as the source spells it
    bool in_data = true;  ///< false: read for the key only (SQLite's rowid), not part of `data`
    IdStyle id_style = IdStyle::kAnyType;
};

/// What all rows of one table have in common.
struct RowLayout {
    static constexpr std::uint32_t kNoColumn = std::numeric_limits<std::uint32_t>::max();

    std::vector<Column> columns;             ///< in the order of the values in a row
    std::vector<std::uint32_t> key_columns;  ///< indexes into columns, in key order; empty: no key
    /// The column that gives `{"rowid":n}` as the id where a key column is NULL (SQLite), or kNoColumn.
    std::uint32_t null_key_column = kNoColumn;
    /// The row is one document (MongoDB): its only column with in_data is the whole of `data`.
    bool whole_document = false;

    /// Without one a row's id is made of all of it, and the table can be read in one go only.
    [[nodiscard]] bool has_key() const noexcept { return !key_columns.empty(); }
};

/// Rows of one table. Not thread-safe. Values stay valid until clear() or the adapter's next read.
class RowBatch {
  public:
    explicit RowBatch(std::size_t column_count) : column_count_(column_count) {}

    /// A new row of nulls, to be filled by the adapter at once.
    std::span<Value> append_row() {
        values_.resize(values_.size() + column_count_);
        return {values_.data() + values_.size() - column_count_, column_count_};
    }

    [[nodiscard]] std::size_t row_count() const noexcept {
        return column_count_ == 0 ? 0 : values_.size() / column_count_;
    }
    [[nodiscard]] std::span<const Value> row(std::size_t index) const noexcept {
        return {values_.data() + index * column_count_, column_count_};
    }
    [[nodiscard]] std::size_t column_count() const noexcept { return column_count_; }

    [[nodiscard]] Arena& arena() noexcept { return arena_; }

    /// Adds to size_bytes() what a row refers to outside the arena (a large value left in the driver).
    void count_borrowed(std::size_t bytes) noexcept { borrowed_bytes_ += bytes; }

    /// Source bytes that the batch refers to; what limits a batch.
    [[nodiscard]] std::size_t size_bytes() const noexcept {
        return arena_.used_bytes() + borrowed_bytes_ + values_.size() * sizeof(Value);
    }

    void clear() noexcept {
        values_.clear();
        arena_.clear();
        borrowed_bytes_ = 0;
    }

  private:
    std::size_t column_count_;
    std::vector<Value> values_;
    Arena arena_;
    std::size_t borrowed_bytes_ = 0;
};

}  // namespace pgrepl::core
