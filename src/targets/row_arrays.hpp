#pragma once
// Encoded rows as two arrays, for set-based statements through SPI.

#include <cstddef>
#include <string>

#include "pg/error.hpp"
#include "targets/row_encoder.hpp"

namespace pgrepl::target {

struct RowArrays {
    Datum ids;   ///< text[]
    Datum data;  ///< jsonb[]
};

/// `count` rows from `first` on, allocated in the current memory context.
RowArrays as_arrays(const EncodedRows& rows, std::size_t first, std::size_t count);

/// Inserts them into a table, as it is named in SQL.
void insert_arrays(const std::string& table, const EncodedRows& rows, std::size_t first, std::size_t count,
                   TimestampTz synced_at);

}  // namespace pgrepl::target
