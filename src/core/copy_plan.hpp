#pragma once
// How a source is copied, and what its log is read for. A kind of source says which plan it has if its sources are
// followed (Capabilities::plan). With the mode that makes the plan of a source, which is decided in one place
// (replication/setup/copy_plan.hpp) and kept in the catalog; everybody else asks.
//
//                             the copy reads                  and then its log is
//   kOneState                 one state of the source         not read
//   kOneStateThenFollowed     one state of the source         followed from that state on
//   kBesideLog                each statement by itself        followed from before the first statement on
//   kBesideLogForOneState     each statement by itself        read until the target is one state of the source

#include <cstdint>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// In the order of catalog::kCopyPlans. The last is that of a mode; no kind of source has it.
enum class CopyPlan : std::uint8_t { kOneState, kOneStateThenFollowed, kBesideLog, kBesideLogForOneState };

/// The log is followed for good: it says what becomes of a table.
constexpr bool is_followed(CopyPlan plan) noexcept {
    return plan == CopyPlan::kOneStateThenFollowed || plan == CopyPlan::kBesideLog;
}

/// The log is followed after the copy, for good or not.
constexpr bool needs_log(CopyPlan plan) noexcept { return plan != CopyPlan::kOneState; }

/// The copy is read at different times, and the log mends it.
constexpr bool reads_beside_log(CopyPlan plan) noexcept {
    return plan == CopyPlan::kBesideLog || plan == CopyPlan::kBesideLogForOneState;
}

}  // namespace pgrepl::core
