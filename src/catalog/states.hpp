#pragma once
// The modes of sources, how they are copied, the states of sources and tables, the ways to copy a table, and what
// readers of one may rely on, with the names that the catalog has for them: the types replicator.source_mode,
// copy_plan, run_state, table_state, copy_way and consistency (test/lint/names.sh compares). table_life.hpp draws how
// states of tables follow one from another. What only statements know by name, such as the states of chunks, jobs and
// indexes, is a type of the catalog alone.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/source.hpp"

namespace pgrepl::catalog {

/// How a source is kept up to date: by its log, on request, by time.
enum class SourceMode { kContinuous, kOnce, kPeriodic };
inline constexpr std::array<std::string_view, 3> kSourceModes = {"continuous", "once", "periodic"};

/// How a source is copied, in the order of core::CopyPlan.
inline constexpr std::array<std::string_view, 4> kCopyPlans = {"one_state", "one_state_then_followed", "beside_log",
                                                               "beside_log_for_one_state"};

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

/// What readers of a target may rely on: what its adapter gives, in the order of core::Consistency; rows of different
/// times; rows of an earlier time than those of the other tables,
/// for a lock or for want of room.
inline constexpr std::array<std::string_view, 6> kConsistencies = {"transaction", "document", "state",
                                                                   "copying",     "locked",   "no room"};

constexpr std::string_view name_of(SourceMode mode) { return kSourceModes.at(static_cast<std::size_t>(mode)); }
constexpr std::string_view name_of(core::CopyPlan plan) { return kCopyPlans.at(static_cast<std::size_t>(plan)); }
static_assert(name_of(core::CopyPlan::kOneState) == "one_state" &&
              name_of(core::CopyPlan::kOneStateThenFollowed) == "one_state_then_followed" &&
              name_of(core::CopyPlan::kBesideLog) == "beside_log" &&
              name_of(core::CopyPlan::kBesideLogForOneState) == "beside_log_for_one_state");
constexpr std::string_view name_of(RunState state) { return kRunStates.at(static_cast<std::size_t>(state)); }
constexpr std::string_view name_of(core::Consistency given) {
    return kConsistencies.at(static_cast<std::size_t>(given));
}
static_assert(name_of(core::Consistency::kTransaction) == "transaction" &&
              name_of(core::Consistency::kDocument) == "document" && name_of(core::Consistency::kState) == "state");
constexpr std::string_view name_of(TableState state) { return kTableStates.at(static_cast<std::size_t>(state)); }

/// Somebody wants it, and it can be: neither left out by the filters nor unfit.
constexpr bool is_replicated(TableState state) {
    return state != TableState::kExcluded && state != TableState::kUnsupported;
}

/// Nothing for a name that is not in the list.
std::optional<SourceMode> find_source_mode(std::string_view name);

/// What the catalog holds. Throw SqlError for a name that is not in the list.
SourceMode source_mode(std::string_view name);
core::CopyPlan copy_plan(std::string_view name);
RunState run_state(std::string_view name);
TableState table_state(std::string_view name);
std::optional<CopyWay> copy_way(const std::optional<std::string>& name);

}  // namespace pgrepl::catalog
