#pragma once
// A JSON object read without a statement: nothing that logs statements, plans and parameters sees what is in it.

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgrepl::pg {

/// Its keys and values in the order of jsonb; strings as they are, null as the empty text, all else as JSON. Nothing if
/// it is no object. Throws SqlError if it is not jsonb.
std::optional<std::vector<std::pair<std::string, std::string>>> read_json_object(const std::string& json);

}  // namespace pgrepl::pg
