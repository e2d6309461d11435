// The owner of a source changes.

#include "api/owner.hpp"

#include <set>

#include "catalog/table_life.hpp"
#include "catalog/tables.hpp"
#include "pg/compat.hpp"
#include "pg/spi.hpp"
#include "pg/transaction.hpp"
#include "replication/access/source_access.hpp"
#include "replication/setup/registration.hpp"
#include "targets/target_table.hpp"

namespace pgrepl::api {

namespace {

/// Whether the relation goes to the new owner with the source. Where a dump is restored, tables of a role that is
/// missing belong to whoever restores it: those of a target's shape that we have made, as their comment says. What some
/// other role, or an administrator, has put in a target's place stays its own.
/// Until the transaction ends the schema keeps its name, and so what has been looked at is what is altered.
bool is_handed_over(const target::TargetName& target, Oid made, const catalog::SourceConfig& before) {
    pg::QueryResult const row = pg::execute(
        R"(SELECT c.relowner = $3 OR ($3 = 0::oid AND r.rolsuper AND
           pg_catalog.obj_description(c.oid, 'pg_class') LIKE '%, kept by pg\_replicator' AND
           (SELECT pg_catalog.array_agg(a.attname::text || ' ' || a.atttypid::regtype::text)
           FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) @>
           '{id text,data jsonb,_synced_at timestamp with time zone}') FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_authid r ON r.oid = c.relowner
           WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p') AND $4 IN (0::oid, c.oid)
           FOR KEY SHARE OF n)",
        {target.schema, target.table, pg::Param::oid(before.owner), pg::Param::oid(made)});
    return !row.empty() && row.boolean(0, 0);
}

/// If a relation of that name is there, and not the owner's.
void tell_that_it_is_anothers(const target::TargetName& target, Oid owner, const char* what_becomes_of_it) {
    pg::QueryResult const row = pg::execute(
        R"(SELECT pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON
           n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relowner <> $3)",
        {target.schema, target.table, pg::Param::oid(owner)});
    if (row.empty()) {
        return;
    }
    std::string const name = target.sql();
    std::string const kept_by = row.text(0, 0);
    pg::CallPg([&] {
        ereport(NOTICE, (errmsg("relation %s is not %s", name.c_str(), what_becomes_of_it),
                         errdetail("It belongs to role \"%s\".", kept_by.c_str()),
                         errhint("Rename or drop it, then call replicator_resync for its table; or make it the "
                                 "source owner's, if it is the target.")));
    });
}

void tell_that_it_stays(const target::TargetName& target, Oid made, Oid owner) {
    pg::QueryResult const the_target = pg::execute(
        R"(SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = $1 AND c.relname = $2 AND c.oid = $3)",
        {target.schema, target.table, pg::Param::oid(made)});
    tell_that_it_is_anothers(target, owner,
                             the_target.empty() ? "handed over: it is not the target that was made"
                                                : "handed over: it belongs to another role");
}

void hand_over_table(const target::TargetName& target, Oid made, const catalog::SourceConfig& before,
                     const catalog::SourceConfig& after, Oid caller) {
    if (!is_handed_over(target, made, before)) {
        return tell_that_it_stays(target, made, after.owner);
    }
    {
        pg::RoleScope const as_caller(caller, pg::RoleScope::Restriction::kRestrictedOperation);
        pg::execute("LOCK TABLE " + target.sql() + " IN ACCESS EXCLUSIVE MODE");
    }
    if (is_handed_over(target, made, before)) {  // it may have been another one until it was locked
        pg::RoleScope const as_caller(caller, pg::RoleScope::Restriction::kRestrictedOperation);
        pg::execute("ALTER TABLE " + target.sql() + " OWNER TO " + pg::quoted(after.owner_name));
    } else {
        tell_that_it_stays(target, made, after.owner);
    }
}

}  // namespace

void choose_owner(const std::string& role, Oid caller, catalog::SourceConfig& config) {
    pg::QueryResult const row = pg::execute("SELECT oid, pg_catalog.pg_has_role($2, oid, '" PGREPL_MAY_BECOME_ROLE
                                            "') FROM pg_catalog.pg_authid WHERE rolname = $1",
                                            {role, pg::Param::oid(caller)});
    if (row.empty()) {
        throw pg::SqlError(ERRCODE_UNDEFINED_OBJECT, "role \"" + role + "\" does not exist",
                           "It was to become the owner of source \"" + config.name + "\".",
                           "Write its name as pg_roles has it, without quotes.");
    }
    if (!row.boolean(0, 1)) {
        throw pg::SqlError(
            ERRCODE_INSUFFICIENT_PRIVILEGE,
            "permission denied to make role \"" + role + "\" the owner of source \"" + config.name + "\"",
            "Whoever does it must be able to SET ROLE to it.", "Have a superuser do it.");
    }
    config.owner = row.oid(0, 0);
    config.owner_name = role;
}

void tell_what_is_no_target(const catalog::SourceConfig& config) {
    for (const catalog::SourceTable& table : catalog::list_tables(config.id)) {
        if (table.target_created) {
            tell_that_it_is_anothers({table.target_schema, table.target_name}, config.owner,
                                     "taken for the target: it is not the source owner's");
        }
    }
}

void hand_over(const catalog::SourceConfig& before, const catalog::SourceConfig& after, Oid caller) {
    // A password that did not come with a dump is asked for when the source is resumed.
    replication::check_source_allowed(core::parse_source_url(after.url).url,
                                      after.gives_password() || after.lacks_password(), after.owner);
    std::set<std::string> schemas;
    for (const catalog::SourceTable& table : catalog::list_tables(after.id)) {
        if (!table.target_created) {
            continue;
        }
        if (schemas.insert(table.target_schema).second) {
            replication::check_schema(table.target_schema, after);
        }
        hand_over_table({table.target_schema, table.target_name}, table.relation.relid, before, after, caller);
        if (table.state == catalog::TableState::kFailed) {
            catalog::ask_for_copy_by_call(table.id);
        }
    }
    catalog::set_owner(after);
}

}  // namespace pgrepl::api
