#pragma once
// Encoded rows as two arrays, for set-based statements through SPI.

#include <cstddef>

#include "pg/error.hpp"
#include "targets/row_encoder.hpp"

namespace pgrepl::target {

struct RowArrays {
    Datum ids;   ///< text[]
    Datum data;  ///< jsonb[]
};

/// `count` rows from `first` on, allocated in the current memory context.
RowArrays as_arrays(const EncodedRows& rows, std::size_t first, std::size_t count);

}  // namespace pgrepl::target
