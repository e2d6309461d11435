// One server for each secret: with one server for all, two calls at once would meet in one row of the catalog. It is
// known by its wrapper and its version, which is the number: any role that may use some wrapper can make servers of any
// name. So that none can make one of the name that ours will have, in a transaction that stays open and would be waited
// for, a part of the name is random.

#include "pg/secret_store.hpp"

#include "pg/membership.hpp"

#include <cstring>

namespace pgrepl::pg {

namespace {

constexpr const char* kWrapper = "pg_replicator_secrets";  // sql/install/10_tables.sql
constexpr const char* kServerPrefix = "pg_replicator_source_";
constexpr const char* kOption = "password";

/// Until the transaction ends: the catalog's own functions fail on a row that another transaction changes. A lock of
/// the object manager, since one on a row of ours is gone a moment before caches of the catalog hear of a commit.
void lock_number(std::int32_t id) {
    LockDatabaseObject(get_foreign_data_wrapper_oid(kWrapper, false), static_cast<Oid>(id), 0, AccessExclusiveLock);
    AcceptInvalidationMessages();
}

/// The server of that number; InvalidOid if there is none.
Oid find_server(const char* number) {
    Oid const wrapper = get_foreign_data_wrapper_oid(kWrapper, false);
    Oid found = InvalidOid;
    Relation const servers = table_open(ForeignServerRelationId, AccessShareLock);
    SysScanDesc const scan = systable_beginscan(servers, InvalidOid, false, nullptr, 0, nullptr);
    for (HeapTuple row = systable_getnext(scan); HeapTupleIsValid(row); row = systable_getnext(scan)) {
        auto const* const server = reinterpret_cast<Form_pg_foreign_server>(GETSTRUCT(row));
        bool no_version = false;
        Datum const version =
            heap_getattr(row, Anum_pg_foreign_server_srvversion, RelationGetDescr(servers), &no_version);
        if (server->srvfdw == wrapper && !no_version && std::strcmp(TextDatumGetCString(version), number) == 0) {
            found = server->oid;
        }
    }
    systable_endscan(scan);
    table_close(servers, AccessShareLock);
    return found;
}

/// One that nobody can have given to a server.
char* new_name(const char* number) {
    std::uint64_t random = 0;
    if (!pg_strong_random(&random, sizeof(random))) {
        ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random number")));
    }
    return psprintf("%s%s_" UINT64_FORMAT, kServerPrefix, number, random);
}

ObjectAddress address(Oid class_id, Oid object_id) {
    ObjectAddress result{};
    ObjectAddressSet(result, class_id, object_id);
    return result;
}

void drop_server(Oid server) {
    // An object is not dropped while it is a member.
    leave_extension(ForeignServerRelationId, server);
    ObjectAddress const target = address(ForeignServerRelationId, server);
    performDeletion(&target, DROP_CASCADE, PERFORM_DELETION_INTERNAL | PERFORM_DELETION_QUIETLY);
}

RoleSpec* bootstrap_superuser() {
    RoleSpec* const role = makeNode(RoleSpec);
    role->roletype = ROLESPEC_CSTRING;
    role->rolename = GetUserNameFromId(BOOTSTRAP_SUPERUSERID, false);
    role->location = -1;
    return role;
}

void create_server(const char* number, const char* secret) {
    CreateForeignServerStmt* const server = makeNode(CreateForeignServerStmt);
    server->servername = new_name(number);
    server->version = pstrdup(number);
    server->fdwname = pstrdup(kWrapper);
    ObjectAddress const server_address = CreateForeignServer(server);
    join_extension(ForeignServerRelationId, server_address.objectId);

    CreateUserMappingStmt* const mapping = makeNode(CreateUserMappingStmt);
    mapping->user = bootstrap_superuser();
    mapping->servername = pstrdup(server->servername);
    mapping->options =
        list_make1(makeDefElem(pstrdup(kOption), reinterpret_cast<Node*>(makeString(pstrdup(secret))), -1));
    ObjectAddress const mapping_address = CreateUserMapping(mapping);
    CommandCounterIncrement();
    // It goes with its server without being asked for: DROP EXTENSION needs no CASCADE.
    (void)deleteDependencyRecordsForClass(UserMappingRelationId, mapping_address.objectId, ForeignServerRelationId,
                                          DEPENDENCY_NORMAL);
    recordDependencyOn(&mapping_address, &server_address, DEPENDENCY_AUTO);
    CommandCounterIncrement();
}

}  // namespace

std::string join_secret(const std::string& id) {
    return std::string(
               R"(LEFT JOIN LATERAL (SELECT o.option_value AS password FROM pg_catalog.pg_foreign_server f
                  JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) f.srvfdw
                  JOIN pg_catalog.pg_user_mapping m ON m.umserver OPERATOR(pg_catalog.=) f.oid
                  CROSS JOIN LATERAL pg_catalog.pg_options_to_table(m.umoptions) o
                  WHERE f.srvversion OPERATOR(pg_catalog.=) ()") +
           id + ")::pg_catalog.text AND w.fdwname OPERATOR(pg_catalog.=) '" + kWrapper +
           "' AND m.umuser OPERATOR(pg_catalog.=) " + std::to_string(BOOTSTRAP_SUPERUSERID) +
           " AND o.option_name OPERATOR(pg_catalog.=) '" + kOption + "') secret ON true";
}

void put_secret(std::int32_t id, const std::string& secret) {
    std::string const number = std::to_string(id);
    CallPg([&, number_text = number.c_str(), secret_text = secret.c_str()] {
        lock_number(id);
        Oid const previous = find_server(number_text);
        if (OidIsValid(previous)) {
            drop_server(previous);
        }
        create_server(number_text, secret_text);
    });
}

void remove_secret(std::int32_t id) {
    std::string const number = std::to_string(id);
    CallPg([&, number_text = number.c_str()] {
        lock_number(id);
        Oid const server = find_server(number_text);
        if (OidIsValid(server)) {
            drop_server(server);
        }
    });
}

}  // namespace pgrepl::pg
