// What of an error may be shown to whom.

#include "catalog/noted_error.hpp"

namespace pgrepl::catalog {

namespace {

/// All procedural languages say so in the context, as SQL functions do.
bool was_in_code_of_a_user(const pg::SqlError& error) {
    const pg::SqlError::Fields& fields = error.fields();
    return fields.raised_by == pg::RaisedBy::kUserCode ||
           (fields.on_target && fields.context.find(" function ") != std::string::npos);
}

}  // namespace

std::string noted_sqlstate(const pg::SqlError& error) {
    return pg::sqlstate_text(error.sqlstate()) + (was_in_code_of_a_user(error) ? "*" : "");
}

NotedError::NotedError(const pg::SqlError& error)
    : message(error.what()), sqlstate(noted_sqlstate(error)), detail(error.fields().detail), hint(error.fields().hint) {
    if (was_in_code_of_a_user(error) && !hint.empty()) {
        message += " (" + hint + ")";
        hint.clear();
    }
}

}  // namespace pgrepl::catalog
