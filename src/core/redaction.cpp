// Where it is not certain how far a password goes, more is taken for it rather than less.

#include "core/redaction.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/ahead.hpp"
#include "core/kinds.hpp"

namespace pgrepl::core {

namespace {

constexpr std::array<std::string_view, 5> kWords{"password", "passphrase", "secret", "passwd", "pwd"};
/// Of an argument of a refused call these count, too: `pass` also in bypass, `key` also in api_key.
constexpr std::array<std::string_view, 10> kMoreWords{"pass", "token",  "key",   "credential",    "credentials",
                                                      "auth", "bearer", "basic", "authorization", "identified by"};
/// Of a parameter of a URL, beside kWords.
constexpr std::array<std::string_view, 2> kParameterWords{"token", "authmechanismproperties"};
constexpr std::string_view kStars = "***";
/// As much is looked at for a password: else a text of many megabytes would be looked through to its end for each of
/// its URLs, in a log hook that nothing can interrupt. Where one goes on beyond that, it is hidden to its end: what is
/// hidden is not looked at again.
constexpr std::size_t kLongest = 1024;
constexpr std::size_t kLongestDollarTag = 64;

struct Span {
    std::size_t begin;
    std::size_t end;  ///< begin if there is nothing to hide
};

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool same(std::string_view text, std::string_view word) noexcept {
    return text.size() == word.size() &&
           std::equal(text.begin(), text.end(), word.begin(), [](char a, char b) { return lower(a) == b; });
}

bool is_scheme_char(char c) noexcept {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '+';
}

bool is_reference(std::string_view text) noexcept { return text.starts_with("env:") || text.starts_with("file:"); }

Span hide(std::string_view text, std::size_t begin, std::size_t end) noexcept {
    std::string_view const secret = text.substr(begin, end - begin);
    return {begin, is_reference(secret) || secret == kStars ? begin : end};
}

/// Where what a quote opens before `begin` ends. A quote that is doubled does not end it. One after a backslash does or
/// does not: that depends on the kind of literal, and on a setting. So the later end counts.
std::size_t end_of_quoted(std::string_view text, std::size_t begin, char quote) noexcept {
    auto const end = [&](bool backslash_escapes) {
        for (std::size_t i = begin; i < text.size(); ++i) {
            bool const escape = backslash_escapes && text[i] == '\\';
            if (escape || (text[i] == quote && i + 1 < text.size() && text[i + 1] == quote)) {
                ++i;
            } else if (text[i] == quote) {
                return i;
            }
        }
        return text.size();
    };
    return std::max(end(true), end(false));
}

/// The character at `at`, decoded if it is percent-encoded; moves `at` after it. Bytes that are no encoding stay.
char next_decoded(std::string_view text, std::size_t& at) noexcept {
    constexpr std::string_view kHex = "0123456789abcdef";
    char const first = text[at++];
    std::size_t const high = first == '%' && at + 1 < text.size() ? kHex.find(lower(text[at])) : kHex.npos;
    std::size_t const low = high == kHex.npos ? high : kHex.find(lower(text[at + 1]));
    if (low == kHex.npos) {
        return first;
    }
    at += 2;
    return static_cast<char>(high * 16 + low);
}

bool decodes_to(std::string_view text, std::size_t at, std::string_view word) noexcept {
    return std::all_of(word.begin(), word.end(),
                       [&](char c) { return at < text.size() && lower(next_decoded(text, at)) == c; });
}

/// Whether a word that names a secret begins at `at`.
bool names_secret_at(std::string_view text, std::size_t at) noexcept {
    auto const any_of = [&](const auto& words) {
        return std::any_of(words.begin(), words.end(),
                           [&](std::string_view word) { return decodes_to(text, at, word); });
    };
    return any_of(kWords) || any_of(kParameterWords);
}

/// Whether what stands after a host's colon is a port.
bool is_port(std::string_view text) noexcept {
    std::size_t const digits = std::min(text.find_first_not_of("0123456789"), text.size());
    return digits == text.size() || (digits > 0 && std::string_view("/?,#").find(text[digits]) != text.npos);
}

/// Where a parameter of a URL ends, of which the beginning is not known. A doubled quote is one of the value's.
std::size_t end_of_parameter(std::string_view text, std::size_t begin) noexcept {
    for (std::size_t i = begin; i < text.size(); ++i) {
        bool const quote = text[i] == '\'' || text[i] == '"';
        if (quote && i + 1 < text.size() && text[i + 1] == text[i]) {
            ++i;
        } else if (quote || std::string_view(" \t\r\n&").find(text[i]) != std::string_view::npos) {
            return i;
        }
    }
    return text.size();
}

bool follows_parameter_sign(std::string_view text, std::size_t first, std::size_t at) noexcept {
    return at > first && (text[at - 1] == '?' || text[at - 1] == '&');
}

/// What a word that names a password is given: `password=…`, `"password": "…"`.
Span after_word(std::string_view whole, std::size_t end_of_word, bool in_a_query) noexcept {
    std::string_view const text = whole.substr(0, end_of_word + kLongest);
    std::size_t i = end_of_word;
    Span const nothing{i, i};
    bool const quoted = i < text.size() && (text[i] == '"' || text[i] == '\'');
    i = std::min(text.find_first_not_of(' ', i + (quoted ? 1 : 0)), text.size());
    if (i == text.size() || !(text[i] == '=' || (quoted && text[i] == ':'))) {
        return nothing;
    }
    i = std::min(text.find_first_not_of(' ', i + 1), text.size());
    if (i < text.size() && (text[i] == '[' || text[i] == '{')) {
        return nothing;  // a list of rules for a table of that name
    }
    bool const in_quotes = i < text.size() && (text[i] == '"' || text[i] == '\'');
    std::size_t const begin = in_quotes ? i + 1 : i;
    auto const end_in = [&](std::string_view part) {
        return in_quotes    ? end_of_quoted(part, begin, part[i])
               : in_a_query ? end_of_parameter(part, begin)
                            : std::min(part.find_first_of(" \t\r\n&,;)}'\"#", begin), part.size());
    };
    Span const found = hide(text, begin, end_in(text));
    // A quote that is the last may be one of two.
    bool const cut = found.end + 1 >= text.size() && text.size() < whole.size();
    return cut && found.begin < found.end ? Span{begin, end_in(whole)} : found;
}

/// The length of a word that names a password, if one begins at `at` and counts.
std::size_t word_at(std::string_view text, std::size_t first, std::size_t at, RedactWhat what) noexcept {
    if (what == RedactWhat::kSourceUrls && !follows_parameter_sign(text, first, at)) {
        return 0;
    }
    for (std::string_view const word : kWords) {
        if (same(text.substr(at, word.size()), word)) {
            return word.size();
        }
    }
    return 0;
}

constexpr std::array<char, 3> kQuotes{'\'', '"', '`'};

/// Finds one password of a text after the other.
class Secrets {
  public:
    Secrets(std::string_view text, RedactWhat what) noexcept : text_(text), what_(what) {}

    /// The next one at or after `first`; an empty span at the end if there is none. `first` only grows.
    Span next(std::size_t first) noexcept {
        for (std::size_t i = next_candidate(first); i < text_.size(); i = next_candidate(i + 1)) {
            Span const found = text_[i] == ':' ? in_url(first, i) : after_word_at(first, i);
            if (found.begin < found.end) {
                return found;
            }
        }
        return {text_.size(), text_.size()};
    }

    /// How many bytes were looked at one by one, beside the pass over the text.
    [[nodiscard]] std::size_t looked_at() const noexcept { return looked_at_; }

  private:
    /// A URL's colon, or the first letter of a word that may count.
    [[nodiscard]] std::size_t next_candidate(std::size_t i) const noexcept {
        for (; i < text_.size(); ++i) {
            char const c = text_[i];
            if (c == ':' ? text_.substr(i, 3) == "://" : (c == 'p' || c == 's' || c == 'P' || c == 'S')) {
                break;
            }
        }
        return i;
    }

    [[nodiscard]] Span after_word_at(std::size_t first, std::size_t i) const noexcept {
        std::size_t const length = word_at(text_, first, i, what_);
        return length == 0 ? Span{i, i} : after_word(text_, i + length, follows_parameter_sign(text_, first, i));
    }

    [[nodiscard]] std::size_t next_of(Ahead& ahead, char wanted, std::size_t place, std::size_t limit) noexcept {
        return ahead.from(place, limit, looked_at_, [&](std::size_t at) { return text_[at] == wanted; });
    }

    /// Where the tag of a dollar quote begins, if one ends at `sign`.
    [[nodiscard]] std::string_view dollar_tag(std::size_t first, std::size_t sign) const noexcept {
        std::size_t const earliest = std::max(first, sign + 1 - std::min(sign + 1, kLongestDollarTag));
        std::size_t const tag = text_.substr(earliest, sign - earliest).rfind('$');
        std::size_t const from = tag == text_.npos ? sign : earliest + tag;
        return text_.substr(from, sign + 1 - from);
    }

    /// Where a URL ends whose scheme begins at `scheme`, in a text that is known from `first` on. What ends a tag is
    /// looked for up to `limit`.
    std::size_t end_of_url(std::size_t first, std::size_t scheme, std::size_t authority, std::size_t limit) noexcept {
        if (scheme == 0) {
            return text_.size();
        }
        char const before = scheme > first ? text_[scheme - 1] : ' ';
        for (std::size_t i = 0; i < kQuotes.size(); ++i) {
            if (before == kQuotes[i]) {  // see end_of_quoted
                return std::max(escaping_quotes_[i].from(text_, authority, before, true, looked_at_),
                                plain_quotes_[i].from(text_, authority, before, false, looked_at_));
            }
        }
        if (before == '$') {
            std::size_t const end = text_.substr(0, limit).find(dollar_tag(first, scheme - 1), authority);
            return std::min(end, text_.size());
        }
        return blanks_.from(authority, text_.size(), looked_at_, [&](std::size_t at) {
            return std::string_view(" \t\r\n").find(text_[at]) != std::string_view::npos;
        });
    }

    /// What is looked for in parameters, of which one is asked for after the other.
    struct ParameterAhead {
        Ahead equals;
        Ahead ampersands;
        Ahead words;  ///< that name a secret
    };

    /// What the parameter after the ? or & at `sign` is given, if its name names a secret.
    std::optional<Span> secret_after(ParameterAhead& ahead, std::size_t sign) noexcept {
        std::size_t const name = sign + 1;
        std::size_t const equals = next_of(ahead.equals, '=', name, text_.size());
        std::size_t const next = next_of(ahead.ampersands, '&', name, text_.size());
        if (equals >= next) {
            return std::nullopt;
        }
        std::size_t const word = ahead.words.from(name, equals, looked_at_, [&](std::size_t at) {
            return std::string_view("pPsStTaA%").find(text_[at]) != std::string_view::npos &&
                   names_secret_at(text_, at);  // to the = at most, which is no letter of any
        });
        return word < equals ? std::optional(Span{equals + 1, next}) : std::nullopt;
    }

    /// What the URL's first parameter is given whose name names a secret. Empty if there is none.
    Span in_parameters(std::size_t authority, std::size_t end) noexcept {
        Span const nothing{authority, authority};
        std::size_t const query = next_of(queries_, '?', authority, end);
        if (query == end) {
            return nothing;
        }
        std::optional<Span> found = secret_after(first_parameters_, query);
        if (!found) {
            std::size_t const sign = secrets_.from(query + 1, end, looked_at_, [&](std::size_t at) {
                return text_[at] == '&' && secret_after(other_parameters_, at).has_value();
            });
            found = sign < end ? secret_after(other_parameters_, sign) : std::nullopt;
        }
        return found && found->begin < end ? Span{found->begin, std::min(found->end, end)} : nothing;
    }

    /// The password before the last @, which ends the user part: there may be others in a password. Without one it may
    /// have been cut off. Empty if there is none.
    Span in_user_part(std::size_t authority, std::size_t end) noexcept {
        std::string_view const text = text_.substr(0, end);
        std::size_t const query = next_of(queries_, '?', authority, end);
        if (next_of(signs_, '@', authority, end) < end) {
            std::size_t const sign = text.rfind('@');
            looked_at_ += end - sign;
            // After a ? it stands in what may be a parameter: then nobody knows where a password ends.
            std::size_t const colon = std::min(text.find(':', authority), sign);
            return {std::min(colon + 1, sign), query < sign && colon < sign ? end : sign};
        }
        std::size_t const host = text.substr(authority).starts_with('[') ? text.find(']', authority) : authority;
        std::size_t const colon = host == text.npos ? host : text.find(':', host);
        bool const nothing = colon == text.npos || colon > query || is_port(text.substr(colon + 1));
        return {nothing ? end : colon + 1, end};
    }

    /// The password of the URL whose `://` is at `at`.
    Span in_url(std::size_t first, std::size_t at) noexcept {
        std::size_t const authority = at + 3;
        std::size_t scheme = at;
        while (scheme > first && is_scheme_char(text_[scheme - 1])) {
            ++looked_at_;
            --scheme;
        }
        std::string_view const name = text_.substr(scheme, at - scheme);
        bool const known = std::any_of(kSchemes.begin(), kSchemes.end(), [&](const UrlScheme& of_kind) {
            return !kind_named(of_kind.kind).is_file && same(name, of_kind.scheme);
        });
        if ((what_ == RedactWhat::kSourceUrls && !known) || name.empty()) {
            return {authority, authority};
        }
        std::size_t const limit = std::min(authority + kLongest, text_.size());
        std::size_t const whole_end = end_of_url(first, scheme, authority, limit);
        std::size_t const end = std::min(whole_end, limit);
        auto const hidden = [&](Span part) { return hide(text_, part.begin, part.end); };
        Span const parameter = hidden(in_parameters(authority, end));
        bool const has_host = authority == end || text_[authority] != '/';
        Span found = has_host ? hidden(in_user_part(authority, end)) : parameter;
        if (parameter.begin < parameter.end && found.begin < found.end) {
            found = {std::min(parameter.begin, found.begin), std::max(parameter.end, found.end)};
        } else if (found.begin == found.end) {
            found = parameter;
        }
        bool const cut = end < whole_end && found.begin < found.end;
        return cut ? Span{found.begin, end_of_url(first, scheme, authority, text_.size())} : found;
    }

    std::string_view text_;
    RedactWhat what_;
    std::size_t looked_at_ = 0;
    Ahead blanks_;
    Ahead queries_;
    Ahead signs_;
    Ahead secrets_;  ///< the & before a parameter that is given one
    ParameterAhead first_parameters_;
    ParameterAhead other_parameters_;
    std::array<QuoteAhead, kQuotes.size()> escaping_quotes_;
    std::array<QuoteAhead, kQuotes.size()> plain_quotes_;
};

/// Whether a value is given after a word that names a secret: `pwd=…`, `"token": …`, `--password …`, `PASSWORD '…'`.
bool gives_value(std::string_view rest) noexcept {
    bool const quoted = rest.starts_with('"') || rest.starts_with('\'');
    std::size_t const next = rest.find_first_not_of(" \t\r\n", quoted ? 1 : 0);
    return next != rest.npos && (next > (quoted ? 1U : 0U) || rest[next] == '=' || rest[next] == ':');
}

bool names_and_gives_secret(std::string_view text) noexcept {
    auto const any_of = [&](const auto& words) {
        return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
            auto at = text.begin();
            while (true) {
                at =
                    std::search(at, text.end(), word.begin(), word.end(), [](char a, char b) { return lower(a) == b; });
                if (at == text.end()) {
                    return false;
                }
                at += static_cast<std::ptrdiff_t>(word.size());
                if (gives_value(text.substr(static_cast<std::size_t>(at - text.begin())))) {
                    return true;
                }
            }
        });
    };
    return any_of(kWords) || any_of(kMoreWords);
}

/// `host:port:database:user:password`, as in a .pgpass.
bool is_password_line(std::string_view text) noexcept {
    return std::count(text.begin(), text.end(), ':') >= 4 && text.find_first_of(" \"") == text.npos;
}

/// `-pgeheim`, as clients of MySQL take it.
bool has_password_switch(std::string_view text) noexcept {
    std::size_t const at = text.starts_with("-p") ? 0 : text.find(" -p");
    std::size_t const after = at == text.npos ? text.size() : text.find('p', at) + 1;
    return after < text.size() && text[after] != ' ';
}

std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        out += next_decoded(text, at);
    }
    return out;
}

}  // namespace

std::size_t redact_in_place(char* text, std::size_t size, RedactWhat what, std::size_t* looked_at) noexcept {
    std::size_t written = 0;
    std::size_t read = 0;
    Secrets secrets({text, size}, what);
    while (read < size) {
        Span const secret = secrets.next(read);
        if (written != read) {
            std::memmove(text + written, text + read, secret.begin - read);
        }
        written += secret.begin - read;
        // What was written overtakes nothing that is still to be read.
        std::size_t const stars = std::min(kStars.size(), secret.end - secret.begin);
        std::memset(text + written, '*', stars);
        written += stars;
        read = secret.end;
    }
    if (looked_at != nullptr) {
        *looked_at = secrets.looked_at();
    }
    return written;
}

bool holds_password(std::string_view text, RedactWhat what) noexcept {
    return Secrets(text, what).next(0).begin < text.size();
}

bool names_secret(std::string_view parameter) noexcept {
    for (std::size_t at = 0; at < parameter.size(); ++at) {
        if (names_secret_at(parameter, at)) {
            return true;
        }
    }
    return false;
}

bool has_user_and_password(std::string_view text) noexcept {
    std::size_t const colon = text.find(':');
    return colon != text.npos && text.find('@', colon) != text.npos;
}

bool may_hold_secret(std::string_view text) {
    std::string const plain = decoded(text);
    return has_user_and_password(plain) || names_and_gives_secret(plain) || is_password_line(plain) ||
           has_password_switch(plain);
}

std::string redacted(std::string text, RedactWhat what) {
    text.resize(redact_in_place(text.data(), text.size(), what));
    return text;
}

}  // namespace pgrepl::core
