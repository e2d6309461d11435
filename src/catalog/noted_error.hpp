#pragma once
// What the catalog keeps of an error. Everybody who watches sees the hint; message and detail are seen by those only
// who may read the rows that they quote (replicator.shown_error, which decides by the SQLSTATE).

#include <string>

#include "pg/error.hpp"

namespace pgrepl::catalog {

/// Of an error that code of a user has raised, or may have been at when the server raised it, nothing is known of any
/// text, whatever the SQLSTATE: it is marked by a star. What such code gives as a hint becomes part of the message.
struct NotedError {
    explicit NotedError(const pg::SqlError& error);

    std::string message;
    std::string sqlstate;
    std::string detail;
    std::string hint;
};

/// NotedError::sqlstate
std::string noted_sqlstate(const pg::SqlError& error);

}  // namespace pgrepl::catalog
