// The text is read as the server's scanner reads it, as far as is needed to tell what is a word of the statement from
// what is in a literal. In a literal there may be a program, whose EXECUTE takes an expression.

#include "pg/call_in_statement.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string_view>

#include "pg/error.hpp"

namespace pgrepl::pg {

namespace {

constexpr const char* kPrefix = "replicator_";
constexpr const char* kCallsWithUrl[] = {"init", "alter", "validate", "discover"};
constexpr const char* kExecute = "execute";
constexpr const char* kBlanks = " \t\r\n\f\v";
/// As far a name is looked for after an EXECUTE: else a text of many would be gone through to its end for each, in a
/// log hook that nothing can interrupt.
constexpr std::ptrdiff_t kFar = 200;
/// For the same reason, of all statements that are prepared together.
constexpr std::size_t kMostBytesOfPrepared = 64 << 20;

bool is_part_of_word(char c) noexcept {
    auto const byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) != 0 || c == '_' || c == '$' || byte >= 0x80;
}

bool begins_word(char c) noexcept { return is_part_of_word(c) && c != '$' && (c < '0' || c > '9'); }

const char* behind_word(const char* at) noexcept {
    while (is_part_of_word(*at)) {
        ++at;
    }
    return at;
}

bool is_before(const char* at, const char* limit) noexcept { return *at != '\0' && (limit == nullptr || at < limit); }

/// After the comment that begins at `at`, which ends where the server ends it: block comments nest. `at` if none
/// begins there. At the limit, or after it, if it goes on that far.
const char* skip_comment(const char* at, const char* limit = nullptr) noexcept {
    if (at[0] == '-' && at[1] == '-') {
        while (is_before(at, limit) && *at != '\r' && *at != '\n') {
            ++at;
        }
        return at;
    }
    int depth = 0;
    while (is_before(at, limit)) {
        bool const opens = at[0] == '/' && at[1] == '*';
        bool const closes = at[0] == '*' && at[1] == '/';
        if (depth == 0 && !opens) {
            break;
        }
        depth += opens ? 1 : closes ? -1 : 0;
        at += opens || closes ? 2 : 1;
        if (depth == 0) {
            break;
        }
    }
    return at;
}

/// After blanks and comments; at the limit, or after it, if they go on that far.
const char* skip_blanks(const char* at, const char* limit = nullptr) noexcept {
    while (is_before(at, limit)) {
        const char* const behind = std::strchr(kBlanks, *at) != nullptr ? at + 1 : skip_comment(at, limit);
        if (behind == at) {
            break;
        }
        at = behind;
    }
    return at;
}

/// After what the quote at `at` opens.
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

/// After $tag$…$tag$; after the sign if it opens none.
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
        const char* const end = behind_word(token);
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

namespace {

constexpr std::size_t kStars = 3;

/// A statement that is written over itself.
class Shortened {
  public:
    explicit Shortened(char* statement) noexcept : to_(statement) {}

    void keep(const char* from, const char* end) noexcept {
        while (from < end) {
            *to_++ = *from++;
        }
    }
    /// Keeps as much at both ends.
    void hide(const char* from, const char* end, std::size_t at_begin, std::size_t at_end) noexcept {
        auto const size = static_cast<std::size_t>(end - from);
        if (size < at_begin + at_end) {
            return;
        }
        keep(from, from + at_begin);
        for (std::size_t i = std::min(kStars, size - at_begin - at_end); i > 0; --i) {
            *to_++ = '*';
        }
        keep(end - at_end, end);
    }
    void end() noexcept { *to_ = '\0'; }

  private:
    char* to_;
};

/// The literal of a statement that begins at `at`, with its quotes, and how much of it they are.
struct Literal {
    const char* end;  ///< `at` if none begins there
    std::size_t opening = 0;
    std::size_t closing = 0;
    bool is_certain = true;  ///< where it ends does not depend on a setting
};

Literal literal_at(const char* at, bool backslashes) noexcept {
    if (*at == '$') {
        const char* const end = skip_dollar_quoted(at);
        if (end == at + 1) {
            return {at};
        }
        auto const tag = static_cast<std::size_t>(std::strchr(at + 1, '$') + 1 - at);
        return {end, tag, static_cast<std::size_t>(end - at) >= 2 * tag ? tag : 0};
    }
    bool const escapes = (*at == 'e' || *at == 'E') && at[1] == '\'';
    if (*at != '\'' && !escapes) {
        return {at};
    }
    std::size_t const opening = escapes ? 2 : 1;
    const char* const quote = at + opening - 1;
    const char* const end = skip_quoted(quote, escapes || backslashes);
    bool const closed = end > quote + 1 && end[-1] == '\'';
    return {end, opening, closed ? std::size_t{1} : 0, escapes || end == skip_quoted(quote, !backslashes)};
}

}  // namespace

void leave_out_values(char* statement) noexcept {
    bool const setting_may_have_changed = strcasestr(statement, "conforming") != nullptr;
    bool const backslashes = backslashes_escape();
    Shortened out(statement);
    for (const char* at = statement; *at != '\0';) {
        const char* end = skip_comment(at);
        Literal const literal = literal_at(at, backslashes);
        if (end != at) {
            out.hide(at, end, 2, *at == '/' && end - at >= 4 && end[-1] == '/' ? 2 : 0);
        } else if (literal.end != at) {
            bool const is_certain = literal.is_certain || !setting_may_have_changed;
            out.hide(at, literal.end, literal.opening, is_certain ? literal.closing : 0);
            end = is_certain ? literal.end : at + std::strlen(at);
        } else if (*at >= '0' && *at <= '9') {
            end = behind_word(at);
            out.hide(at, end, 0, 0);
        } else {
            end = *at == '"' ? skip_quoted(at, false) : std::max(at + 1, behind_word(at));
            out.keep(at, end);
        }
        at = end;
    }
    out.end();
}

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
    const char* const last_url =
        std::strstr(statement, "://") == nullptr ? nullptr : statement + std::string_view(statement).rfind("://");
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
