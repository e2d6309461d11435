#pragma once
// A row of core::Values straight into the datums of a target table: id text and data jsonb.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/row_batch.hpp"
#include "pg/refused_row.hpp"
#include "targets/byte_buffer.hpp"
#include "targets/jsonb_writer.hpp"

namespace pgrepl::target {

/// Encoded rows of one batch. Owns the bytes; the datums point into it and are valid until the next change.
class EncodedRows {
  public:
    [[nodiscard]] std::size_t size() const noexcept { return rows_.size(); }
    [[nodiscard]] Datum id(std::size_t row) const noexcept { return datum(rows_[row].id); }
    [[nodiscard]] Datum data(std::size_t row) const noexcept { return datum(rows_[row].data); }
    [[nodiscard]] std::string_view id_text(std::size_t row) const noexcept { return text_at(rows_[row].id); }
    [[nodiscard]] std::string_view data_bytes(std::size_t row) const noexcept { return text_at(rows_[row].data); }
    /// A row that the target does not take. Its data is good for as long as the datums are.
    [[nodiscard]] pg::RefusedRow refused(std::size_t row, const pg::SqlError& error) const {
        return {.id = std::string(id_text(row)), .data = data(row), .error = error};
    }
    /// Size of all rows, in bytes.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_.size(); }
    /// Values stored in a tagged encoding.
    [[nodiscard]] std::uint64_t tagged_values() const noexcept { return tagged_values_; }

    /// Leaves out the rows for which `unwanted(row)` holds.
    template <typename Unwanted>
    void remove_rows(Unwanted&& unwanted) {
        std::size_t kept = 0;
        for (std::size_t row = 0; row < rows_.size(); ++row) {
            if (!unwanted(row)) {
                rows_[kept++] = rows_[row];
            }
        }
        rows_.resize(kept);
    }

    /// As the targets' indexes, whose collation is "C", have them.
    void sort_by_id();

    void clear() noexcept {
        rows_.clear();
        bytes_.clear();
        tagged_values_ = 0;
    }

  private:
    friend class RowEncoder;

    struct Offsets {
        std::size_t id;
        std::size_t data;
    };

    [[nodiscard]] std::string_view text_at(std::size_t offset) const noexcept {
        const char* const at = bytes_.data() + offset;
        return {VARDATA(at), VARSIZE(at) - VARHDRSZ};
    }
    [[nodiscard]] Datum datum(std::size_t offset) const noexcept { return PointerGetDatum(bytes_.data() + offset); }

    ByteBuffer bytes_;
    std::vector<Offsets> rows_;
    std::uint64_t tagged_values_ = 0;
};

/// Encodes the rows of one layout.
class RowEncoder {
  public:
    explicit RowEncoder(core::RowLayout layout);

    /// Appends one row. Throws RowError for a row that cannot be stored, and leaves `out` as it was.
    void encode(std::span<const core::Value> row, EncodedRows& out);

    /// The same for whoever goes on without such a row: it is returned, without data.
    std::optional<pg::RefusedRow> try_encode(std::span<const core::Value> row, EncodedRows& out);

    /// The id alone. Of a layout without a key it lacks the ordinal, as all its ids do (targets/merge.hpp gives it); of
    /// a row that cannot be stored it is another text.
    std::string id_of(std::span<const core::Value> row);

  private:
    void build_template();
    void append_id(std::span<const core::Value> row, ByteBuffer& out);
    std::string hash_id(std::span<const core::Value> row);
    void append_columns(std::span<const core::Value> row, ByteBuffer& out);

    const core::RowLayout layout_;
    std::vector<std::uint32_t> order_;  ///< columns in jsonb's key order
    std::string template_;              ///< varlena header, container headers, entries, keys
    std::size_t entries_offset_ = 0;    ///< of the first value's JEntry, from the varlena's start
    std::size_t keys_bytes_ = 0;
    std::size_t object_offset_ = 0;  ///< of the row's object; after the wrapper if it is a $literal
    std::size_t wrapper_entry_ = 0;  ///< of the wrapper's value JEntry; 0: no wrapper
    ByteBuffer unused_;              ///< what the writer refers to between rows
    JsonbWriter writer_;
    std::string id_text_;
};

}  // namespace pgrepl::target
