#pragma once
// Rows and documents of every shape, from a seed: the same seed gives the same rows everywhere.

#include <cstdint>
#include <random>
#include <string>

#include "core/document.hpp"
#include "core/row_batch.hpp"

namespace pgrepl::test {

class RowGenerator {
  public:
    explicit RowGenerator(std::uint64_t seed) : random_(seed) {}

    /// A layout whose size and names are drawn from the seed; one in ten is a whole document.
    core::RowLayout make_layout();

    /// A row for the layout. Its values live in the batch.
    std::span<core::Value> add_row(const core::RowLayout& layout, core::RowBatch& batch);

    /// A value without nesting.
    core::Value make_scalar(core::Arena& arena);

    /// A value that may be the key of a row: no document.
    core::Value make_key(core::Arena& arena);

    /// A number from 0 to below `limit`.
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  private:
    bool one_in(std::uint64_t n) { return below(n) == 0; }
    std::string make_name();
    std::string make_bytes(std::size_t length);
    std::string make_text();
    std::string make_decimal();
    std::size_t make_length();
    std::int64_t make_integer();
    double make_double();
    core::Value keep_text(const std::string& text, core::Arena& arena);
    core::Value make_document(core::Arena& arena, bool object_at_root);
    void write_value(core::DocumentWriter& writer, core::Arena& arena, int depth);
    void write_container(core::DocumentWriter& writer, core::Arena& arena, int depth, bool object);
    core::Value make_chain(core::Arena& arena, int depth, bool object_at_root);

    std::mt19937_64 random_;
    int budget_ = 0;  ///< values that the document being made may still hold
};

}  // namespace pgrepl::test
