#pragma once
// Error numbers of servers and of the driver in the words of SourceError: what failed, where, and what to do about it.

#include <string>

#include "core/source_error.hpp"

namespace pgrepl::mysql {

/// The driver's text is copied before its handle is closed.
struct FailedCall {
    unsigned number = 0;
    std::string message;
    std::string server;  ///< host:port
    std::string user;
    std::string doing;  ///< completes "cannot …"
};

inline constexpr const char* kBrokenViewHint =
    "SHOW CREATE VIEW at the source: all that the view refers to must be there, and its definer (SQL SECURITY DEFINER) "
    "or "
    "our account (SQL SECURITY INVOKER) must be allowed to read it.";

inline constexpr const char* kLogGivenUpHint =
    "The server could not write it (a full disk, say), and goes on without: see its error log. Mend that, restart the "
    "server, and call replicator_resume(name): all tables are then compared with it.";

inline constexpr unsigned kExecutionTimeout = 3024;  // MySQL: max_execution_time

core::SourceError translate_error(const FailedCall& call);

core::SourceError interrupted_error();

/// Whether the number is of the server's own, not of the driver's. (0: of none.)
bool is_of_server(int code) noexcept;

/// The server has answered, and nothing else is known of what it says: it is said of what was asked for.
bool is_unknown_answer(const core::SourceError& error) noexcept;

/// The server has answered that the table which was asked for cannot be opened, by anybody: damage, its engine, a part
/// of a MERGE table. Other answers that are not known (a connection that was killed, a statement to be prepared again)
/// say nothing of the table.
bool cannot_open_table(const core::SourceError& error) noexcept;

}  // namespace pgrepl::mysql
