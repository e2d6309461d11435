#pragma once
// SQLite's result codes in the words of SourceError: what failed, where, and what to do about it.

#include <optional>
#include <string>

#include "core/source_error.hpp"
#include "source/sqlite/place.hpp"

namespace pgrepl::sqlite {

class Connection;

struct FailedCall {
    int result = 0;       ///< extended result code
    std::string message;  ///< sqlite3_errmsg, copied
    Place place;
    std::string doing;  ///< completes "cannot …"
    int busy_timeout_ms = 0;
};

/// `connection`: to look at the file's header where that explains the error; may be half open.
core::SourceError translate_error(const FailedCall& call, const Connection* connection);

core::SourceError interrupted_error();

/// What is wrong with a file whose first bytes are not those of a readable SQLite database; nothing if they
/// are.
std::optional<core::SourceError> explain_header(const Connection& connection);

}  // namespace pgrepl::sqlite
