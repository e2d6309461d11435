#pragma once
// The per-source options: overrides of settings, given as jsonb.

#include <optional>
#include <string>

namespace pgrepl::catalog {

/// Options that were given; the others follow the settings of the same name.
struct SourceOptions {
    std::optional<int> copy_workers_per_source;
    std::optional<int> apply_batch_rows;
    std::optional<int> apply_batch_kb;
    std::optional<int> memory_per_worker_kb;
    std::optional<int> max_quarantined;
    std::optional<int> retry_initial_ms;
    std::optional<int> retry_max_ms;
    std::optional<int> connect_timeout_ms;
    std::optional<int> keyless_refresh_interval_ms;
    std::optional<int> target_lock_patience_ms;
    std::optional<int> server_id;            ///< by which a MySQL source tells its readers apart
    std::string on_drop = "keep";            ///< or drop: the target goes with a table that is dropped at the source
    std::string on_position_lost = "error";  ///< or resync: copy again when the source's log no longer reaches back

    /// What is done when another server answers that may have changes which were not read; or trust; or error: stop.
    std::string after_failover = "verify";

    [[nodiscard]] bool drops_targets() const noexcept { return on_drop == "drop"; }
    [[nodiscard]] bool resyncs_when_lost() const noexcept { return on_position_lost == "resync"; }
};

/// Reads `{"memory_per_worker": "128MB", "copy_workers_per_source": 4}`: numbers, or texts with the units of
/// settings. Throws SqlError that lists the known options, or says what is wrong with a value.
SourceOptions parse_source_options(const std::string& options_json);

}  // namespace pgrepl::catalog
