#pragma once
// A row that the target, or jsonb, does not take: the only form in which one is handed on. The layer of targets finds
// it, the catalog sets it aside (catalog/quarantine.hpp), and the other rows go on.

#include <optional>
#include <string>

#include "pg/error.hpp"

namespace pgrepl::pg {

struct RefusedRow {
    std::string id;
    bool deletion = false;  ///< the row was to be deleted, and is still there
    /// jsonb, in the memory of the rows that were to be written, and good for as long as they are; none for a deletion,
    /// and for a row that cannot be jsonb.
    std::optional<Datum> data = std::nullopt;
    SqlError error;
};

}  // namespace pgrepl::pg
