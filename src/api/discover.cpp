// replicator_discover: what a source has, without registering it.

#include "api/arguments.hpp"
#include "api/control_call.hpp"
#include "api/entry.hpp"
#include "api/result_rows.hpp"
#include "pg/spi.hpp"
#include "pg/wait.hpp"
#include "replication/access/source_access.hpp"

namespace pgrepl::api {

namespace {

std::string array_text(const std::vector<std::string>& elements) {
    return pg::execute("SELECT $1", {elements}).text(0, 0);
}

std::string columns_json(const core::TableInfo& table) {
    std::vector<std::string> names;
    std::vector<std::string> types;
    for (std::size_t i = 0; i < table.layout.columns.size(); ++i) {
        if (table.layout.columns[i].in_data) {
            names.push_back(table.layout.columns[i].name);
            types.push_back(i < table.column_types.size() ? table.column_types[i] : "");
        }
    }
    return pg::execute(
               R"(SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', n, 'type', t) ORDER BY o),
                  '[]') FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY AS u(n, t, o))",
               {names, types})
        .text(0, 0);
}

std::optional<std::string> number_text(const std::optional<std::int64_t>& number) {
    return number ? std::optional(std::to_string(*number)) : std::nullopt;
}

std::vector<core::TableInfo> discover_tables(const std::string& url, Oid caller) {
    core::ParsedUrl const parsed = core::parse_source_url(url);
    replication::AllowedSource const allowed =
        replication::check_source_allowed(parsed.url, !parsed.password.empty(), caller);
    catalog::SourceConfig config;
    config.kind = parsed.url.kind;
    config.url = parsed.url.without_secret();
    config.password = parsed.password;
    pg::BackendInterrupts interrupts;
    return replication::open_source(config, allowed, interrupts)->discover();
}

std::string remark(const core::TableInfo& table) {
    if (!table.unsupported_reason.empty()) {
        return table.unsupported_reason;
    }
    std::string const view = table.is_view() ? "copied in the modes once and periodic, if include_tables names it" : "";
    std::string const by_log =
        table.not_in_log.empty() ? view : "copied in the modes once and periodic: " + table.not_in_log;
    return by_log + (by_log.empty() || table.note.empty() ? "" : "; ") + table.note;
}

Datum discover(FunctionCallInfo fcinfo) {
    hide_statement("replicator_discover");
    Arguments const values(fcinfo);
    ResultRows result(fcinfo);
    run_as_catalog([&](Oid caller) {
        for (const core::TableInfo& table : discover_tables(values.required_text(0, "source_url"), caller)) {
            auto const optional = [](const std::string& text) {
                return text.empty() ? std::nullopt : std::optional(text);
            };
            result.add({table.name.database, table.name.schema, table.name.table, table.kind, columns_json(table),
                        array_text(table.key_names), number_text(table.estimated_rows),
                        number_text(table.estimated_bytes), table.unsupported_reason.empty() ? "t" : "f",
                        optional(remark(table))});
        }
    });
    return Datum{0};
}

}  // namespace

}  // namespace pgrepl::api

PGREPL_SQL_FUNCTION(pg_replicator_discover, pgrepl::api::discover)
