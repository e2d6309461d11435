// The text is read as the server's scanner reads it, as far as is needed to tell what is a word of the statement from
// what is in a literal. In a literal there may be a program, whose EXECUTE takes an expression.

#include "pg/call_in_statement.hpp"

#include <cctype>
#include <cstring>

#include "pg/error.hpp"

namespace pgrepl::pg {

namespace {

constexpr const char* kPrefix = "replicator_";
constexpr const char* kCallsWithUrl[] = {"init", "alter", "validate", "discover"};
constexpr const char* kExecute = "execute";
constexpr const char* kBlanks = " \t\r\n\f\v";
/// As far a name is looked for behind an EXECUTE: else a text of many would be gone through to its end for each, in a
/// log hook that nothing can interrupt.
constexpr std::ptrdiff_t kFar = 200;
/// For the same reason, of all statements that are prepared together.
constexpr std::size_t kMostBytesOfPrepared = 64 << 20;

bool is_part_of_word(char c) noexcept {
    auto const byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) != 0 || c == '_' || c == '$' || byte >= 0x80;
}

bool begins_word(char c) noexcept { return is_part_of_word(c) && c != '$' && (c < '0' || c > '9'); }

/// Behind blanks and comments, which end where the server ends them: block comments nest. Or at `end`, or behind it.
const char* skip_blanks(const char* at, const char* end = nullptr) noexcept {
    int depth = 0;
    bool in_line = false;
    for (; *at != '\0' && (end == nullptr || at < end); ++at) {
        bool const opens = at[0] == '/' && at[1] == '*';
        bool const closes = at[0] == '*' && at[1] == '/';
        if (in_line) {
            in_line = *at != '\r' && *at != '\n';
        } else if (opens || (depth > 0 && closes)) {
            depth += opens ? 1 : -1;
            ++at;
        } else if (depth == 0 && at[0] == '-' && at[1] == '-') {
            in_line = true;
        } else if (depth == 0 && std::strchr(kBlanks, *at) == nullptr) {
            break;
        }
    }
    return at;
}

/// Behind what the quote at `at` opens.
const char* skip_quoted(const char* at, bool backslash_escapes) noexcept {
    char const quote = *at++;
    for (; *at != '\0'; ++at) {
        bool const escape = (backslash_escapes && *at == '\\') || (*at == quote && at[1] == quote);
        if (escape && at[1] != '\0') {
            ++at;
        } else if (*at == quote) {
            return at + 1;
        }
    }
    return at;
}

/// Behind $tag$…$tag$; behind the sign if it opens none.
const char* skip_dollar_quoted(const char* at) noexcept {
    const char* tag_end = at + 1;
    if (begins_word(*tag_end)) {
        while (*tag_end != '$' && is_part_of_word(*tag_end)) {
            ++tag_end;
        }
    }
    if (*tag_end != '$') {
        return at + 1;
    }
    auto const length = static_cast<std::size_t>(tag_end + 1 - at);
    const char* body = at + length;
    while (*body != '\0' && std::strncmp(body, at, length) != 0) {
        ++body;
    }
    return *body == '\0' ? body : body + length;
}

/// In literals without a prefix.
bool backslashes_escape() noexcept {
    const char* const standard = GetConfigOption("standard_conforming_strings", true, false);
    return standard != nullptr && std::strcmp(standard, "off") == 0;
}

/// Goes through a statement from one token to the next.
class Tokens {
  public:
    explicit Tokens(const char* statement) noexcept : at_(skip_blanks(statement)) {}

    /// Whether a token begins at `place`. Places only grow.
    bool begin_at(const char* place) noexcept {
        while (at_ < place) {
            at_ = skip_blanks(behind(at_));
        }
        return at_ == place;
    }

  private:
    [[nodiscard]] const char* behind(const char* token) const noexcept {
        if (*token == '\'' || *token == '"') {
            return skip_quoted(token, *token == '\'' && backslashes_escape_);
        }
        if (*token == '$') {
            return skip_dollar_quoted(token);
        }
        if (!is_part_of_word(*token)) {
            return token + 1;
        }
        const char* end = token;
        while (is_part_of_word(*end)) {
            ++end;
        }
        bool const escapes = end == token + 1 && (*token == 'e' || *token == 'E') && *end == '\'';
        return escapes ? skip_quoted(end, true) : end;
    }

    const char* at_;
    bool backslashes_escape_ = backslashes_escape();
};

/// The name of a prepared statement that follows an EXECUTE.
class Name {
  public:
    explicit Name(const char* execute_end) noexcept {
        const char* const end = execute_end + kFar;
        const char* at = skip_blanks(execute_end, end);
        is_far_ = at >= end;
        has_escapes_ = (at[0] == 'u' || at[0] == 'U') && at[1] == '&';
        bool const quoted = *at == '"';
        is_one_ = quoted || has_escapes_ || begins_word(*at);
        at += quoted ? 1 : 0;
        for (std::size_t i = 0; is_one_ && i < NAMEDATALEN - 1 && *at != '\0'; ++at) {
            if (quoted ? *at == '"' && *++at != '"' : !is_part_of_word(*at)) {
                break;
            }
            text_[i++] = quoted ? *at : static_cast<char>(pg_tolower(static_cast<unsigned char>(*at)));
        }
        bool const keyword = std::strcmp(text_, "function") == 0 || std::strcmp(text_, "procedure") == 0;
        // GRANT EXECUTE ON; EXECUTE FUNCTION of a trigger.
        is_one_ = is_one_ &&
                  (quoted || (std::strcmp(text_, "on") != 0 && !(keyword && begins_word(*skip_blanks(at, at + kFar)))));
    }

    /// Or may be one.
    [[nodiscard]] bool is_one() const noexcept { return is_one_ || is_far_; }
    /// The statement of that name; null if it is not known.
    [[nodiscard]] const char* statement() const noexcept {
        const PreparedStatement* const found = has_escapes_ || is_far_ ? nullptr : FetchPreparedStatement(text_, false);
        return found == nullptr ? nullptr : found->plansource->query_string;
    }

  private:
    char text_[NAMEDATALEN] = {};  // prepared_queries is asked for that many bytes
    bool has_escapes_ = false;
    bool is_one_ = false;
    bool is_far_ = false;
};

}  // namespace

bool names_call(const char* text) noexcept {
    for (const char* at = text == nullptr ? nullptr : strcasestr(text, kPrefix); at != nullptr;
         at = strcasestr(at, kPrefix)) {
        at += std::strlen(kPrefix);
        for (const char* const call : kCallsWithUrl) {
            if (pg_strncasecmp(at, call, std::strlen(call)) == 0) {
                return true;
            }
        }
    }
    return false;
}

bool may_execute_call(const char* statement, RunsIn where) noexcept {
    if (statement == nullptr) {
        return false;
    }
    Tokens tokens(statement);
    // What had the name may be gone, and another have it, since the EXECUTE: all of it was sent together.
    bool const names_change =
        strcasestr(statement, "deallocate") != nullptr || strcasestr(statement, "discard") != nullptr;
    std::size_t looked_at = 0;
    const char* last_url = nullptr;
    for (const char* at = std::strstr(statement, "://"); at != nullptr; at = std::strstr(at + 1, "://")) {
        last_url = at;
    }
    for (const char* at = strcasestr(statement, kExecute); at != nullptr; at = strcasestr(at, kExecute)) {
        const char* const execute = at;
        at += std::strlen(kExecute);
        if (is_part_of_word(*at) || (execute > statement && is_part_of_word(execute[-1]))) {
            continue;
        }
        if (last_url != nullptr && last_url >= at) {
            return true;
        }
        Name const name(at);
        if (!name.is_one()) {
            continue;
        }
        const char* const known = where == RunsIn::kThisSession ? name.statement() : nullptr;
        looked_at += known == nullptr ? 0 : std::strlen(known);
        if (looked_at > kMostBytesOfPrepared || names_call(known)) {
            return true;
        }
        bool const in_doubt = known == nullptr || names_change;
        if (in_doubt && (where == RunsIn::kAnotherProcess || tokens.begin_at(execute))) {
            return true;
        }
    }
    return false;
}

}  // namespace pgrepl::pg
