#pragma once
// The states of sources and tables, and the ways to copy a table, with the names that the catalog has for them: the
// types replicator.run_state, table_state and copy_way (test/lint/names.sh compares). table_life.hpp draws how
// states of tables follow one from another.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pgrepl::catalog {

/// What the worker of a source is doing.
enum class RunState { kStarting, kSnapshot, kCatchingUp, kStreaming, kIdle, kBackingOff, kFailed };
inline constexpr std::array<std::string_view, 7> kRunStates = {"starting", "snapshot",    "catching_up", "streaming",
                                                               "idle",     "backing_off", "failed"};

enum class TableState { kPending, kCopying, kCatchingUp, kStreaming, kIdle, kExcluded, kUnsupported, kFailed };
inline constexpr std::array<std::string_view, 8> kTableStates = {"pending", "copying",  "catching_up", "streaming",
                                                                 "idle",    "excluded", "unsupported", "failed"};

enum class CopyWay { kDirect, kStaging, kStaged, kBeside, kBesideSeen, kWhole };
inline constexpr std::array<std::string_view, 6> kCopyWays = {"direct", "staging",     "staged",
                                                              "beside", "beside_seen", "whole"};

constexpr std::string_view name_of(RunState state) { return kRunStates.at(static_cast<std::size_t>(state)); }
constexpr std::string_view name_of(TableState state) { return kTableStates.at(static_cast<std::size_t>(state)); }

/// Somebody wants it, and it can be: neither left out by the filters nor unfit.
constexpr bool is_replicated(TableState state) {
    return state != TableState::kExcluded && state != TableState::kUnsupported;
}

/// What the catalog holds. Throw SqlError for a name that is not in the list.
RunState run_state(std::string_view name);
TableState table_state(std::string_view name);
std::optional<CopyWay> copy_way(const std::optional<std::string>& name);

}  // namespace pgrepl::catalog
