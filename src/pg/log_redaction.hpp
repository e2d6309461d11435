#pragma once
// What an administrator's settings log of a call before or after our code runs holds no password.

namespace pgrepl::pg {

/// From now on, in this process: in whatever is logged (log_statement, log_min_duration_statement, auto_explain,
/// errors, the query of a process that crashed), passwords in URLs of sources are replaced. Of a statement that names
/// a function with a URL among its arguments, or may execute one that does, values are left out; where it is not alone,
/// what follows its first literal. Our own code adds what is in error.hpp: while it runs there is no statement to be
/// logged.
void redact_log();

}  // namespace pgrepl::pg
