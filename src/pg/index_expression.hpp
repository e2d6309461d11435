#pragma once
// Expressions of indexes, as users give them: text that goes into a CREATE INDEX.

#include <string>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// Throws SqlError unless `definition`, put within the parentheses of CREATE INDEX, is one element of an index and
/// nothing more: no second element, no clause, no second statement. Says nothing of the names in it.
void require_one_index_element(const std::string& definition);

}  // namespace pgrepl::pg
