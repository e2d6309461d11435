#pragma once
// The configuration of sources: replicator.source, and their secrets (pg/secret_store.hpp).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/key_rules.hpp"
#include "catalog/source_options.hpp"
#include "catalog/states.hpp"
#include "pg/error.hpp"

namespace pgrepl::catalog {

struct SourceConfig {
    std::int32_t id = 0;
    std::string name;
    std::string kind;
    std::string url;         ///< without secret
    Oid owner = InvalidOid;  ///< invalid: the role does not exist
    std::string owner_name;
    SourceMode mode = SourceMode::kOnce;
    core::CopyPlan plan = core::CopyPlan::kOneState;  ///< what its kind and the mode make of it
    std::optional<std::string> refresh_interval;
    std::string target_schema;
    std::optional<std::vector<std::string>> include_tables;
    std::optional<std::vector<std::string>> exclude_tables;
    std::optional<std::vector<std::string>> include_databases;
    std::optional<std::vector<std::string>> exclude_databases;
    std::string rules = "{}";
    std::string options = "{}";
    bool has_secret = false;
    bool paused = false;
    SourceOptions parsed_options;
    KeyRules keys;  ///< of the rules
    std::optional<std::string> password;

    [[nodiscard]] bool gives_password() const noexcept { return password && !password->empty(); }
    /// It had one, which has not come with the dump that it was restored from.
    [[nodiscard]] bool lacks_password() const noexcept { return has_secret && !password; }

    [[nodiscard]] int copy_workers(int setting) const {
        return parsed_options.copy_workers_per_source.value_or(setting);
    }
    /// From the options, else from the settings.
    [[nodiscard]] int keyless_refresh_interval_ms() const noexcept {
        return parsed_options.keyless_refresh_interval_ms.value_or(600'000);
    }
    [[nodiscard]] int max_quarantined() const;
    [[nodiscard]] int retry_initial_ms() const;
    [[nodiscard]] int target_lock_patience_ms() const;
    [[nodiscard]] int retry_max_ms() const;
    [[nodiscard]] int connect_timeout_ms() const;
    [[nodiscard]] int memory_per_worker_kb() const;
};

std::optional<SourceConfig> find_source(std::int32_t id);
std::optional<SourceConfig> find_source(const std::string& name);

/// The same, and nobody changes it until the transaction ends.
std::optional<SourceConfig> lock_source(std::int32_t id);

/// Waits for those who change the source or lock it as above, and keeps them out until the transaction ends. Whoever
/// locks the state too does so afterwards.
void lock_for_change(std::int32_t id);

/// Waits for one who drops it, and nobody else drops it until the transaction ends.
void keep_from_drop(std::int32_t id);

/// Whether a copy that began with `a` may go on under `b`: both read the same place, into the same schema, as the same
/// owner, and make the same ids.
bool copies_alike(const SourceConfig& a, const SourceConfig& b);

/// Whether what began with `a` may be done under `b`: copies are alike, and it is wanted in the same way.
bool works_alike(const SourceConfig& a, const SourceConfig& b);

/// Names of the sources that a role may control, in order.
std::vector<std::string> names_of_sources(Oid role);

/// Writes a new source with its secret and run-time state; returns its id, or nothing if the name is taken. Waits for
/// another transaction that registers the name at this moment.
std::optional<std::int32_t> insert_source(const SourceConfig& config);

/// Writes everything but id, kind, owner and paused. A password that is not set stays, unless the source has none now.
void update_source(const SourceConfig& config);

/// Writes the owner.
void set_owner(const SourceConfig& config);

/// Dumps name owners: has the catalog know the names that roles have now.
void note_names_of_owners();

void set_paused(std::int32_t id, bool paused);
void remove_source(std::int32_t id);

// ---- requests to the worker ----

/// Asks for the target to be brought up to date; returns the number of the request.
std::int64_t request_sync(std::int32_t id);

/// The run-time state of a restored source, so that it starts.
void create_state(std::int32_t id);
[[nodiscard]] bool has_state(std::int32_t id);

/// Forgets a failure, so that the source is tried at once.
void clear_failure(std::int32_t id);

/// The process of the source's last worker; 0 if there was none.
int worker_pid(std::int32_t id);

}  // namespace pgrepl::catalog
