// Where it is not certain how far a password goes, more is taken for it rather than less.

#include "core/redaction.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace pgrepl::core {

namespace {

constexpr std::array<std::string_view, 6> kSchemes{"mysql",       "mariadb",    "mongodb",
                                                   "mongodb+srv", "postgresql", "postgres"};
constexpr std::array<std::string_view, 5> kWords{"password", "passphrase", "secret", "passwd", "pwd"};
/// Of an argument of a refused call these count, too: `pass` also in bypass, `key` also in api_key.
constexpr std::array<std::string_view, 10> kMoreWords{"pass", "token",  "key",   "credential",    "credentials",
                                                      "auth", "bearer", "basic", "authorization", "identified by"};
constexpr std::string_view kStars = "***";
/// As much is looked at for a password: else a text of many megabytes would be looked through to its end for each of
/// its URLs, in a log hook that nothing can interrupt. Where one goes on beyond that, its end is looked for in all of
/// the text: what is hidden then is not looked at again.
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

/// Where what a quote opens before `begin` ends. A quote that is doubled or has a backslash before it does not end it.
std::size_t end_of_quoted(std::string_view text, std::size_t begin, char quote) noexcept {
    for (std::size_t i = begin; i < text.size(); ++i) {
        if (text[i] == '\\' || (text[i] == quote && i + 1 < text.size() && text[i + 1] == quote)) {
            ++i;
        } else if (text[i] == quote) {
            return i;
        }
    }
    return text.size();
}

/// Where a URL ends whose scheme begins at `scheme`, in a text that is known from `first` on.
std::size_t end_of_url(std::string_view text, std::size_t first, std::size_t scheme, std::size_t authority) noexcept {
    if (scheme == 0) {
        return text.size();
    }
    char const before = scheme > first ? text[scheme - 1] : ' ';
    if (before == '\'' || before == '"' || before == '`') {
        return end_of_quoted(text, authority, before);
    }
    if (before == '$') {
        std::size_t const earliest = std::max(first, scheme - std::min(scheme, kLongestDollarTag));
        std::size_t const tag = text.substr(earliest, scheme - 1 - earliest).rfind('$');
        std::size_t const from = tag == text.npos ? scheme - 1 : earliest + tag;
        return std::min(text.find(text.substr(from, scheme - from), authority), text.size());
    }
    return std::min(text.find_first_of(" \t\r\n'\"`<>", authority), text.size());
}

/// Whether what stands after a host's colon is a port.
bool is_port(std::string_view text) noexcept {
    std::size_t const digits = std::min(text.find_first_not_of("0123456789"), text.size());
    return digits == text.size() || (digits > 0 && std::string_view("/?,#").find(text[digits]) != text.npos);
}

/// The password of the URL whose `://` is at `at`.
Span in_url(std::string_view whole, std::size_t first, std::size_t at, RedactWhat what) noexcept {
    std::size_t const authority = at + 3;
    std::string_view const text = whole.substr(0, authority + kLongest);
    Span const nothing{authority, authority};
    std::size_t scheme = at;
    while (scheme > first && is_scheme_char(text[scheme - 1])) {
        --scheme;
    }
    std::string_view const name = text.substr(scheme, at - scheme);
    bool const known = std::any_of(kSchemes.begin(), kSchemes.end(), [&](std::string_view s) { return same(name, s); });
    if ((what == RedactWhat::kSourceUrls && !known) || name.empty() || text.substr(authority).starts_with('/')) {
        return nothing;
    }
    std::string_view const rest = text.substr(authority, end_of_url(text, first, scheme, authority) - authority);
    bool const cut = authority + rest.size() == text.size() && text.size() < whole.size();
    auto const to_end = [&] { return end_of_url(whole, first, scheme, authority); };
    auto const to_last_sign = [&] { return whole.substr(0, to_end()).rfind('@'); };
    auto const whole_span = [&](Span span, const auto& end) {
        return cut && span.begin < span.end ? Span{span.begin, end()} : span;
    };
    // The last @ ends the user part: there may be others in a password.
    std::size_t const sign = rest.rfind('@');
    if (sign != rest.npos) {
        std::size_t const colon = rest.find(':');
        return colon < sign ? whole_span(hide(text, authority + colon + 1, authority + sign), to_last_sign) : nothing;
    }
    // Without one it may have been cut off.
    std::size_t const host = rest.starts_with('[') ? rest.find(']') : 0;
    std::size_t const colon = host == rest.npos ? host : rest.find(':', host);
    if (colon == rest.npos || is_port(rest.substr(colon + 1))) {
        return nothing;
    }
    return whole_span(hide(text, authority + colon + 1, authority + rest.size()), to_end);
}

/// What a word that names a password is given: `password=…`, `"password": "…"`.
Span after_word(std::string_view whole, std::size_t end_of_word) noexcept {
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
        return in_quotes ? end_of_quoted(part, begin, part[i])
                         : std::min(part.find_first_of(" \t\r\n&,;)}'\"#", i), part.size());
    };
    Span const found = hide(text, begin, end_in(text));
    bool const cut = found.end == text.size() && text.size() < whole.size();
    return cut && found.begin < found.end ? Span{begin, end_in(whole)} : found;
}

/// The length of a word that names a password, if one begins at `at` and counts.
std::size_t word_at(std::string_view text, std::size_t first, std::size_t at, RedactWhat what) noexcept {
    if (what == RedactWhat::kSourceUrls && (at == first || (text[at - 1] != '?' && text[at - 1] != '&'))) {
        return 0;
    }
    for (std::string_view const word : kWords) {
        if (same(text.substr(at, word.size()), word)) {
            return word.size();
        }
    }
    return 0;
}

/// The next password at or after `first`; an empty span at the end if there is none.
Span next_secret(std::string_view text, std::size_t first, RedactWhat what) noexcept {
    for (std::size_t i = first; i < text.size(); ++i) {
        Span found{i, i};
        char const c = lower(text[i]);
        if (c == ':' && text.substr(i).starts_with("://")) {
            found = in_url(text, first, i, what);
        } else if (c == 'p' || c == 's') {  // the first letters of all words
            std::size_t const length = word_at(text, first, i, what);
            found = length == 0 ? found : after_word(text, i + length);
        }
        if (found.begin < found.end) {
            return found;
        }
    }
    return {text.size(), text.size()};
}

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

/// What was percent-encoded, decoded; bytes that are no encoding stay.
std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        constexpr std::string_view kHex = "0123456789abcdef";
        std::size_t const high = text[i] == '%' && i + 2 < text.size() ? kHex.find(lower(text[i + 1])) : kHex.npos;
        std::size_t const low = high == kHex.npos ? high : kHex.find(lower(text[i + 2]));
        if (low == kHex.npos) {
            out += text[i];
        } else {
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

}  // namespace

std::size_t redact_in_place(char* text, std::size_t size, RedactWhat what) noexcept {
    std::size_t written = 0;
    std::size_t read = 0;
    while (read < size) {
        Span const secret = next_secret({text, size}, read, what);
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
    return written;
}

bool holds_password(std::string_view text, RedactWhat what) noexcept {
    return next_secret(text, 0, what).begin < text.size();
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
