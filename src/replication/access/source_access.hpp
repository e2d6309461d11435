#pragma once
// Opening a source, and whether a role may have it opened.

#include <memory>
#include <optional>
#include <string>

#include "catalog/source_config.hpp"
#include "core/source.hpp"

namespace pgrepl::replication {

/// Thrown when the configuration was changed so that what is under way, or about to begin, is of no use.
struct ConfigurationChanged {};

/// `now` if it is there and is worked on as `opened`, by which the source was opened: it reads the same place, in the
/// same mode, with the same options. Throws SqlError if the source was dropped, else ConfigurationChanged.
catalog::SourceConfig require_same_source(const catalog::SourceConfig& opened,
                                          std::optional<catalog::SourceConfig> now);

using OpenSource = std::unique_ptr<core::Source>;

/// What a check has allowed. Of a file: the path, and the directory below which no link is followed when it is opened;
/// the path is then as it was resolved by the check. Of other sources nothing.
struct AllowedSource {
    std::string path;
    std::string beneath;
};

/// Throws SqlError unless `role` may have this URL opened: a file must lie under the
/// directories that a setting lists for its kind (pg::directories_of()), or the role needs pg_read_server_files; a host
/// must be allowed; a role that is no superuser gives a password of its own, which is not empty: else it would be let
/// in where nothing but the address is asked for, and that is this server's.
AllowedSource check_source_allowed(const core::SourceUrl& url, bool gives_password, Oid role);

/// Throws SqlError if the source's owner does not exist.
void require_owner(const catalog::SourceConfig& config);

/// check_source_allowed for a registered source and its owner, who must exist; workers call it whenever they open the
/// source.
AllowedSource check_source_allowed(const catalog::SourceConfig& config);

/// Loads the adapter and opens the source, as it was `allowed`. `interrupts` outlives it. `scratch` is the directory
/// for private copies; without one no durable snapshot can be taken. Throws SourceError, SqlError.
OpenSource open_source(const catalog::SourceConfig& config, const AllowedSource& allowed, core::Interrupts& interrupts,
                       const std::string& scratch = {});

/// The source worker's copies and those of jobs lie apart: each removes its own when it is done.
enum class ScratchUse { kCopies, kJobs };

/// The directory of the source's private copies.
std::string scratch_directory(std::int32_t source_id, ScratchUse use);

/// Removes both with all that is in them.
void remove_scratch_directories(std::int32_t source_id);

/// A scratch directory that was found, of any database.
struct ScratchDirectory {
    std::string path;
    Oid database = InvalidOid;
    std::int32_t source_id = 0;
};
std::vector<ScratchDirectory> scratch_directories();
void remove_scratch_directory(const ScratchDirectory& directory);

}  // namespace pgrepl::replication
