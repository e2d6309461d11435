#pragma once
// The two bridges between PostgreSQL's longjmp errors and C++ exceptions. Only src/pg knows longjmp.
//
//   CallPg(body)        C++ -> PostgreSQL: an ERROR raised inside `body` becomes a SqlError.
//   GuardedEntry(body)  PostgreSQL -> C++: the body of every extern "C" function. Any exception becomes an
//                       ERROR, raised after every C++ object is gone.
//
// After a SqlError that came out of CallPg the transaction is dirty. Only three places may catch one without
// rethrowing: GuardedEntry, a worker's loop (which aborts the transaction), and Subtransaction's run().

#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "pg/postgres.hpp"

#include "core/source_error.hpp"

namespace pgrepl::pg {

/// Where an error began.
enum class RaisedBy : std::uint8_t {
    kUs,         ///< thrown by code of ours
    kServer,     ///< PostgreSQL
    kUserCode,   ///< RAISE, ASSERT or plpy.error in a function: any code can be given there, so the code says nothing
    kInterrupt,  ///< a cancel that somebody has sent, or the end of a statement_timeout
};

/// What an error of the classes 53 (resources) and 58 (system) says is lacking, by the place in PostgreSQL's code that
/// raised it. The SQLSTATE says nothing of that: code of a user gets the same from files that it opens (COPY, LOAD,
/// pg_read_file), from other servers, and from its own limits.
enum class Lack : std::uint8_t {
    kNothing,       ///< or nothing that is known to be the server's
    kServer,        ///< memory, disk or files that all of the server needs
    kRelationFile,  ///< the file of one relation, in the database's own tablespace
    kTablespace,    ///< a file in another tablespace
};

/// An error as SQL reports it. Thrown for errors of ours, and for every PostgreSQL ERROR that passes CallPg.
/// Owns its texts, so it outlives any memory context.
class SqlError : public std::exception {
  public:
    struct Fields {
        int sqlstate = 0;  ///< as MAKE_SQLSTATE packs it
        std::string message;
        std::string detail;
        std::string hint;
        RaisedBy raised_by = RaisedBy::kUs;
        Lack lack = Lack::kNothing;
        bool quotes_nothing = false;    ///< PostgreSQL raised it where it knows neither rows nor code of users
        bool on_target = false;         ///< by a statement within a RoleScope of a restricted operation
        bool in_owner_code = false;     ///< within a function of a user that such a statement called (owner_code.hpp)
        bool quotes_row = false;        ///< core::SourceError::quotes_row()
        bool locked_at_source = false;  ///< core::SourceErrorKind::kTableLocked
        // The rest is filled only for errors that PostgreSQL raised.
        std::string context;
        std::string schema_name;
        std::string table_name;
        std::string column_name;
        std::string datatype_name;
        std::string constraint_name;
        std::string internal_query;
        int cursor_position = 0;
        int internal_position = 0;
    };

    explicit SqlError(Fields fields) : fields_(std::move(fields)) {}
    SqlError(int sqlstate, std::string message, std::string detail = {}, std::string hint = {}) {
        fields_.sqlstate = sqlstate;
        fields_.message = std::move(message);
        fields_.detail = std::move(detail);
        fields_.hint = std::move(hint);
    }

    [[nodiscard]] const Fields& fields() const noexcept { return fields_; }
    [[nodiscard]] int sqlstate() const noexcept { return fields_.sqlstate; }
    [[nodiscard]] const char* what() const noexcept override { return fields_.message.c_str(); }
    /// Not of its SQLSTATE, which code of a user's can give to an error of its own.
    [[nodiscard]] bool is_interrupt() const noexcept { return fields_.raised_by == RaisedBy::kInterrupt; }

  private:
    Fields fields_;
};

/// The one mapping from a source's error to SQL.
SqlError to_sql_error(const core::SourceError& error);

/// Keeps the text of the running statement, and the context of its messages, out of the server's log until the SQL
/// function that is being called returns or fails: whatever is logged meanwhile (a wait for a lock, a warning, the end
/// of the session) has neither, and its error has none either. log_redaction.hpp is for what is logged before and
/// after. Called from the function's body, outside CallPg.
inline void hide_statement_in_log() noexcept;

/// The SQLSTATE's five characters.
std::string sqlstate_text(int sqlstate);

namespace detail {

/// Puts PostgreSQL's error-handling globals back however the scope is left.
class ErrorStackScope {
  public:
    ErrorStackScope() noexcept : stack_(PG_exception_stack), context_(error_context_stack) {}
    ~ErrorStackScope() {
        PG_exception_stack = stack_;
        error_context_stack = context_;
    }
    ErrorStackScope(const ErrorStackScope&) = delete;
    ErrorStackScope& operator=(const ErrorStackScope&) = delete;

  private:
    sigjmp_buf* stack_;
    ErrorContextCallback* context_;
};

/// Turns the error that PostgreSQL has just raised into an exception, and clears PostgreSQL's error state.
[[noreturn]] void throw_current_error(MemoryContext memory);

/// Raises `error` as a PostgreSQL ERROR. Frees it first. `hidden`: as hide_statement_in_log() wants it.
[[noreturn]] void raise(std::optional<SqlError>& error, bool hidden);

/// Whether the statement under way is one on a target; kept by RoleScope.
extern bool on_target;

/// Whether the error that is on its way to CallPg has left a function of a user that the statement called; kept by
/// owner_code.cpp, and taken by the error.
extern bool left_owner_code;

/// Whether the call under way may hold a secret in its text; ends with it.
extern bool statement_hidden;

/// Puts back, however the scope is left, what hide_statement_in_log() takes away, and tells whether it was called.
class StatementScope {
  public:
    explicit StatementScope(bool& hidden) noexcept
        : hidden_(hidden),
          outer_hidden_(statement_hidden),
          statement_(debug_query_string),
          context_(error_context_stack) {}
    ~StatementScope() {
        hidden_ = statement_hidden;
        statement_hidden = outer_hidden_;
        debug_query_string = statement_;
        error_context_stack = context_;
    }
    StatementScope(const StatementScope&) = delete;
    StatementScope& operator=(const StatementScope&) = delete;

  private:
    bool& hidden_;
    bool outer_hidden_;
    const char* statement_;
    ErrorContextCallback* context_;
};

/// The exception being handled, as a SqlError, without passwords that its texts quote.
SqlError current_exception_as_sql_error() noexcept;

}  // namespace detail

inline void hide_statement_in_log() noexcept {
    detail::statement_hidden = true;
    debug_query_string = nullptr;
    error_context_stack = nullptr;
}

/// C++ -> PostgreSQL. `body` must create nothing that has a destructor: an ERROR jumps out of it. It may throw.
/// Guard whole operations, never single allocations.
template <typename Body>
auto CallPg(Body&& body) -> decltype(body()) {
    using Result = decltype(body());
    static_assert(std::is_void_v<Result> || std::is_trivially_destructible_v<Result>,
                  "a longjmp out of CallPg would skip this result's destructor");
    MemoryContext const memory = CurrentMemoryContext;
    {
        detail::ErrorStackScope scope;
        sigjmp_buf landing;
        if (sigsetjmp(landing, 0) == 0) {
            PG_exception_stack = &landing;
            return body();
        }
    }
    detail::throw_current_error(memory);
}

/// PostgreSQL -> C++. Everything C++ is destroyed before the ERROR is raised.
template <typename Body>
auto GuardedEntry(Body&& body) -> decltype(body()) {
    std::optional<SqlError> error;
    bool hidden = false;
    try {
        detail::StatementScope const scope(hidden);
        return body();
    } catch (...) {
        error.emplace(detail::current_exception_as_sql_error());
    }
    detail::raise(error, hidden);
}

}  // namespace pgrepl::pg
