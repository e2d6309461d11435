// Access to sources. Checked when a source is registered or altered, for the caller, and whenever a worker opens
// it, for its owner: rights may have been taken away, and a symbolic link may point elsewhere by now. What was checked
// is what is opened: a path is resolved once, and the adapter follows no link that comes later.

#include "replication/access/source_access.hpp"

#include <charconv>
#include <filesystem>

#include "core/kinds.hpp"
#include "pg/adapter.hpp"
#include "pg/compat.hpp"
#include "pg/failure_point.hpp"
#include "pg/settings.hpp"
#include "pg/spi.hpp"
#include "replication/access/password.hpp"

namespace pgrepl::replication {

namespace {

constexpr std::int64_t kKilobyte = 1024;

std::vector<std::string> split_list(const char* list) {
    std::vector<std::string> items;
    std::string item;
    for (const char* at = list == nullptr ? "" : list;; ++at) {
        if (*at == ',' || *at == '\0') {
            std::size_t const first = item.find_first_not_of(' ');
            if (first != std::string::npos) {
                items.push_back(item.substr(first, item.find_last_not_of(' ') - first + 1));
            }
            item.clear();
            if (*at == '\0') {
                return items;
            }
        } else {
            item += *at;
        }
    }
}

bool reads_server_files(Oid role) {
    return pg::execute("SELECT pg_catalog.pg_has_role($1, 'pg_read_server_files', '" PGREPL_ROLE_RIGHTS "')",
                       {pg::Param::oid(role)})
        .boolean(0, 0);
}

/// A link that leads nowhere is left in a path that was resolved. It is denied like one that leads out of the
/// directory: else who may write there would learn which files exist elsewhere.
bool holds_link(const std::filesystem::path& resolved) {
    std::error_code ignored;
    for (std::filesystem::path path = resolved; path.has_relative_path(); path = path.parent_path()) {
        if (std::filesystem::is_symlink(std::filesystem::symlink_status(path, ignored))) {
            return true;
        }
    }
    return false;
}

AllowedSource check_path(const core::SourceUrl& url, Oid role) {
    const std::string& path = url.path;
    if (path.empty() || path[0] != '/') {
        throw pg::SqlError(
            ERRCODE_INVALID_PARAMETER_VALUE,
            "the path of a " + std::string(core::kind_named(url.kind).display_name) + " source must be absolute",
            "The path is \"" + path + "\".", "Write " + url.scheme + ":///directory/file.");
    }
    if (reads_server_files(role)) {
        return {path, {}};
    }
    std::error_code ignored;
    std::filesystem::path const resolved = std::filesystem::weakly_canonical(path, ignored);
    pg::AllowedDirectories const allowed = pg::directories_of(url.kind);
    for (const std::string& directory : split_list(allowed.list.c_str())) {
        std::filesystem::path const root = std::filesystem::weakly_canonical(directory, ignored);
        auto const relative = resolved.lexically_relative(root);
        if (!relative.empty() && *relative.begin() != ".." && relative != "." && !holds_link(resolved)) {
            return {resolved.string(), root.string()};
        }
    }
    throw pg::SqlError(
        ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for the file \"" + path + "\"",
        "It does not lie under a directory of " + allowed.setting +
            ", and the role is not a member of pg_read_server_files.",
        "Have a superuser add its directory to " + allowed.setting + ", or grant pg_read_server_files to the role.");
}

void check_hosts(const core::SourceUrl& url) {
    std::vector<std::string> const allowed = split_list(pg::settings().allowed_hosts);
    if (allowed.empty()) {
        return;
    }
    for (const std::string& host : split_list(url.hosts.c_str())) {
        bool found = false;
        for (const std::string& name : allowed) {
            found = found || host == name || host.starts_with(name + ":");
        }
        if (!found) {
            throw pg::SqlError(ERRCODE_INSUFFICIENT_PRIVILEGE, "host \"" + host + "\" is not allowed",
                               "pg_replicator.allowed_hosts lists the hosts that sources may be on.",
                               "Have a superuser add it to pg_replicator.allowed_hosts.");
        }
    }
}

}  // namespace

catalog::SourceConfig require_same_source(const catalog::SourceConfig& opened,
                                          std::optional<catalog::SourceConfig> now) {
    if (!now) {
        throw pg::SqlError(ERRCODE_UNDEFINED_OBJECT, "the source was dropped");
    }
    if (!catalog::works_alike(opened, *now)) {
        throw ConfigurationChanged{};
    }
    return std::move(*now);
}

AllowedSource check_source_allowed(const core::SourceUrl& url, bool gives_password, Oid role) {
    if (url.is_file()) {
        return check_path(url, role);
    }
    check_hosts(url);
    if (url.query.contains("sslrootcert") && !reads_server_files(role)) {
        throw pg::SqlError(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied to name a certificate file",
                           "sslrootcert is read by the database server.",
                           "Have a superuser grant pg_read_server_files to the role.");
    }
    if (has_password_reference(url)) {
        if (!reads_server_files(role)) {
            throw pg::SqlError(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied to refer to a password",
                               "env:, file: and passfile read what the database server can read.",
                               "Have a superuser grant pg_read_server_files to the role, or give the password itself.");
        }
        return {};
    }
    if (!gives_password && !pg::CallPg([&] { return superuser_arg(role); })) {
        throw pg::SqlError(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED, "a password is required",
                           "A role that is not superuser must give a password of its own in the URL.",
                           "Write scheme://user:password@host/database.");
    }
    return {};
}

void require_owner(const catalog::SourceConfig& config) {
    if (config.owner == InvalidOid) {
        throw pg::SqlError(ERRCODE_UNDEFINED_OBJECT, "the owner of source \"" + config.name + "\" does not exist",
                           "Role \"" + config.owner_name + "\" was dropped, or is missing where a dump was restored.",
                           "Choose another owner: replicator_alter(name, owner => 'role').");
    }
}

AllowedSource check_source_allowed(const catalog::SourceConfig& config) {
    require_owner(config);
    core::SourceUrl const url = core::parse_source_url(config.url).url;
    if (config.lacks_password() && !has_password_reference(url)) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "source \"" + config.name + "\" has no password",
                           "Passwords are not part of a dump.",
                           "Give it again: replicator_alter(name, source_url => 'scheme://user:password@…').");
    }
    return check_source_allowed(url, config.gives_password(), config.owner);
}

namespace {

std::string scratch_root() {
    // Base backups leave out names that begin with pgsql_tmp.
    return std::string(DataDir) + "/pgsql_tmp_pg_replicator";
}

}  // namespace

std::string scratch_directory(std::int32_t source_id, ScratchUse use) {
    return scratch_root() + "/" + std::to_string(MyDatabaseId) + "_" + std::to_string(source_id) +
           (use == ScratchUse::kJobs ? "_jobs" : "");
}

void remove_scratch_directories(std::int32_t source_id) {
    std::error_code ignored;
    std::filesystem::remove_all(scratch_directory(source_id, ScratchUse::kCopies), ignored);
    std::filesystem::remove_all(scratch_directory(source_id, ScratchUse::kJobs), ignored);
}

std::vector<ScratchDirectory> scratch_directories() {
    std::vector<ScratchDirectory> found;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(scratch_root(), error), end; !error && entry != end;
         entry.increment(error)) {
        std::string const name = entry->path().filename().string();
        ScratchDirectory directory{entry->path().string(), InvalidOid, 0};
        const char* const last = name.data() + name.size();
        auto const [bar, no_number] = std::from_chars(name.data(), last, directory.database);
        if (no_number != std::errc{} || bar == last || *bar != '_') {
            continue;  // not ours
        }
        if (std::from_chars(bar + 1, last, directory.source_id).ec == std::errc{}) {
            found.push_back(std::move(directory));
        }
    }
    return found;
}

void remove_scratch_directory(const ScratchDirectory& directory) {
    std::error_code ignored;
    std::filesystem::remove_all(directory.path, ignored);
}

OpenSource open_source(const catalog::SourceConfig& config, const AllowedSource& allowed, core::Interrupts& interrupts,
                       const std::string& scratch) {
    pg::failure_point("source_allowed");
    const core::Adapter& adapter = pg::load_adapter(config.kind);
    core::OpenRequest source;
    source.url = core::parse_source_url(config.url).url;
    if (!allowed.path.empty()) {
        source.url.path = allowed.path;
        source.beneath = allowed.beneath;
    }
    source.password = has_password_reference(source.url) ? read_password(source.url, adapter.capabilities.default_port)
                                                         : config.password.value_or("");
    source.url.query.erase("passfile");  // the adapter knows parameters of its own only
    source.connect_timeout_ms = config.connect_timeout_ms();
    source.keepalive_idle_s = pg::settings().keepalive_idle_s;
    source.keepalive_interval_s = pg::settings().keepalive_interval_s;
    source.scratch_directory = scratch;
    source.memory_bytes = config.memory_per_worker_kb() * kKilobyte;
    if (temp_file_limit >= 0) {
        source.temporary_file_bytes = temp_file_limit * kKilobyte;
    }
    source.keys = config.keys;
    return adapter.open(source, interrupts);
}

}  // namespace pgrepl::replication
