#pragma once
// The one exception that concerns a single row.

#include "pg/error.hpp"

namespace pgrepl::target {

/// A row that cannot be stored as jsonb. It is set aside; the others go on. Thrown by our own code only, never out of
/// CallPg, so the transaction is as good as before.
class RowError : public pg::SqlError {
  public:
    using pg::SqlError::SqlError;
};

}  // namespace pgrepl::target
