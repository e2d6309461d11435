// The classes of SQLSTATEs that reach further than a row.

#include "targets/statement_error.hpp"

namespace pgrepl::target {

Reach reach_of(const pg::SqlError& error) {
    if (error.is_interrupt()) {
        return Reach::kEverything;
    }
    if (error.fields().raised_by == pg::RaisedBy::kUserCode) {
        return Reach::kRow;  // whatever code it gives
    }
    int const sqlstate = error.sqlstate();
    if (sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED ||
        sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE) {
        return Reach::kLocked;
    }
    switch (ERRCODE_TO_CATEGORY(sqlstate)) {
        case MAKE_SQLSTATE('5', '3', '0', '0', '0'):  // insufficient resources
        case MAKE_SQLSTATE('5', '8', '0', '0', '0'):  // system error
            return Reach::kEverything;
        case MAKE_SQLSTATE('0', '8', '0', '0', '0'):  // connection: of a foreign table, for ours are no statements
        case MAKE_SQLSTATE('0', 'A', '0', '0', '0'):  // feature not supported
        case MAKE_SQLSTATE('2', '5', '0', '0', '0'):  // invalid transaction state
        case MAKE_SQLSTATE('2', '8', '0', '0', '0'):  // invalid authorization
        case MAKE_SQLSTATE('3', 'D', '0', '0', '0'):  // invalid catalog name
        case MAKE_SQLSTATE('3', 'F', '0', '0', '0'):  // invalid schema name
        case MAKE_SQLSTATE('4', '2', '0', '0', '0'):  // syntax error or access rule violation
        case MAKE_SQLSTATE('5', '5', '0', '0', '0'):  // object not in prerequisite state
        case MAKE_SQLSTATE('F', '0', '0', '0', '0'):  // configuration file
        case MAKE_SQLSTATE('X', 'X', '0', '0', '0'):  // internal error, corrupted data or index
            return Reach::kTable;
        default:
            return Reach::kRow;
    }
}

}  // namespace pgrepl::target
