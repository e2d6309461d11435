#pragma once
// The rows that a SQL function returns.

#include <optional>
#include <string>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::api {

/// Collects the result of a function that returns SETOF record.
class ResultRows {
  public:
    explicit ResultRows(FunctionCallInfo call);

    /// One row as texts, none for NULL; the types' input functions read them.
    void add(const std::vector<std::optional<std::string>>& cells);

  private:
    ReturnSetInfo* result_;
};

}  // namespace pgrepl::api
