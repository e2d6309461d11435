#pragma once
// How far an error of a statement on a target reaches. Code of users (triggers, constraints, index expressions, types,
// foreign tables) can raise any SQLSTATE there, one of its own making among them, so the rule is: what such a statement
// raises concerns the row, unless it is known to concern more. That the statement was one on a target is known by the
// scope it ran in, never by the code (pg::SqlError::Fields::on_target).

#include <cstdint>

#include "pg/error.hpp"

namespace pgrepl::target {

enum class Reach : std::uint8_t {
    kRow,         ///< may come from the values of one row
    kTable,       ///< the table: a missing right or column, a damaged index, a foreign server that does not answer
    kLocked,      ///< nothing is wrong but the moment: somebody else holds a lock
    kEverything,  ///< a cancel; disk, memory and files of the server
};

Reach reach_of(const pg::SqlError& error);

}  // namespace pgrepl::target
