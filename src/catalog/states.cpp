// Names to values.

#include "catalog/states.hpp"

#include <algorithm>

#include "pg/error.hpp"

namespace pgrepl::catalog {

namespace {

template <typename Value, std::size_t kCount>
std::optional<Value> find_value(std::string_view name, const std::array<std::string_view, kCount>& names) {
    auto const found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? std::nullopt : std::optional(static_cast<Value>(found - names.begin()));
}

template <typename Value, std::size_t kCount>
Value value_of(std::string_view name, const std::array<std::string_view, kCount>& names) {
    std::optional<Value> const value = find_value<Value>(name, names);
    if (!value) {
        throw pg::SqlError(ERRCODE_DATA_CORRUPTED, "the catalog of pg_replicator holds the state \"" +
                                                       std::string(name) + "\", which this version does not know");
    }
    return *value;
}

}  // namespace

std::optional<SourceMode> find_source_mode(std::string_view name) { return find_value<SourceMode>(name, kSourceModes); }

SourceMode source_mode(std::string_view name) { return value_of<SourceMode>(name, kSourceModes); }

core::CopyPlan copy_plan(std::string_view name) { return value_of<core::CopyPlan>(name, kCopyPlans); }

RunState run_state(std::string_view name) { return value_of<RunState>(name, kRunStates); }

TableState table_state(std::string_view name) { return value_of<TableState>(name, kTableStates); }

std::optional<CopyWay> copy_way(const std::optional<std::string>& name) {
    return name ? std::optional(value_of<CopyWay>(*name, kCopyWays)) : std::nullopt;
}

}  // namespace pgrepl::catalog
