#pragma once
// How far an error of a statement on a target reaches. Code of users (triggers, constraints, index expressions, types,
// foreign tables) can raise any SQLSTATE there, one of its own making among them, so the rule is: what such a statement
// raises concerns the row, unless it is known to concern more. That the statement was one on a target is known by the
// scope it ran in, never by the code (pg::SqlError::Fields::on_target). That memory, disk or files of the server lack
// is known by the place in PostgreSQL's code (pg::Lack); if they lacked within code of a user (in_owner_code), it may
// be because of what that code asks for, and then the other tables must not wait.

#include <cstdint>

#include "pg/error.hpp"

namespace pgrepl::target {

enum class Reach : std::uint8_t {
    kRow,         ///< may come from the values of one row
    kTable,       ///< the table: a missing right or column, a damaged index, a foreign server that does not answer
    kLocked,      ///< nothing is wrong but the moment: somebody else holds a lock
    kNoRoom,      ///< the table has no room, for the moment: in its tablespace, or its code finds no memory
    kEverything,  ///< a cancel; disk, memory and files of the server
};

Reach reach_of(const pg::SqlError& error);

}  // namespace pgrepl::target
