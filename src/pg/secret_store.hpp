#pragma once
// Secrets by number, kept where no logical decoding and no dump reaches.
//
// A table of ours would be part of every publication FOR ALL TABLES, and any role with REPLICATION reads it through any
// output plugin. System catalogs are never decoded. So a secret is the option of a user mapping: of the bootstrap
// superuser, at a foreign server that nothing connects to. The server is a member of the extension, and pg_dump leaves
// such servers out with their mappings, unless it dumps for pg_upgrade. Options are shown to the mapping's user and to
// superusers only (pg_user_mappings). Catalogs are crash-safe and part of physical replication.
//
// The mapping is made by calls, not by a statement: pg_stat_statements, auto_explain or the log would show its text.

#include <cstdint>
#include <string>

#include "pg/error.hpp"

namespace pgrepl::pg {

/// Joined to a row whose number is `$id`, gives its secret as `secret.password`; null if there is none. For the rights
/// of the catalog.
std::string join_secret(const std::string& id);

/// Keeps `secret` under the number, in place of another. Rolled back with the transaction. The caller has the rights of
/// the catalog.
void put_secret(std::int32_t id, const std::string& secret);

/// Forgets the secret of that number, if there is one.
void remove_secret(std::int32_t id);

}  // namespace pgrepl::pg
