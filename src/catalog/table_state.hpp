#pragma once
// The states of a table and the ways to copy one, with the names that the catalog has for them: the types
// replicator.table_state and replicator.copy_way (test/lint/table_life.sh compares). table_life.hpp draws how one
// follows from another.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pgrepl::catalog {

enum class TableState { kPending, kCopying, kCatchingUp, kStreaming, kIdle, kExcluded, kUnsupported, kFailed };
inline constexpr std::array<std::string_view, 8> kTableStates = {"pending", "copying",  "catching_up", "streaming",
                                                                 "idle",    "excluded", "unsupported", "failed"};

enum class CopyWay { kDirect, kStaging, kStaged, kBeside, kBesideSeen, kWhole };
inline constexpr std::array<std::string_view, 6> kCopyWays = {"direct", "staging",     "staged",
                                                              "beside", "beside_seen", "whole"};

constexpr std::string_view name_of(TableState state) { return kTableStates.at(static_cast<std::size_t>(state)); }

/// Somebody wants it, and it can be: neither left out by the filters nor unfit.
constexpr bool is_replicated(TableState state) {
    return state != TableState::kExcluded && state != TableState::kUnsupported;
}

/// What the catalog holds. Throw SqlError for a name that is not in the list.
TableState table_state(std::string_view name);
std::optional<CopyWay> copy_way(const std::optional<std::string>& name);

}  // namespace pgrepl::catalog
