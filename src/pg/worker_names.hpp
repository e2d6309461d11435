#pragma once
// The kinds of our workers and what they can be doing, with the names that views and people see: those of the types
// replicator.worker_kind and replicator.worker_phase (test/lint/names.sh compares).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgrepl::pg {

enum class WorkerKind : std::uint8_t { kLauncher, kProbe, kSource, kCopy, kJob, kIndex };
inline constexpr std::array<std::string_view, 6> kWorkerKinds = {"launcher",    "probe",      "source worker",
                                                                 "copy worker", "job worker", "index worker"};

enum class WorkerPhase : std::uint8_t {
    kLookingForWork,
    kOpeningSource,
    kWaitingForCopyWorkers,
    kWaitingForChunk,
    kCopying,
    kComparingAndStaging,
    kNumberingIdenticalRows,
    kBuildingPrimaryKey,
    kMerging,
    kOpeningStream,
    kCatchingUp,
    kStreaming,
    kCopyingBesideStream,
    kComparingKeyless,
    kComparing,
    kConfirming,
    kSecondPass,
    kLookingForExtraRows,
    kDroppingIndex,
    kCreatingIndex
};
inline constexpr std::array<std::string_view, 20> kWorkerPhases = {"looking for work",
                                                                   "opening the source",
                                                                   "waiting for copy workers",
                                                                   "waiting for a chunk",
                                                                   "copying",
                                                                   "comparing and staging",
                                                                   "numbering identical rows",
                                                                   "building the primary key",
                                                                   "merging",
                                                                   "opening the stream",
                                                                   "catching up",
                                                                   "streaming",
                                                                   "copying beside the stream",
                                                                   "comparing a table without a key",
                                                                   "comparing",
                                                                   "confirming",
                                                                   "second pass",
                                                                   "looking for extra rows",
                                                                   "dropping an invalid index",
                                                                   "creating an index"};

constexpr std::string_view name_of(WorkerKind kind) { return kWorkerKinds.at(static_cast<std::size_t>(kind)); }
constexpr std::string_view name_of(WorkerPhase phase) { return kWorkerPhases.at(static_cast<std::size_t>(phase)); }

/// What pg_stat_activity.backend_type shows.
inline std::string type_of(WorkerKind kind) { return "pg_replicator " + std::string(name_of(kind)); }

}  // namespace pgrepl::pg
