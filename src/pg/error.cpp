// The parts of the two error bridges that need no template, and the mapping of source errors to SQLSTATEs.

#include "pg/error.hpp"

#include "core/redaction.hpp"
#include "core/utf8.hpp"
#include "pg/compat.hpp"
#include "pg/owner_code.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace pgrepl::pg {

namespace {

std::string owned(const char* text) { return text == nullptr ? std::string() : std::string(text); }

/// Null for an empty text, as ErrorData has it.
char* duplicated(const std::string& text) { return text.empty() ? nullptr : pstrdup(text.c_str()); }

/// By the place in the code that raised it. An error that PL/pgSQL raises again keeps the place where it began.
RaisedBy raised_by(const ErrorData& data) {
    std::string_view const function = data.funcname == nullptr ? "" : data.funcname;
    if (function == "ProcessInterrupts" && data.sqlerrcode == ERRCODE_QUERY_CANCELED) {
        return RaisedBy::kInterrupt;
    }
    // PL/Python's includes what the server has raised within it: its exceptions have no other place.
    bool const raised =
        function == "exec_stmt_raise" || function == "exec_stmt_assert" || function.starts_with("PLy_elog");
    return raised ? RaisedBy::kUserCode : RaisedBy::kServer;
}

/// Files of PostgreSQL's code in which it finds out that memory, disk or files lack that are not those of one relation.
constexpr std::string_view kServerPlaces[] = {
    "alignedalloc.c", "aset.c",     "bufmgr.c",   "buffile.c",   "bump.c",      "copydir.c",       "dsa.c",
    "dsm.c",          "dsm_impl.c", "dynahash.c", "fd.c",        "fileset.c",   "generation.c",    "localbuf.c",
    "lock.c",         "lwlock.c",   "mcxt.c",     "predicate.c", "relmapper.c", "sharedfileset.c", "shmem.c",
    "slab.c",         "slru.c",     "smgr.c",     "storage.c",   "twophase.c",  "xlog.c",          "xlogutils.c",
};

bool is_server_place(std::string_view place) {
    return std::find(std::begin(kServerPlaces), std::end(kServerPlaces), place) != std::end(kServerPlaces);
}

/// A path of a relation's file, as md.c names it: base/…, global/…, pg_tblspc/<OID>/….
Lack lack_of_file(std::string_view message) {
    constexpr std::string_view kTablespaces = "pg_tblspc/";
    std::size_t const at = message.find(kTablespaces);
    if (at == std::string_view::npos) {
        return Lack::kRelationFile;
    }
    Oid tablespace = InvalidOid;
    const char* const digits = message.data() + at + kTablespaces.size();
    std::from_chars(digits, message.data() + message.size(), tablespace);
    return tablespace == MyDatabaseTableSpace ? Lack::kRelationFile : Lack::kTablespace;
}

/// Of pg_ls_dir and the like.
bool names_directory_of_user(const ErrorData& data) {
    return data.funcname != nullptr && std::string_view(data.funcname) == "ReadDirExtended";
}

Lack lack_of(const ErrorData& data) {
    int const category = ERRCODE_TO_CATEGORY(data.sqlerrcode);
    if ((category != ERRCODE_INSUFFICIENT_RESOURCES && category != ERRCODE_SYSTEM_ERROR) || data.filename == nullptr) {
        return Lack::kNothing;
    }
    std::string_view const place = data.filename;
    if (place == "md.c") {
        return lack_of_file(data.message == nullptr ? "" : data.message);
    }
    return is_server_place(place) && !names_directory_of_user(data) ? Lack::kServer : Lack::kNothing;
}

/// Locks, interrupts, files of relations. Of other places it cannot be told: a function of the server's own that a
/// CHECK calls with a row's text quotes that in an error of any class.
bool quotes_nothing(const ErrorData& data) {
    std::string_view const place = data.filename == nullptr ? "" : data.filename;
    return place == "postgres.c" || place == "proc.c" || place == "deadlock.c" || place == "md.c" ||
           (is_server_place(place) && !names_directory_of_user(data));
}

SqlError::Fields fields_of(const ErrorData& data) {
    SqlError::Fields fields;
    fields.quotes_nothing = quotes_nothing(data);
    fields.raised_by = raised_by(data);
    fields.lack = lack_of(data);
    fields.on_target = detail::on_target;
    fields.in_owner_code = std::exchange(detail::left_owner_code, false) || owner_code_runs();
    fields.sqlstate = data.sqlerrcode;
    fields.message = data.message == nullptr ? "unknown error" : data.message;
    fields.detail = owned(data.detail);
    fields.hint = owned(data.hint);
    fields.context = owned(data.context);
    fields.schema_name = owned(data.schema_name);
    fields.table_name = owned(data.table_name);
    fields.column_name = owned(data.column_name);
    fields.datatype_name = owned(data.datatype_name);
    fields.constraint_name = owned(data.constraint_name);
    fields.internal_query = owned(data.internalquery);
    fields.cursor_position = data.cursorpos;
    fields.internal_position = data.internalpos;
    return fields;
}

/// Errors of PostgreSQL's own quote arguments.
SqlError without_passwords(const SqlError& error) {
    SqlError::Fields fields = error.fields();
    for (std::string* const text :
         {&fields.message, &fields.detail, &fields.hint, &fields.context, &fields.internal_query}) {
        *text = core::redacted(std::move(*text), core::RedactWhat::kSourceUrls);
    }
    return SqlError(std::move(fields));
}

int sqlstate_of(core::SourceErrorKind kind) {
    using Kind = core::SourceErrorKind;
    switch (kind) {
        case Kind::kInvalidUrl:
            return ERRCODE_INVALID_PARAMETER_VALUE;
        case Kind::kNotFound:
            return ERRCODE_UNDEFINED_FILE;
        case Kind::kPermissionDenied:
        case Kind::kTableDenied:
            return ERRCODE_INSUFFICIENT_PRIVILEGE;
        case Kind::kAuthentication:
            return ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION;
        case Kind::kNotADatabase:
        case Kind::kEncrypted:
            return ERRCODE_FDW_ERROR;
        case Kind::kCorrupt:
            return ERRCODE_DATA_CORRUPTED;
        case Kind::kBusy:
        case Kind::kTableLocked:
            return ERRCODE_LOCK_NOT_AVAILABLE;
        case Kind::kUnreachable:
            return ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
        case Kind::kReplaced:
        case Kind::kStateLost:
        case Kind::kPositionLost:
        case Kind::kDiverged:
        case Kind::kTableChanged:
            return ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
        case Kind::kUnsupported:
            return ERRCODE_FEATURE_NOT_SUPPORTED;
        case Kind::kInvalidValue:
            return ERRCODE_DATA_EXCEPTION;
        case Kind::kResource:
            return ERRCODE_INSUFFICIENT_RESOURCES;
        case Kind::kBeyondLimit:
            return ERRCODE_CONFIGURATION_LIMIT_EXCEEDED;
        case Kind::kInterrupted:
            return ERRCODE_QUERY_CANCELED;
        case Kind::kInternal:
            return ERRCODE_INTERNAL_ERROR;
        case Kind::kThrownOut:
            return ERRCODE_OBJECT_IN_USE;
    }
    return ERRCODE_INTERNAL_ERROR;
}

}  // namespace

SqlError to_sql_error(const core::SourceError& error) {
    SqlError::Fields fields;
    fields.sqlstate = sqlstate_of(error.kind());
    fields.message = error.text();
    fields.detail = error.detail();
    fields.hint = error.hint();
    for (std::string* const text : {&fields.message, &fields.detail, &fields.hint}) {
        core::make_utf8(text->data(), text->size());  // a server says what it likes
    }
    fields.quotes_row = error.quotes_row();
    fields.locked_at_source = error.kind() == core::SourceErrorKind::kTableLocked;
    return SqlError(std::move(fields));
}

std::string sqlstate_text(int sqlstate) { return unpack_sql_state(sqlstate); }

namespace detail {

void throw_current_error(MemoryContext memory) {
    // The copy gets a context of its own: FreeErrorData would leave something behind with each error.
    MemoryContext const scratch = AllocSetContextCreate(memory, "pg_replicator error", ALLOCSET_SMALL_SIZES);
    MemoryContextSwitchTo(scratch);
    ErrorData* const data = CopyErrorData();
    FlushErrorState();
    MemoryContextSwitchTo(memory);
    SqlError::Fields fields = fields_of(*data);
    MemoryContextDelete(scratch);
    throw SqlError(std::move(fields));
}

SqlError current_exception_as_sql_error() noexcept {
    try {
        throw;
    } catch (const SqlError& error) {
        return without_passwords(error);
    } catch (const core::SourceError& error) {
        return without_passwords(to_sql_error(error));
    } catch (const std::bad_alloc&) {
        return SqlError(ERRCODE_OUT_OF_MEMORY, "out of memory");
    } catch (const std::exception& error) {
        return SqlError(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION, error.what());
    } catch (...) {
        return SqlError(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION, "unknown C++ exception");
    }
}

bool on_target = false;

bool left_owner_code = false;

bool statement_hidden = false;

void raise(std::optional<SqlError>& error, bool hidden) {
    auto* const data = static_cast<ErrorData*>(palloc0(sizeof(ErrorData)));
    {
        const SqlError::Fields& fields = error->fields();
        data->elevel = ERROR;
        data->hide_stmt = data->hide_ctx = hidden;
        // As errstart() decides it: ReThrowError() takes the data as they are.
        data->output_to_server = PGREPL_LOG_MIN_MESSAGES <= ERROR && PGREPL_LOG_MIN_MESSAGES != LOG;
        data->output_to_client = whereToSendOutput == DestRemote;
        data->sqlerrcode = fields.sqlstate;
        data->message = pstrdup(fields.message.c_str());
        data->detail = duplicated(fields.detail);
        data->hint = duplicated(fields.hint);
        data->context = duplicated(fields.context);
        data->schema_name = duplicated(fields.schema_name);
        data->table_name = duplicated(fields.table_name);
        data->column_name = duplicated(fields.column_name);
        data->datatype_name = duplicated(fields.datatype_name);
        data->constraint_name = duplicated(fields.constraint_name);
        data->internalquery = duplicated(fields.internal_query);
        data->cursorpos = fields.cursor_position;
        data->internalpos = fields.internal_position;
        data->assoc_context = CurrentMemoryContext;
    }
    error.reset();
    // An error that PostgreSQL raised knows its context already; ThrowErrorData would add it once more.
    if (data->context != nullptr || data->hide_stmt) {
        ReThrowError(data);
    }
    ThrowErrorData(data);  // which would forget that the statement is hidden
    pg_unreachable();
}

}  // namespace detail
}  // namespace pgrepl::pg
