// The hook runs for each message that is logged, while it is reported: it neither allocates nor raises nor logs, and
// texts only become shorter, where they are. elog.c owns each of them (palloc), or they are null.

#include "pg/log_redaction.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "core/redaction.hpp"
#include "pg/call_in_statement.hpp"
#include "pg/error.hpp"

namespace pgrepl::pg {

namespace {

constexpr const char* kLeftOut = "***";

emit_log_hook_type previous_hook = nullptr;

bool may_hold_url(const char* text) noexcept { return text != nullptr && std::strstr(text, "://") != nullptr; }

void redact_urls(char* text) noexcept {
    if (may_hold_url(text)) {
        text[core::redact_in_place(text, std::strlen(text), core::RedactWhat::kSourceUrls)] = '\0';
    }
}

void leave_out_from(char* text) noexcept {
    std::strcpy(text, std::strlen(text) >= std::strlen(kLeftOut) ? kLeftOut : "");
}

/// Of a statement, or a text that holds one: what follows the beginning of its first literal or comment. A password may
/// be put together from literals, so that no URL is seen in them.
void leave_out_literals(char* text) noexcept {
    for (char* at = text; at != nullptr && *at != '\0'; ++at) {
        bool const dollar_quote =
            at[0] == '$' && (at[1] == '$' || at[1] == '_' || std::isalpha(static_cast<unsigned char>(at[1])) != 0);
        bool const comment = (at[0] == '/' && at[1] == '*') || (at[0] == '-' && at[1] == '-');
        if (at[0] == '\'' || dollar_quote || comment) {
            return leave_out_from(at + 1);
        }
    }
}

bool shows_password(const char* text) noexcept {
    return may_hold_url(text) && core::holds_password(text, core::RedactWhat::kSourceUrls);
}

/// The server keeps the beginning of a statement for other processes: what it calls may stand behind that.
bool may_be_cut_off(const char* text) noexcept {
    constexpr std::size_t kMostOfLetter = 4;  // none is cut in two
    return text != nullptr &&
           std::strlen(text) + kMostOfLetter >= static_cast<std::size_t>(pgstat_track_activity_query_size);
}

bool may_concern_call(const char* text) noexcept {
    return may_execute_call(text, RunsIn::kAnotherProcess) || may_be_cut_off(text);
}

/// What is logged of statements of other processes: of those that are part of a deadlock; of one that has crashed.
bool concerns_call_elsewhere(const ErrorData& data) noexcept {
    bool const in_postmaster = MyProcPid == PostmasterPid;
    return may_concern_call(data.detail_log) || (in_postmaster && may_concern_call(data.detail));
}

bool concerns_call(const ErrorData& data) noexcept {
    return may_execute_call(debug_query_string, RunsIn::kThisSession) || concerns_call_elsewhere(data) ||
           shows_password(debug_query_string) || names_call(debug_query_string) || names_call(data.message) ||
           names_call(data.detail) || names_call(data.detail_log) || names_call(data.context) ||
           names_call(data.internalquery);
}

/// What the server's own parser and input functions say quotes pieces of the statement. Errors of ours, and what is
/// raised within our calls, have no place in a file (pg::detail::raise).
bool quotes_statement(const ErrorData& data) noexcept {
    int const category = ERRCODE_TO_CATEGORY(data.sqlerrcode);
    return data.elevel >= ERROR && data.filename != nullptr &&
           (category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION);
}

void leave_out_quoted(char* text) noexcept {
    char* const quote = text == nullptr ? nullptr : std::strchr(text, '"');
    if (quote != nullptr) {
        leave_out_from(quote + 1);
    }
}

/// The statement that has run, or is about to, where the message ends with it (log_statement,
/// log_min_duration_statement). Null if it does not.
char* statement_in(const ErrorData& data) noexcept {
    if (data.elevel != LOG || data.message == nullptr || debug_query_string == nullptr) {
        return nullptr;
    }
    std::size_t const size = std::strlen(debug_query_string);
    std::size_t const message_size = std::strlen(data.message);
    char* const at = data.message + (message_size - std::min(size, message_size));
    return std::strcmp(at, debug_query_string) == 0 ? at : nullptr;
}

void redact(ErrorData& data) noexcept {
    // Errors talk about a statement in their contexts only; what is logged of a statement has it as its message, its
    // parameters or its tree of numbers as its detail.
    if (concerns_call(data)) {
        data.hide_stmt = true;
        leave_out_literals(data.context);
        leave_out_literals(data.internalquery);
        leave_out_literals(data.detail_log);  // what all have run that a deadlock concerns
        if (quotes_statement(data)) {
            leave_out_quoted(data.message);
            leave_out_quoted(data.detail);
            if (data.context != nullptr) {
                leave_out_from(data.context);  // "JSON data, line 1: …"
            }
        }
        if (data.elevel < ERROR) {
            char* const statement = statement_in(data);
            if (statement != nullptr) {
                leave_out_values(statement);
            } else {
                leave_out_literals(data.message);
            }
            for (char* const text : {data.detail, data.detail_log}) {
                // Without a statement it is one: of a process that crashed.
                if (text != nullptr && debug_query_string != nullptr) {
                    leave_out_from(text);
                }
                leave_out_literals(text);
            }
        }
    }
    for (char* const text : {data.message, data.detail, data.detail_log, data.hint, data.context, data.internalquery}) {
        redact_urls(text);
    }
}

void on_log(ErrorData* data) {
    redact(*data);
    if (previous_hook != nullptr) {
        previous_hook(data);
    }
}

}  // namespace

void redact_log() {
    previous_hook = emit_log_hook;
    emit_log_hook = on_log;
}

}  // namespace pgrepl::pg
