// Names to values.

#include "catalog/states.hpp"

#include <algorithm>

#include "pg/error.hpp"

namespace pgrepl::catalog {

namespace {

template <typename Value, std::size_t kCount>
Value value_of(std::string_view name, const std::array<std::string_view, kCount>& names) {
    auto const found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
        throw pg::SqlError(ERRCODE_DATA_CORRUPTED, "the catalog of pg_replicator holds the state \"" +
                                                       std::string(name) + "\", which this version does not know");
    }
    return static_cast<Value>(found - names.begin());
}

}  // namespace

RunState run_state(std::string_view name) { return value_of<RunState>(name, kRunStates); }

TableState table_state(std::string_view name) { return value_of<TableState>(name, kTableStates); }

std::optional<CopyWay> copy_way(const std::optional<std::string>& name) {
    return name ? std::optional(value_of<CopyWay>(*name, kCopyWays)) : std::nullopt;
}

}  // namespace pgrepl::catalog
