// One server for each secret: with one server for all, two calls at once would meet in one row of the catalog.

#include "pg/secret_store.hpp"

namespace pgrepl::pg {

namespace {

constexpr const char* kWrapper = "pg_replicator_secrets";  // sql/install/10_tables.sql
constexpr const char* kServerPrefix = "pg_replicator_source_";
constexpr const char* kOption = "password";

std::string server_name(std::int32_t id) { return kServerPrefix + std::to_string(id); }

/// Until the transaction ends: the catalog's own functions fail on a row that another transaction changes. A lock of
/// the object manager, since one on a row of ours is gone a moment before caches of the catalog hear of a commit.
void lock_number(std::int32_t id) {
    LockDatabaseObject(get_foreign_data_wrapper_oid(kWrapper, false), static_cast<Oid>(id), 0, AccessExclusiveLock);
    AcceptInvalidationMessages();
}

/// The server of that name if it is ours; InvalidOid if there is none.
Oid find_server(const char* name) {
    ForeignServer* const server = GetForeignServerByName(name, true);
    if (server == nullptr) {
        return InvalidOid;
    }
    if (server->fdwid != get_foreign_data_wrapper_oid(kWrapper, false)) {
        ereport(ERROR, (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("foreign server \"%s\" is not pg_replicator's", name),
                        errdetail("The password of a source is kept with a foreign server of this name."),
                        errhint("Rename the other server: ALTER SERVER %s RENAME TO …", name)));
    }
    return server->serverid;
}

ObjectAddress address(Oid class_id, Oid object_id) {
    ObjectAddress result{};
    ObjectAddressSet(result, class_id, object_id);
    return result;
}

void drop_server(Oid server) {
    // An object is not dropped while it is a member.
    (void)deleteDependencyRecordsForClass(ForeignServerRelationId, server, ExtensionRelationId, DEPENDENCY_EXTENSION);
    CommandCounterIncrement();
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

void create_server(const char* name, const char* secret) {
    CreateForeignServerStmt* const server = makeNode(CreateForeignServerStmt);
    server->servername = pstrdup(name);
    server->fdwname = pstrdup(kWrapper);
    ObjectAddress const server_address = CreateForeignServer(server);
    ObjectAddress const extension = address(ExtensionRelationId, get_extension_oid("pg_replicator", false));
    recordDependencyOn(&server_address, &extension, DEPENDENCY_EXTENSION);
    CommandCounterIncrement();

    CreateUserMappingStmt* const mapping = makeNode(CreateUserMappingStmt);
    mapping->user = bootstrap_superuser();
    mapping->servername = pstrdup(name);
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
               "LEFT JOIN LATERAL (SELECT o.option_value AS password FROM pg_catalog.pg_foreign_server f "
               "JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid OPERATOR(pg_catalog.=) f.srvfdw "
               "JOIN pg_catalog.pg_user_mapping m ON m.umserver OPERATOR(pg_catalog.=) f.oid "
               "CROSS JOIN LATERAL pg_catalog.pg_options_to_table(m.umoptions) o "
               "WHERE f.srvname OPERATOR(pg_catalog.=) pg_catalog.concat('") +
           kServerPrefix + "', " + id + ")::pg_catalog.name AND w.fdwname OPERATOR(pg_catalog.=) '" + kWrapper +
           "' AND m.umuser OPERATOR(pg_catalog.=) " + std::to_string(BOOTSTRAP_SUPERUSERID) +
           " AND o.option_name OPERATOR(pg_catalog.=) '" + kOption + "') secret ON true";
}

void put_secret(std::int32_t id, const std::string& secret) {
    std::string const name = server_name(id);
    CallPg([&, name_text = name.c_str(), secret_text = secret.c_str()] {
        lock_number(id);
        Oid const previous = find_server(name_text);
        if (OidIsValid(previous)) {
            drop_server(previous);
        }
        create_server(name_text, secret_text);
    });
}

void remove_secret(std::int32_t id) {
    std::string const name = server_name(id);
    CallPg([&, name_text = name.c_str()] {
        lock_number(id);
        Oid const server = find_server(name_text);
        if (OidIsValid(server)) {
            drop_server(server);
        }
    });
}

}  // namespace pgrepl::pg
