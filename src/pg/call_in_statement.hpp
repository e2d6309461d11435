#pragma once
// Whether the text of a statement may call one of our functions that have a URL among their arguments. For the log:
// what is here neither raises nor allocates.

#include <cstdint>

namespace pgrepl::pg {

/// Whether such a function is named.
bool names_call(const char* text) noexcept;

enum class RunsIn : std::uint8_t {
    kThisSession,
    kAnotherProcess,  ///< the text may have more around the statement
};

/// Whether there is an EXECUTE in `statement` that may call such a function: it does not name what it calls, and its
/// arguments may be a URL, or the password alone. So it may wherever it is not known what it calls. Others hold it,
/// too: EXPLAIN, CREATE TABLE … AS.
bool may_execute_call(const char* statement, RunsIn where) noexcept;

/// Takes what may be a part of a password out of a statement, where it is: what is in literals and comments, and
/// numbers. What else it does is still to be read, for those who audit. Only for one that the server has parsed: else
/// nobody knows where a literal begins.
void leave_out_values(char* statement) noexcept;

}  // namespace pgrepl::pg
