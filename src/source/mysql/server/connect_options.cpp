// A URL's hosts, databases and TLS parameters. An unknown parameter is an error: a misspelt sslmode must not connect
// without TLS.

#include "source/mysql/server/connect_options.hpp"

#include <algorithm>
#include <cctype>

#include "core/source_error.hpp"

namespace pgrepl::mysql {
namespace {

constexpr const char* kKnownParameters = "Known are sslmode, sslrootcert and sslfingerprint.";

[[noreturn]] void fail(std::string text, std::string detail, std::string hint) {
    throw core::SourceError(core::SourceErrorKind::kInvalidUrl, 0, std::move(text), false, std::move(detail),
                            std::move(hint));
}

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> items;
    for (std::size_t begin = 0; begin < list.size();) {
        std::size_t const comma = std::min(list.find(',', begin), list.size());
        if (comma > begin) {
            items.push_back(list.substr(begin, comma - begin));
        }
        begin = comma + 1;
    }
    return items;
}

HostAndPort parse_host(const std::string& text) {
    HostAndPort result;
    bool const bracketed = text.starts_with('[');
    std::size_t const end = bracketed ? text.find(']') : text.find(':');
    result.host = bracketed ? text.substr(1, end - 1) : text.substr(0, end);
    std::size_t const colon = end == std::string::npos ? end : text.find(':', end);
    if (colon != std::string::npos) {
        result.port = static_cast<unsigned>(std::stoul(text.substr(colon + 1)));  // checked as the URL was parsed
    }
    return result;
}

TlsMode parse_tls_mode(const std::string& text) {
    if (text == "prefer") {
        return TlsMode::kPrefer;
    }
    if (text == "disable") {
        return TlsMode::kDisable;
    }
    if (text == "require") {
        return TlsMode::kRequire;
    }
    if (text == "verify-full") {
        return TlsMode::kVerifyFull;
    }
    fail("sslmode \"" + text + "\" is not known for MySQL", "",
         "Write sslmode=disable, prefer, require or verify-full, or give sslfingerprint.");
}

/// Hex digits, with or without colons between the bytes.
std::string parse_fingerprint(const std::string& text) {
    std::string digits;
    for (char const letter : text) {
        if (std::isxdigit(static_cast<unsigned char>(letter)) != 0) {
            digits += letter;
        } else if (letter != ':') {
            fail("sslfingerprint is not a fingerprint", "It holds something other than hex digits and colons.",
                 "openssl x509 -noout -fingerprint -in server-cert.pem prints it.");
        }
    }
    if (digits.size() != 40 && digits.size() != 64) {
        fail("sslfingerprint is not a fingerprint", "It has " + std::to_string(digits.size()) + " hex digits.",
             "A SHA-1 fingerprint has 40 hex digits, one of SHA-256 has 64 (Connector/C 3.4 and later).");
    }
    return digits;
}

}  // namespace

std::string HostAndPort::text() const {
    return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

ConnectOptions parse_options(const core::SourceUrl& url) {
    ConnectOptions options;
    options.user = url.user;
    for (const std::string& host : split(url.hosts)) {
        options.hosts.push_back(parse_host(host));
    }
    options.databases = split(url.path);
    for (const auto& [name, value] : url.query) {
        if (name == "sslmode") {
            options.tls = parse_tls_mode(value);
        } else if (name == "sslrootcert") {
            options.root_certificate = value;
        } else if (name == "sslfingerprint") {
            options.fingerprint = parse_fingerprint(value);
        } else {
            fail("the URL of a MySQL source has a parameter that is not known", kKnownParameters, "Remove it.");
        }
    }
    bool const mode_given = url.query.contains("sslmode");
    if (!options.fingerprint.empty()) {
        if (options.tls == TlsMode::kDisable || options.tls == TlsMode::kVerifyFull) {
            fail("sslfingerprint contradicts sslmode", "A fingerprint is a check of its own.", "Give one of the two.");
        }
        options.tls = TlsMode::kFingerprint;
    } else if (!options.root_certificate.empty() && !mode_given) {
        options.tls = TlsMode::kVerifyFull;
    } else if (!options.root_certificate.empty() && options.tls != TlsMode::kVerifyFull) {
        fail("sslrootcert needs sslmode=verify-full", "With another sslmode the certificate would not be checked.",
             "Write sslmode=verify-full, or leave sslrootcert out.");
    }
    return options;
}

}  // namespace pgrepl::mysql
