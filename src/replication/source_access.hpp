#pragma once
// Opening a source, and whether a role may have it opened.

#include <memory>

#include "catalog/source_config.hpp"
#include "core/source.hpp"

namespace pgrepl::replication {

using OpenSource = std::unique_ptr<core::Source>;

/// Loads the adapter and opens the source. `interrupts` outlives it. Throws SourceError, SqlError.
OpenSource open_source(const catalog::SourceConfig& config, core::Interrupts& interrupts);

/// Throws SqlError unless `role` may have this URL opened: a SQLite path must lie under
/// pg_replicator.sqlite_directories, or the role needs pg_read_server_files; a host must be allowed; a role that is
/// no superuser gives a password of its own.
void check_source_allowed(const core::SourceUrl& url, bool has_password, Oid role);

/// The same for a registered source and its owner; workers call it whenever they open the source.
void check_source_allowed(const catalog::SourceConfig& config);

/// The directory of the source's private copies.
std::string scratch_directory(std::int32_t source_id);

/// Removes it with all that is in it.
void remove_scratch_directory(std::int32_t source_id);

}  // namespace pgrepl::replication
