// From arguments to a source's configuration.

#include "api/source_arguments.hpp"

#include <algorithm>
#include <filesystem>

#include "api/preflight.hpp"
#include "core/kinds.hpp"
#include "pg/adapter.hpp"
#include "pg/json_object.hpp"
#include "pg/spi.hpp"
#include "replication/access/password.hpp"
#include "replication/access/source_access.hpp"
#include "replication/setup/copy_plan.hpp"
#include "replication/setup/index_rules.hpp"
#include "replication/setup/registration.hpp"

namespace pgrepl::api {

namespace {

/// A stored password goes only where it was given for, protected as it was then: whoever may control a source could
/// else have it sent to a server of his own. The databases may change; what is not known to be harmless may not.
void require_same_account(const core::SourceUrl& before, const core::SourceUrl& after, const std::string& name) {
    std::string changes;
    auto const compare = [&](bool same, const char* what) {
        if (!same) {
            changes += (changes.empty() ? "" : ", ") + std::string(what);
        }
    };
    compare(before.user == after.user, "the user");
    compare(before.hosts == after.hosts && before.scheme.ends_with("+srv") == after.scheme.ends_with("+srv"),
            "the host or port");
    compare(before.query == after.query, "the parameters");
    compare(before.password_reference == after.password_reference, "where the password is");
    if (!changes.empty()) {
        throw pg::SqlError(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED,
                           "the password of source \"" + name + "\" must be given again",
                           "The URL changes " + changes +
                               "; the stored password goes only where it was given for, protected as it was then.",
                           "Write scheme://user:password@host/database.");
    }
}

void apply_url(const std::string& text, Oid caller, catalog::SourceConfig& config) {
    core::ParsedUrl const parsed = core::parse_source_url(text);
    if (!config.kind.empty() && config.kind != parsed.url.kind) {
        throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE,
                           "the URL is of kind \"" + parsed.url.kind + "\", the source of kind \"" + config.kind + "\"",
                           "A source keeps its kind.", "Register another source with replicator_init.");
    }
    if (!parsed.password.empty()) {
        config.password = parsed.password;
        config.has_secret = true;
    } else if (parsed.has_password || replication::has_password_reference(parsed.url)) {  // an empty one is none
        config.password.reset();
        config.has_secret = false;
    } else if (config.has_secret) {
        require_same_account(core::parse_source_url(config.url).url, parsed.url, config.name);
    }
    config.kind = parsed.url.kind;
    config.url = parsed.url.without_secret();
    replication::check_source_allowed(parsed.url, config.gives_password(), caller);
}

catalog::SourceMode mode_of_name(const std::string& name) {
    std::optional<catalog::SourceMode> const mode = catalog::find_source_mode(name);
    if (!mode) {
        throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "unknown mode \"" + name + "\"",
                           "Known modes: continuous, once, periodic.", "Pass mode => 'once' or mode => 'periodic'.");
    }
    return *mode;
}

std::string display_name_of(const catalog::SourceConfig& config) {
    return std::string(core::kind_named(config.kind).display_name);
}

void check_mode(const catalog::SourceConfig& config) {
    core::Capabilities const& kind = pg::load_adapter(config.kind).capabilities;
    if (config.mode == catalog::SourceMode::kContinuous && !kind.is_followed()) {
        throw pg::SqlError(ERRCODE_FEATURE_NOT_SUPPORTED,
                           "mode continuous is not supported for " + display_name_of(config) + " sources",
                           kind.why_not_followed,
                           "Pass mode => 'periodic' with a refresh_interval, or mode => 'once' and replicator_sync.");
    }
    if (config.mode == catalog::SourceMode::kPeriodic && !config.refresh_interval) {
        throw pg::SqlError(ERRCODE_NULL_VALUE_NOT_ALLOWED, "mode periodic needs a refresh_interval",
                           "It says how often the source is read again.", "Pass refresh_interval => '15 minutes'.");
    }
}

void apply_mode(const SourceArguments& arguments, catalog::SourceConfig& config) {
    if (arguments.mode) {
        config.mode = mode_of_name(*arguments.mode);
    } else if (arguments.refresh_interval) {
        config.mode = catalog::SourceMode::kPeriodic;
    } else if (config.id == 0) {
        config.mode = pg::load_adapter(config.kind).capabilities.is_followed() ? catalog::SourceMode::kContinuous
                                                                               : catalog::SourceMode::kOnce;
    }
    if (arguments.refresh_interval) {
        if (config.mode != catalog::SourceMode::kPeriodic) {
            throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE,
                               "refresh_interval does not go with mode " + std::string(name_of(config.mode)),
                               "Only a periodic source is refreshed by time.", "Pass mode => 'periodic'.");
        }
        if (!pg::execute("SELECT $1::interval >= interval '1 second'", {*arguments.refresh_interval}).boolean(0, 0)) {
            throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "refresh_interval is too short",
                               "It is " + *arguments.refresh_interval + ".", "The least is one second.");
        }
        if (!pg::execute("SELECT $1::interval <= interval '100 years'", {*arguments.refresh_interval}).boolean(0, 0)) {
            throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "refresh_interval is too long",
                               "It is " + *arguments.refresh_interval + ".", "The most is 100 years.");
        }
        config.refresh_interval = arguments.refresh_interval;
    }
    if (config.mode != catalog::SourceMode::kPeriodic) {
        config.refresh_interval.reset();
    }
    check_mode(config);
    config.plan = replication::copy_plan_of(pg::load_adapter(config.kind).capabilities, config.mode);
}

void check_keys(const catalog::SourceConfig& config) {
    core::Capabilities const& kind = pg::load_adapter(config.kind).capabilities;
    if (kind.why_no_key_rules[0] != '\0' && !config.keys.empty()) {
        throw pg::SqlError(ERRCODE_FEATURE_NOT_SUPPORTED,
                           "rule \"keys\" does not go with " + display_name_of(config) + " sources",
                           kind.why_no_key_rules, "Leave the rule out.");
    }
}

void check_target_schema(const std::string& schema) {
    if (schema.empty()) {
        throw pg::SqlError(ERRCODE_INVALID_SCHEMA_NAME, "target_schema must not be empty",
                           "It names the schema of the target tables.",
                           "Pass a name, which may contain {database} and {schema}.");
    }
}

bool are_options(const std::string& json) {
    try {
        (void)catalog::parse_source_options(json);
    } catch (const pg::SqlError& error) {
        if (error.fields().raised_by != pg::RaisedBy::kUs) {
            throw;
        }
        return false;
    }
    return true;
}

bool has_rules_only(const std::string& json) {
    auto const members = pg::read_json_object(json);
    return members && std::all_of(members->begin(), members->end(), [](const auto& member) {
               return member.first == "gin" || member.first == "indexes" || member.first == "keys";
           });
}

/// Of a refused call nothing is kept of what stands under words that are none of ours: it may be a secret.
void record_words(RecordedArguments& arguments, const char* name, const std::optional<std::string>& json,
                  bool (*is_understood)(const std::string&)) {
    record_json(arguments, name, json);
    if (json && !is_understood(*json)) {
        arguments.given.back().refused = "***";
        arguments.hidden.emplace_back(*json, "***");
    }
}

}  // namespace

SourceArguments read_source_arguments(const Arguments& arguments, int url, int name) {
    SourceArguments result;
    result.url = arguments.string(url);
    result.name = arguments.string(name);
    result.target_schema = arguments.string(2);
    result.include_tables = arguments.text_array(3, "include_tables");
    result.exclude_tables = arguments.text_array(4, "exclude_tables");
    result.include_databases = arguments.text_array(5, "include_databases");
    result.exclude_databases = arguments.text_array(6, "exclude_databases");
    result.mode = arguments.string(7);
    result.refresh_interval = arguments.printed(8, INTERVALOID);
    result.rules = arguments.printed(9, JSONBOID);
    result.options = arguments.printed(10, JSONBOID);
    return result;
}

RecordedArguments recorded(const SourceArguments& arguments) {
    RecordedArguments result;
    record_url(result, "source_url", arguments.url);
    record(result, "name", arguments.name);
    record(result, "target_schema", arguments.target_schema);
    record(result, "include_tables", arguments.include_tables);
    record(result, "exclude_tables", arguments.exclude_tables);
    record(result, "include_databases", arguments.include_databases);
    record(result, "exclude_databases", arguments.exclude_databases);
    record(result, "mode", arguments.mode);
    record(result, "refresh_interval", arguments.refresh_interval);
    record_words(result, "rules", arguments.rules, has_rules_only);
    record_words(result, "options", arguments.options, are_options);
    record(result, "owner", arguments.owner);
    return result;
}

void apply_arguments(const SourceArguments& arguments, Oid caller, catalog::SourceConfig& config) {
    if (arguments.url) {
        apply_url(*arguments.url, caller, config);
    }
    apply_mode(arguments, config);
    auto const take = [](const auto& given, auto& field) {
        if (given) {
            field = *given;
        }
    };
    take(arguments.target_schema, config.target_schema);
    take(arguments.include_tables, config.include_tables);
    take(arguments.exclude_tables, config.exclude_tables);
    take(arguments.include_databases, config.include_databases);
    take(arguments.exclude_databases, config.exclude_databases);
    take(arguments.rules, config.rules);
    take(arguments.options, config.options);
    check_target_schema(config.target_schema);
    replication::check_rules(config.rules, config.owner);
    config.keys = catalog::parse_key_rules(config.rules);
    check_keys(config);
    config.parsed_options = catalog::parse_source_options(config.options);
    replication::check_filters(config);
}

std::string default_name(const core::SourceUrl& url) {
    std::string const name = url.is_file() ? std::filesystem::path(url.path).stem().string() : url.path;
    return name.empty() ? url.kind : name;
}

void discover_and_register(const catalog::SourceConfig& config) {
    Preflight preflight;
    FoundTables const found = check_source(config, preflight);
    replication::register_discovered_tables(config, found.tables, found.names);
}

}  // namespace pgrepl::api
