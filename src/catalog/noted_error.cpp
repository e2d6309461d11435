// What of an error may be shown to whom.

#include "catalog/noted_error.hpp"

namespace pgrepl::catalog {

namespace {

/// What a statement on a target raises may come from anything that the owner has put there: not only from functions (a
/// CHECK can have the server look for a table by a row's text), and in any language of messages. What a driver says
/// while it reads rows comes from what computes them at the source.
bool may_quote_code_of_a_user(const pg::SqlError& error) {
    const pg::SqlError::Fields& fields = error.fields();
    return fields.raised_by == pg::RaisedBy::kUserCode || fields.quotes_row ||
           (fields.on_target && fields.raised_by == pg::RaisedBy::kServer && !fields.quotes_nothing);
}

}  // namespace

std::string noted_sqlstate(const pg::SqlError& error) {
    return pg::sqlstate_text(error.sqlstate()) + (may_quote_code_of_a_user(error) ? "*" : "");
}

NotedError::NotedError(const pg::SqlError& error)
    : message(error.what()), sqlstate(noted_sqlstate(error)), detail(error.fields().detail), hint(error.fields().hint) {
    // A hint of the server's own, or of ours, quotes nothing.
    bool const of_user = error.fields().raised_by == pg::RaisedBy::kUserCode || error.fields().in_owner_code;
    if (of_user && !hint.empty()) {
        message += " (" + hint + ")";
        hint.clear();
    }
}

}  // namespace pgrepl::catalog
