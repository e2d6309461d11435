#pragma once
// Lines in the server's log.

#include <string>

namespace pgrepl::pg {

enum class LogLevel {
    kLog,      ///< what happens by itself, and passes by itself
    kWarning,  ///< what waits for a person
};

/// One entry, which begins with our name. `detail` and `hint` may be empty.
void write_log(LogLevel level, const std::string& message, const std::string& detail = {},
               const std::string& hint = {});

}  // namespace pgrepl::pg
