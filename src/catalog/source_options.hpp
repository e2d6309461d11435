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
};

/// Reads `{"memory_per_worker": "128MB", "copy_workers_per_source": 4}`: numbers, or texts with the units of
/// settings. Throws SqlError that lists the known options, or says what is wrong with a value.
SourceOptions parse_source_options(const std::string& options_json);

}  // namespace pgrepl::catalog
