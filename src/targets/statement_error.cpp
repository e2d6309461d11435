// The classes of SQLSTATEs that reach further than a row.

#include "targets/statement_error.hpp"

namespace pgrepl::target {

namespace {

/// Of the classes 53 and 58.
Reach reach_of_lack(const pg::SqlError::Fields& error) {
    bool const resources = ERRCODE_TO_CATEGORY(error.sqlstate) == ERRCODE_INSUFFICIENT_RESOURCES;
    switch (error.lack) {
        case pg::Lack::kNothing:
            return error.raised_by == pg::RaisedBy::kUs ? Reach::kEverything : Reach::kRow;
        case pg::Lack::kTablespace:
            return resources ? Reach::kNoRoom : Reach::kTable;
        case pg::Lack::kRelationFile:
            return resources ? Reach::kEverything : Reach::kTable;  // a full disk; a file that is damaged or missing
        case pg::Lack::kServer:
            break;
    }
    if (error.sqlstate == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED) {  // temp_file_limit: it does not pass
        return error.in_owner_code ? Reach::kRow : Reach::kTable;
    }
    return resources && error.in_owner_code ? Reach::kNoRoom : Reach::kEverything;
}

}  // namespace

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
        case ERRCODE_INSUFFICIENT_RESOURCES:
        case ERRCODE_SYSTEM_ERROR:
            return reach_of_lack(error.fields());
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
