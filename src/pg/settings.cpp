// Definition of the settings.

#include "pg/settings.hpp"

#include <deque>

#include "pg/error.hpp"

namespace pgrepl::pg {

namespace {

Settings values;

/// PostgreSQL keeps the address of a value.
struct KindValue {
    const core::KindSetting* setting;
    std::string name;
    char* value;
};
std::deque<KindValue> kind_values;

void define_bool(const char* name, const char* text, bool* value, GucContext context, int flags = 0) {
    DefineCustomBoolVariable(name, text, nullptr, value, *value, context, flags, nullptr, nullptr, nullptr);
}

void define_int(const char* name, const char* text, int* value, int min, int max, GucContext context, int flags) {
    DefineCustomIntVariable(name, text, nullptr, value, *value, min, max, context, flags, nullptr, nullptr, nullptr);
}

void define_text(const char* name, const char* text, const char* long_text, char** value, GucContext context) {
    DefineCustomStringVariable(name, text, long_text, value, "", context, 0, nullptr, nullptr, nullptr);
}

}  // namespace

const Settings& settings() noexcept { return values; }

AllowedDirectories directories_of(std::string_view kind) {
    for (const KindValue& of_kind : kind_values) {
        if (of_kind.setting->kind == kind && of_kind.setting->use == core::KindSetting::Use::kDirectories) {
            return {of_kind.name, of_kind.value == nullptr ? "" : of_kind.value};
        }
    }
    return {};
}

void define_settings(std::span<const core::KindSetting> of_kinds) {
    define_bool("pg_replicator.enabled", "Starts workers; turn it off in a clone of a server.", &values.enabled,
                PGC_SIGHUP);
    define_text("pg_replicator.databases", "Databases in which workers may start.",
                "Comma-separated names; empty means every database that has the extension.", &values.databases,
                PGC_SIGHUP);
    define_int("pg_replicator.copy_workers_per_source", "Copy workers that one source may use side by side.",
               &values.copy_workers_per_source, 0, 64, PGC_SIGHUP, 0);
    define_int("pg_replicator.apply_batch_rows", "Rows after which a batch of changes is written.",
               &values.apply_batch_rows, 1, 10'000'000, PGC_SIGHUP, 0);
    define_int("pg_replicator.apply_batch_bytes", "Size after which a batch of changes is written.",
               &values.apply_batch_kb, 64, 1024 * 1024, PGC_SIGHUP, GUC_UNIT_KB);
    define_int("pg_replicator.memory_per_worker",
               "Memory a worker may use beside a fixed base and three times its largest row.",
               &values.memory_per_worker_kb, 8 * 1024, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB);
    define_int("pg_replicator.max_quarantined", "Rows of a table that may be set aside before the table fails.",
               &values.max_quarantined, 0, 1'000'000, PGC_SIGHUP, 0);
    define_int("pg_replicator.retry_initial", "Delay before the first retry after an error.", &values.retry_initial_ms,
               10, 3'600'000, PGC_SIGHUP, GUC_UNIT_MS);
    define_int("pg_replicator.retry_max", "Longest delay between two retries.", &values.retry_max_ms, 10, 86'400'000,
               PGC_SIGHUP, GUC_UNIT_MS);
    define_int("pg_replicator.target_lock_patience",
               "How long to wait for a target that others have locked before it is left aside.",
               &values.target_lock_patience_ms, 10, 86'400'000, PGC_SIGHUP, GUC_UNIT_MS);
    define_int("pg_replicator.connect_timeout", "How long to wait for a source to answer, or for a lock in it.",
               &values.connect_timeout_ms, 100, 3'600'000, PGC_SIGHUP, GUC_UNIT_MS);
    define_int("pg_replicator.keepalive_idle", "Idle time before keepalives are sent to a source.",
               &values.keepalive_idle_s, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S);
    define_int("pg_replicator.keepalive_interval", "Time between keepalives to a source.", &values.keepalive_interval_s,
               0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S);
    define_text("pg_replicator.allowed_hosts", "Hosts that sources may be on.",
                "Comma-separated names or addresses; empty means any.", &values.allowed_hosts, PGC_SUSET);
    for (const core::KindSetting& setting : of_kinds) {
        kind_values.push_back({&setting, std::string("pg_replicator.") + setting.name, nullptr});
        KindValue& of_kind = kind_values.back();
        define_text(of_kind.name.c_str(), setting.text, setting.long_text, &of_kind.value, PGC_SUSET);
    }
    define_int("pg_replicator.event_retention", "How long replicator_events keeps an event.", &values.event_retention_s,
               0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S);
    define_bool("pg_replicator.failure_points", "For tests: workers end at the failure point that a file names.",
                &values.failure_points, PGC_SIGHUP, GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE);
    MarkGUCPrefixReserved("pg_replicator");
}

}  // namespace pgrepl::pg
