#pragma once
// The run-time state of sources: what their workers read at their start and write as they go. Every write by a
// worker names its generation, so that a worker that was replaced can change nothing.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/states.hpp"
#include "catalog/wanted_workers.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

struct SourceState {
    RunState state = RunState::kStarting;
    std::int64_t generation = 0;
    std::string copy_position;  ///< empty: no copy is under way
    bool copy_durable = false;
    std::int64_t copy_sync_number = 0;
    std::int64_t sync_requested = 0;
    std::int64_t sync_done = 0;
    std::int32_t retry_count = 0;
    std::int32_t copy_replaced = 0;  ///< note_replaced()
    bool paused = false;
    // replicator.source_work:
    bool has_work = false;  ///< there is something to do now
    bool streams = false;   ///< the stream is to go on; else the source is to be copied
    /// Of the copy under way or the last one, and of what follows it. Nothing: to be decided when the first one begins.
    std::optional<core::CopyPlan> plan;
    TimestampTz copy_started_at = 0;
    std::int64_t reader_id = 0;

    /// For good, or until the copy that was read beside it is one state of the source.
    [[nodiscard]] bool follows_log() const noexcept { return plan && core::needs_log(*plan); }
    [[nodiscard]] bool copy_under_way() const noexcept { return !copy_position.empty(); }
};

/// The state of a source, or nothing if the source or its run-time state is gone, or is another database's: this one is
/// a copy of that one.
std::optional<SourceState> load_source_state(std::int32_t source_id);

/// A source worker begins a copy: takes the next generation and returns it; leases of older ones become void.
std::int64_t begin_generation(std::int32_t source_id, int worker_pid);

/// Whether `generation` is the source's own: no newer worker and no newer copy has taken over, and it was not dropped.
bool is_generation(std::int32_t source_id, std::int64_t generation);

/// Whether its worker of `generation` is still wanted, as seen from within a transaction of its own.
bool may_go_on(std::int32_t source_id, std::int64_t generation);

/// Keeps all other writers of the source's targets (its worker, repair, replay) out until the transaction ends. Comes
/// before any lock on a row of the catalog. No such row that a control call or replicator_wait needs (source_state
/// above all) may be locked while a target is waited for: they are written last.
void take_turn(std::int32_t source_id);
/// The same for the worker of a generation; throws SqlError if it is not that any more.
void take_turn(std::int32_t source_id, std::int64_t generation);

/// Locks the row of its state, which a control call that changes it holds to its end.
void lock_state(std::int32_t source_id, std::int64_t generation);
void lock_state(std::int32_t source_id);

void set_state(std::int32_t source_id, std::int64_t generation, RunState state);
void set_source_version(std::int32_t source_id, const std::string& version);

/// A copy is about to take a state of the source: it serves the requests made so far, and no later one.
void take_requests(std::int32_t source_id, std::int64_t generation);

/// What a copy reads, and how.
struct CopyBegin {
    std::string position;
    bool durable = false;
    core::CopyPlan plan = core::CopyPlan::kOneState;
    TimestampTz read_at = 0;  ///< when the position was taken
};
void begin_copy(std::int32_t source_id, std::int64_t generation, const CopyBegin& copy);

/// The copy under way cannot be finished: the next one starts over, in a durable way if `durable`. If it was to use the
/// log for one state, that is decided again. False if the generation is not the source's own any more: a call that has
/// changed the source may have ended the copy itself.
[[nodiscard]] bool abandon_copy(std::int32_t source_id, std::int64_t generation, bool durable);

/// Another server answers in the place of the one that the copy under way reads. Returns how often that has happened
/// since it was begun, or could go on.
std::int32_t note_replaced(std::int32_t source_id, std::int64_t generation);
/// The copy goes on.
void forget_replaced(std::int32_t source_id);

/// A reader found that the state of the copy cannot be joined: the source worker is to take a durable one.
void ask_for_durable_copy(std::int32_t source_id, std::int64_t generation);

/// The copy is complete: the target holds `position`, or the log is to be followed from there, which is what serves the
/// requests unless it is not `complete`. `changes` were made to tables that had rows before.
void end_copy(std::int32_t source_id, std::int64_t generation, const std::string& position, std::int64_t changes,
              bool log_follows, bool complete);

/// Records an error. The source backs off, and is tried again after `retry_ms`, but `not_after_refresh`, if that is to
/// be sooner; without `retry_ms` it has failed. Whether the server log says so: else it has said the same before.
bool record_failure(std::int32_t source_id, std::int64_t generation, const pg::SqlError& error,
                    std::optional<std::int64_t> retry_ms, bool not_after_refresh);

/// Another reader with our id took our place at the source. Returns how often that has happened, with less than the
/// window between two times.
std::int32_t note_eviction(std::int32_t source_id, std::int64_t window_ms);

/// The source worker copies alone because no copy worker could be started: status names the setting.
void note_no_copy_workers(std::int32_t source_id);

/// Work has gone on: forget the last error.
void clear_error(std::int32_t source_id);

/// The position that the target of a source holds; empty: none yet.
std::string target_position(std::int32_t source_id);

/// Whether a copy is under way or the source streams, so that the target's position will change by itself.
bool is_source_moving(std::int32_t source_id);

/// Sources that want a source worker.
std::vector<WantedWorker> list_source_work();

/// It has waited for a background worker slot long enough to be told of. The views know of the wait itself.
void tell_wait_for_slot(std::int32_t source_id);

}  // namespace pgrepl::catalog
