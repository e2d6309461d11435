// Source URLs: RFC 3986 section 3, with the liberties that users of databases expect (several hosts; a bare path).

#include "core/url.hpp"

#include <algorithm>
#include <array>

#include "core/hex.hpp"
#include "core/kinds.hpp"
#include "core/redaction.hpp"
#include "core/source_error.hpp"
#include "core/utf8.hpp"

namespace pgrepl::core {

namespace {

[[noreturn]] void fail(std::string text, std::string detail, std::string hint) {
    throw SourceError(SourceErrorKind::kInvalidUrl, 0, std::move(text), false, std::move(detail), std::move(hint));
}

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char const lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        int const high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        int const low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            fail("malformed URL: bad percent-encoding", "A % must be followed by two hex digits other than 00.",
                 "Write a literal % as %25.");
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    if (!is_utf8(out)) {
        fail("malformed URL: what is percent-encoded is not UTF-8", "", "Encode the bytes of UTF-8.");
    }
    return out;
}

std::string encode(std::string_view text, std::string_view keep) {
    std::string out;
    for (char const c : text) {
        bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view("-._~").find(c) != std::string_view::npos ||
                           keep.find(c) != std::string_view::npos;
        if (plain) {
            out += c;
        } else {
            out += '%';
            append_hex(out, static_cast<unsigned char>(c), kUpperHexDigits);
        }
    }
    return out;
}

std::map<std::string, std::string> parse_query(std::string_view text) {
    std::map<std::string, std::string> query;
    while (!text.empty()) {
        std::size_t const end = std::min(text.find('&'), text.size());
        std::string_view const item = text.substr(0, end);
        std::size_t const equals = item.find('=');
        // Names are not quoted in errors: what stands after a ? may be the rest of a password that holds one.
        if (!item.empty()) {
            std::string name = decode(item.substr(0, equals));
            if (name != "password" && names_secret(item.substr(0, equals))) {
                fail("malformed URL: a parameter would hold a secret",
                     "Only the parameter password can be kept apart from the URL, not others that hold a password, a "
                     "passphrase, a secret, a token or authMechanismProperties.",
                     "Leave the parameter out.");
            }
            std::string value = equals == std::string_view::npos ? "" : decode(item.substr(equals + 1));
            if (!query.emplace(std::move(name), std::move(value)).second) {
                fail("malformed URL: a parameter is given twice", "", "Give each parameter once.");
            }
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return query;
}

/// host[:port][,host[:port]…]. Never quoted in errors: a password that went astray may stand here.
void check_hosts(std::string_view hosts) {
    constexpr const char* kHint =
        "Write scheme://user:password@host:port/database; in a password, write @ as %40, : as "
        "%3A, / as %2F, ? as %3F and # as %23.";
    if (hosts.find_first_of(" \t\r\n#\"<>\\^`{|}") != std::string_view::npos) {
        fail("malformed URL: a character that no host has", "White space, # and quotes cannot be in a host.", kHint);
    }
    while (!hosts.empty()) {
        std::size_t const comma = std::min(hosts.find(','), hosts.size());
        std::string_view const host = hosts.substr(0, comma);
        std::size_t const bracket = host.starts_with('[') ? host.find(']') : 0;
        std::size_t const colon = bracket == std::string_view::npos ? bracket : host.find(':', bracket);
        std::string_view const port = colon == std::string_view::npos ? "1" : host.substr(colon + 1);
        bool const digits = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == port.npos;
        if (host.empty() || colon == 0 || bracket == std::string_view::npos) {
            fail("malformed URL: a host is missing", "Each host is a name or an address, IPv6 in brackets.", kHint);
        }
        if (!digits || std::stoi(std::string(port)) < 1 || std::stoi(std::string(port)) > 65535) {
            fail("malformed URL: the port is not a number from 1 to 65535", "The port stands after the host's colon.",
                 kHint);
        }
        hosts.remove_prefix(std::min(comma + 1, hosts.size()));
    }
}

/// user[:password]@host[:port][,…] — the last @ ends the user part, so that a stray @ in a password is no host.
void parse_authority(std::string_view authority, ParsedUrl& parsed) {
    std::size_t const at = authority.rfind('@');
    if (at != std::string_view::npos) {
        std::string_view const user = authority.substr(0, at);
        std::size_t const colon = user.find(':');
        parsed.url.user = decode(user.substr(0, colon));
        if (colon != std::string_view::npos) {
            parsed.password = decode(user.substr(colon + 1));
            parsed.has_password = true;
        }
        authority.remove_prefix(at + 1);
    }
    if (authority.empty()) {
        fail("malformed URL: no host", "Between // and the path there is no host.",
             "Write scheme://user:password@host:port/database.");
    }
    check_hosts(authority);
    parsed.url.hosts = std::string(authority);
}

ParsedUrl parse_networked(std::string_view scheme, std::string_view kind, std::string_view rest) {
    ParsedUrl parsed;
    parsed.url.scheme = scheme;
    parsed.url.kind = kind;
    if (!rest.starts_with("//")) {
        fail("malformed URL: // is missing after the scheme", "", "Write scheme://user:password@host:port/database.");
    }
    rest.remove_prefix(2);
    std::size_t const question = rest.find('?');
    if (question != std::string_view::npos) {
        // Else the end of a password would be stored and shown as the name of a parameter.
        if (rest.find('@', question) != std::string_view::npos) {
            fail("malformed URL: an @ stands after the ?", "What stands before an @ may be a password.",
                 "In a password, write ? as %3F; in a parameter, write @ as %40.");
        }
        parsed.url.query = parse_query(rest.substr(question + 1));
        rest = rest.substr(0, question);
    }
    // A password may hold an unencoded slash only if no @ would be lost by cutting there.
    std::size_t const last_at = rest.rfind('@');
    std::size_t const slash = rest.find('/', last_at == std::string_view::npos ? 0 : last_at);
    parse_authority(rest.substr(0, slash), parsed);
    if (rest.find('#', last_at == std::string_view::npos ? 0 : last_at) != std::string_view::npos) {
        fail("malformed URL: a # stands after the host", "It begins a fragment, and a source has none.",
             "Write a literal # as %23.");
    }
    if (slash != std::string_view::npos) {
        parsed.url.path = decode(rest.substr(slash + 1));
    }
    auto const secret = parsed.url.query.find("password");
    if (secret != parsed.url.query.end()) {
        if (parsed.has_password) {
            fail("malformed URL: the password is given twice", "Once before the @, once as a parameter.",
                 "Give it once.");
        }
        parsed.password = secret->second;
        parsed.has_password = true;
        parsed.url.query.erase(secret);
    }
    if (parsed.password.starts_with("env:") || parsed.password.starts_with("file:")) {
        parsed.url.password_reference = std::move(parsed.password);
        parsed.password.clear();
        parsed.has_password = false;
    }
    return parsed;
}

std::string example_of_file(std::string_view scheme) { return std::string(scheme) + ":///directory/file"; }

ParsedUrl file_url(std::string_view scheme, const KindOfSource& kind, std::string path) {
    ParsedUrl parsed;
    parsed.url.kind = kind.name;
    parsed.url.scheme = scheme;
    std::string const source = "A " + std::string(kind.display_name) + " source";
    parsed.url.path = std::move(path);
    if (parsed.url.path.empty()) {
        fail("malformed URL: no path", source + " is a file.", "Write " + example_of_file(scheme) + ".");
    }
    // Else a URL that has lost its scheme would be stored and shown as the name of a file.
    if (!parsed.url.path.starts_with('/') && has_user_and_password(parsed.url.path)) {
        fail("malformed URL: it may hold a password, and names no kind of source that has one",
             source + " is a file, whose path begins with a slash.",
             "Write scheme://user:password@host:port/database, or " + example_of_file(scheme) + ".");
    }
    return parsed;
}

ParsedUrl parse_file(std::string_view scheme, const KindOfSource& kind, std::string_view rest) {
    std::string const source = "a " + std::string(kind.display_name) + " source";
    if (rest.starts_with("//")) {
        rest.remove_prefix(2);
        if (!rest.starts_with('/')) {
            fail("malformed URL: " + source + " has no host",
                 "After " + std::string(scheme) + ":// an absolute path follows.",
                 "Write " + example_of_file(scheme) + ", with three slashes.");
        }
    }
    if (rest.find('?') != std::string_view::npos) {
        fail("malformed URL: " + source + " has no parameters", "A literal question mark is written %3F.",
             "Remove what stands after the path.");
    }
    return file_url(scheme, kind, decode(rest));
}

std::string known_schemes() {
    std::string list;
    for (const UrlScheme& known : kSchemes) {
        list += (list.empty() ? "" : ", ") + std::string(known.scheme);
    }
    return list;
}

std::string known_endings() {
    std::string list;
    for (std::size_t i = 0; i < kFileEndings.size(); ++i) {
        list += (i == 0 ? "" : i + 1 == kFileEndings.size() ? " or " : ", ") + std::string(kFileEndings.at(i));
    }
    return list;
}

bool is_file_path(std::string_view text) noexcept {
    return std::any_of(kFileEndings.begin(), kFileEndings.end(),
                       [&](std::string_view ending) { return text.size() > ending.size() && text.ends_with(ending); });
}

}  // namespace

std::string SourceUrl::without_secret() const {
    if (is_file()) {
        // A relative path must not look like a host.
        return scheme + (path.starts_with('/') ? "://" : ":") + encode(path, "/");
    }
    std::string text = scheme + "://";
    if (!user.empty() || !password_reference.empty()) {
        text += encode(user, "");
        text += password_reference.empty() ? "@" : ":" + encode(password_reference, ":/") + "@";
    }
    text += hosts;
    if (!path.empty() || !query.empty()) {
        text += "/" + encode(path, "");
    }
    char separator = '?';
    for (const auto& [name, value] : query) {
        text += separator + encode(name, "") + "=" + encode(value, "/:,");
        separator = '&';
    }
    return text;
}

ParsedUrl parse_source_url(std::string_view text) {
    std::size_t const colon = text.find(':');
    std::string scheme(text.substr(0, colon == std::string_view::npos ? 0 : colon));
    std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    for (const UrlScheme& known : kSchemes) {
        if (scheme == known.scheme) {
            const KindOfSource& kind = kind_named(known.kind);
            return kind.is_file ? parse_file(known.scheme, kind, text.substr(colon + 1))
                                : parse_networked(known.scheme, known.kind, text.substr(colon + 1));
        }
    }
    if (is_file_path(text) && text.find("://") == std::string_view::npos) {
        return file_url(kKindOfPaths, kind_named(kKindOfPaths), std::string(text));
    }
    fail("malformed URL: it names no known kind of source",
         "Known are " + known_schemes() + ", and a path that ends in " + known_endings() + ".",
         "Write scheme://user:password@host:port/database, or " + example_of_file(kKindOfPaths) + ".");
}

namespace {

/// Nobody knows where a secret may be in what does not parse.
std::string redact_unparsed(std::string_view text) {
    std::size_t const scheme = text.find("://");
    bool const plain = scheme != std::string_view::npos && !may_hold_secret(text.substr(0, scheme)) &&
                       text.substr(0, scheme).find('@') == text.npos;
    return plain ? std::string(text.substr(0, scheme)) + "://***" : "***";
}

}  // namespace

std::string redact_url(std::string_view text) {
    try {
        return parse_source_url(text).url.without_secret();
    } catch (const SourceError&) {
        return redact_unparsed(text);
    }
}

std::string redact_refused_url(std::string_view text) {
    try {
        SourceUrl const url = parse_source_url(text).url;
        if (url.is_file()) {
            return url.without_secret();
        }
        std::string const place = url.hosts + (url.path.empty() ? "" : "/" + url.path);
        return url.scheme + "://" + (url.user.empty() && url.password_reference.empty() ? "" : "***@") +
               (may_hold_secret(place) ? "***" : place) + (url.query.empty() ? "" : "?***");
    } catch (const SourceError&) {
        return redact_unparsed(text);
    }
}

}  // namespace pgrepl::core
