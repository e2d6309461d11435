#pragma once
// Reading the arguments of SQL functions.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pg/error.hpp"

namespace pgrepl::api {

/// The arguments of one call, by position.
class Arguments {
  public:
    explicit Arguments(FunctionCallInfo call) : call_(call) {}

    [[nodiscard]] bool is_null(int index) const { return index >= call_->nargs || call_->args[index].isnull; }
    [[nodiscard]] std::optional<std::string> string(int index) const;
    [[nodiscard]] std::optional<bool> boolean(int index) const;
    /// Elements of a text[]; throws SqlError if one is null.
    [[nodiscard]] std::optional<std::vector<std::string>> text_array(int index, const char* name) const;
    /// An interval or jsonb as its text.
    [[nodiscard]] std::optional<std::string> printed(int index, Oid output_type) const;

    /// Throws SqlError if a required argument is null or empty.
    [[nodiscard]] std::string required_text(int index, const char* name) const;

  private:
    FunctionCallInfo call_;
};

}  // namespace pgrepl::api
