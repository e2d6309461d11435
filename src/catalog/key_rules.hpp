#pragma once
// The rule `keys` of a source: which columns make up the id of tables that have no key of their own.
//
//   {"keys": {"orders": ["customer", "day"], "shop.line": ["number"]}}
//
// Tables are named as `table` or `database.table`; the latter goes first.

#include <map>
#include <string>
#include <vector>

namespace pgrepl::catalog {

using KeyRules = std::map<std::string, std::vector<std::string>>;  ///< columns by table

/// Reads the rule out of all rules of a source. Throws SqlError if it has the wrong form.
KeyRules parse_key_rules(const std::string& rules_json);

}  // namespace pgrepl::catalog
