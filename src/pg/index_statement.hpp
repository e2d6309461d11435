#pragma once
// CREATE INDEX and DROP INDEX on tables of a user, from texts of a user, by a process that is a superuser's.
//
// Code of the user runs in two places of CREATE INDEX: where the text is analysed (the input function of a literal may
// be a domain's CHECK), and where DefineIndex plans and evaluates the expression. DefineIndex takes the rights of the
// table's owner for that, and restricts them. Nothing restricts the analysis, so it is done here, in a RoleScope of the
// owner's. SET ROLE would not do: code can undo it.
//
// Nor can the restriction be held around a concurrent build, which commits within itself. So the analysed tree outlives
// the transaction of its analysis, a session lock keeps the table what it was then, and DefineIndex is called with the
// table's OID: by name it could meet another table, to which the tree's column numbers mean nothing. Therefore none of
// this is a statement for the server's hooks and event triggers.

#include <string>

#include "pg/error.hpp"

namespace pgrepl::pg {

struct IndexText {
    std::string name;
    std::string method;      ///< btree or gin
    std::string definition;  ///< within the parentheses of CREATE INDEX
};

/// Throws SqlError unless `definition`, put within the parentheses of CREATE INDEX, is one element of an index and
/// nothing more: no second element, no clause, no second statement. Says nothing of the names in it.
void require_one_index_element(const std::string& definition);

/// Creates the index in the current transaction. The table belongs to `owner`, and the transaction holds a lock on it.
void create_index(Oid table, const IndexText& index, Oid owner);

/// Creates the index without keeping anybody from writing. False if the table is gone; throws SqlError unless it is a
/// plain one of `owner`'s. In a background worker, outside of a transaction. An interrupted one leaves an invalid
/// index.
bool create_index_concurrently(Oid table, const IndexText& index, Oid owner);

/// Drops the table's index of that name if it is invalid, without keeping anybody from writing. Does nothing if the
/// table is gone. In a background worker, outside of a transaction.
void drop_invalid_index_concurrently(Oid table, const std::string& index, Oid owner);

}  // namespace pgrepl::pg
