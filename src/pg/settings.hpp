#pragma once
// The settings pg_replicator.*: defined at load, read where needed. PostgreSQL writes them on reload.

#include <span>
#include <string>
#include <string_view>

#include "core/kind_setting.hpp"

namespace pgrepl::pg {

struct Settings {
    bool enabled = true;
    char* databases = nullptr;  ///< comma-separated; empty: every database that has the extension
    int copy_workers_per_source = 2;
    int apply_batch_rows = 10'000;
    int apply_batch_kb = 8 * 1024;
    int memory_per_worker_kb = 64 * 1024;
    int max_quarantined = 1'000;  ///< rows of one table
    int retry_initial_ms = 1'000;
    int retry_max_ms = 300'000;
    int target_lock_patience_ms = 10'000;
    int connect_timeout_ms = 10'000;
    int keepalive_idle_s = 60;
    int keepalive_interval_s = 10;
    char* allowed_hosts = nullptr;
    int event_retention_s = 30 * 86'400;
    bool failure_points = false;  ///< for tests: failure_point.hpp
};

/// The values in force.
const Settings& settings() noexcept;

/// The setting that lists the directories in which files of a kind may lie. Without one, nobody but roles that read the
/// server's files may have one opened.
struct AllowedDirectories {
    std::string setting;  ///< "pg_replicator.…"; empty: there is none
    std::string list;     ///< comma-separated
};
AllowedDirectories directories_of(std::string_view kind);

/// Defines the settings, with those `of_kinds` of sources; called once from _PG_init.
void define_settings(std::span<const core::KindSetting> of_kinds);

}  // namespace pgrepl::pg
