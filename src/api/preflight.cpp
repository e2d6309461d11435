// The steps, and replicator_validate.

#include "api/preflight.hpp"

#include <algorithm>

#include "api/arguments.hpp"
#include "api/control_call.hpp"
#include "api/entry.hpp"
#include "api/result_rows.hpp"
#include "pg/adapter.hpp"
#include "pg/settings.hpp"
#include "pg/shared_state.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "pg/wait.hpp"
#include "replication/access/source_access.hpp"
#include "replication/setup/index_rules.hpp"
#include "replication/setup/publications.hpp"
#include "replication/setup/registration.hpp"

namespace pgrepl::api {

namespace {

const char* severity_text(core::Check::Severity severity) {
    switch (severity) {
        case core::Check::Severity::kError:
            return "error";
        case core::Check::Severity::kWarning:
            return "warning";
        case core::Check::Severity::kNote:
            return "note";
    }
    return "error";
}

void require_utf8() {
    if (GetDatabaseEncoding() != PG_UTF8) {
        throw pg::SqlError(ERRCODE_FEATURE_NOT_SUPPORTED, "pg_replicator needs a database with encoding UTF8",
                           std::string("This database has encoding ") + GetDatabaseEncodingName() + ".",
                           "Create a database with ENCODING 'UTF8' and install the extension there.");
    }
}

std::string describe_tables(const std::vector<replication::PlannedTable>& planned) {
    std::size_t replicated = 0;
    std::string others;
    for (const replication::PlannedTable& table : planned) {
        if (table.state == catalog::TableState::kPending) {
            ++replicated;
        } else if (table.state == catalog::TableState::kUnsupported) {
            others += (others.empty() ? " Not replicated: " : "; ") + table.info.name.table + " (" + table.reason + ")";
        }
    }
    return std::to_string(replicated) + " of " + std::to_string(planned.size()) + " tables are replicated." +
           (others.empty() ? "" : others + ".");
}

/// Connections that the workers of one source and a control call may have open at a time. A stream: the log, questions,
/// a copy beside it, a table without a key. A copy: two, and one for each copy worker. A comparison: questions, and
/// three states of the source.
int connections_needed(const catalog::SourceConfig& config) {
    constexpr int kStream = 4;
    constexpr int kCopy = 2;
    constexpr int kComparison = 4;
    constexpr int kCall = 1;
    int const copy = kCopy + config.copy_workers(pg::settings().copy_workers_per_source);
    return std::max(core::needs_log(config.plan) ? kStream : 0, copy) + kComparison + kCall;
}

core::Check check_connections(const catalog::SourceConfig& config, int limit) {
    int const needed = connections_needed(config);
    return {"connections", limit >= needed, core::Check::Severity::kWarning,
            "Up to " + std::to_string(needed) + " connections are open at a time; the account may have " +
                std::to_string(limit) + ".",
            "Raise the account's limit at the source (ALTER USER … WITH MAX_USER_CONNECTIONS " +
                std::to_string(needed) + ", or max_user_connections), or lower the option copy_workers."};
}

/// Calls of an adapter, which may be interrupted.
template <typename Body>
void ask_source(Body&& body) {
    try {
        body();
    } catch (const core::SourceError& error) {
        if (error.kind() == core::SourceErrorKind::kInterrupted) {
            pg::check_interrupts();
        }
        throw;
    }
}

Datum validate(FunctionCallInfo fcinfo) {
    hide_statement("replicator_validate");
    Arguments const values(fcinfo);
    SourceArguments const arguments = read_source_arguments(values, 0, 1);
    ResultRows result(fcinfo);
    run_as_catalog([&](Oid caller) {
        Preflight preflight([&](const core::Check& check) {
            auto const optional = [](const std::string& text) {
                return text.empty() ? std::nullopt : std::optional(text);
            };
            result.add({check.name, check.ok ? "t" : "f", severity_text(check.severity), optional(check.detail),
                        check.ok ? std::nullopt : optional(check.hint)});
        });
        catalog::SourceConfig config;
        config.owner = caller;
        config.name = arguments.name.value_or("");
        if (check_arguments(arguments, caller, config, preflight)) {
            (void)check_source(config, preflight);
        }
    });
    return Datum{0};
}

}  // namespace

bool Preflight::step(const char* name, const std::function<std::string()>& body) {
    core::Check check;
    check.name = name;
    if (!report_) {
        (void)body();
        return true;
    }
    auto const fail = [&](const pg::SqlError& error) {
        check.ok = false;
        check.detail = error.what() + (error.fields().detail.empty() ? "" : ": " + error.fields().detail);
        check.hint = error.fields().hint;
    };
    try {
        std::optional<pg::SqlError> const error = pg::run_in_subtransaction([&] { check.detail = body(); });
        if (error) {
            fail(*error);
        }
    } catch (const core::SourceError& error) {
        fail(pg::to_sql_error(error));
    }
    report_(check);
    return check.ok;
}

void Preflight::add(const core::Check& check) {
    if (report_) {
        report_(check);
    } else if (!check.ok && check.severity == core::Check::Severity::kError) {
        throw pg::SqlError(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the source is not ready: " + check.name,
                           check.detail, check.hint);
    } else if (!check.ok && check.severity == core::Check::Severity::kWarning) {
        pg::CallPg([&] {
            ereport(WARNING, (errmsg("the source is not as it should be: %s", check.name.c_str()),
                              errdetail("%s", check.detail.c_str()), errhint("%s", check.hint.c_str())));
        });
    }
}

bool check_arguments(const SourceArguments& arguments, Oid caller, catalog::SourceConfig& config,
                     Preflight& preflight) {
    bool ok = preflight.step("preload", [] {
        pg::require_preload();
        return "The library is loaded by shared_preload_libraries.";
    });
    ok = preflight.step("encoding", [] {
        require_utf8();
        return "The database has encoding UTF8.";
    }) && ok;
    // What follows depends on the one before.
    return preflight.step("arguments", [&] {
        if (!arguments.url || arguments.url->empty()) {
            throw pg::SqlError(ERRCODE_NULL_VALUE_NOT_ALLOWED, "source_url must be given",
                               std::string("The argument source_url is ") + (arguments.url ? "empty." : "null."),
                               "Pass source_url => '…'.");
        }
        refuse_misplaced_password(recorded(arguments));
        core::SourceUrl const url = core::parse_source_url(*arguments.url).url;
        if (config.name.empty()) {
            config.name = default_name(url);
        }
        std::string_view const schema = pg::load_adapter(url.kind).capabilities.target_schema;
        config.target_schema = schema == "{source}" ? config.name : schema;
        apply_arguments(arguments, caller, config);
        return "Mode " + std::string(name_of(config.mode)) + ", target schema " + config.target_schema + ".";
    }) && ok;
}

FoundTables check_source(const catalog::SourceConfig& config, Preflight& preflight) {
    pg::BackendInterrupts interrupts;
    replication::OpenSource source;
    FoundTables found;
    std::vector<core::TableInfo>& tables = found.tables;
    std::vector<replication::PlannedTable> planned;
    bool const open = preflight.step("connection", [&] {
        replication::AllowedSource const allowed = replication::check_source_allowed(config);
        ask_source([&] {
            source =
                replication::open_source(config, allowed, interrupts,
                                         replication::scratch_directory(config.id, replication::ScratchUse::kCopies));
        });
        return source->describe().server_version + ": " + source->describe().description + ".";
    });
    if (!open) {
        return found;
    }
    found.names = source->name_rules();
    ask_source([&] {
        for (const core::Check& check : source->check_prerequisites(core::is_followed(config.plan))) {
            preflight.add(check);
        }
        if (std::optional<int> const limit = source->connection_limit()) {
            preflight.add(check_connections(config, *limit));
        }
    });
    bool const selected = preflight.step("tables", [&] {
        ask_source([&] { tables = source->discover(); });
        planned = replication::select_tables(config, tables);
        replication::check_key_rules(config, planned);
        replication::check_selection(config, tables, planned);
        return describe_tables(planned);
    });
    if (selected && config.include_databases) {
        preflight.add(replication::check_databases_to_come(config, tables));
    }
    if (selected && core::is_followed(config.plan)) {
        preflight.add(replication::check_foreign_keys(planned));
    }
    if (selected) {
        preflight.step("rules", [&] {
            replication::check_tables_of_rules(config.rules, tables);
            return config.rules == "{}" ? "There are none." : "They name tables that the source has.";
        });
        preflight.step("targets", [&] {
            replication::check_targets(config, planned);
            return "All target tables can be created.";
        });
        preflight.add(replication::check_publications(planned));
    }
    return found;
}

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_validate, pgrepl::api::validate)
