// Which errors a smaller batch may be free of.

#include "target/bisection.hpp"

namespace pgrepl::target {

bool may_concern_row(int sqlstate) {
    switch (ERRCODE_TO_CATEGORY(sqlstate)) {
        case MAKE_SQLSTATE('2', '2', '0', '0', '0'):  // data exception
        case MAKE_SQLSTATE('2', '3', '0', '0', '0'):  // integrity constraint violation
        case MAKE_SQLSTATE('4', '4', '0', '0', '0'):  // with check option violation
        case MAKE_SQLSTATE('5', '4', '0', '0', '0'):  // program limit exceeded
        case MAKE_SQLSTATE('P', '0', '0', '0', '0'):  // raised by a trigger
            return true;
        default:
            return false;
    }
}

}  // namespace pgrepl::target
