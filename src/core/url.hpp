#pragma once
// Source URLs: taken apart, with the secret taken out at once, and put together again for showing.

#include <map>
#include <string>
#include <string_view>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// A parsed source URL (RFC 3986 generic syntax; several comma-separated hosts allowed, as MongoDB has them).
/// All parts are percent-decoded.
struct SourceUrl {
    std::string kind;    ///< "sqlite", "mysql", "mongodb", "postgresql"
    std::string scheme;  ///< as written: "mariadb", "mongodb+srv", …; "sqlite" for a bare path
    std::string user;
    /// Where the password is, instead of the password itself: `env:NAME` or `file:/path`, as written in its place. Not
    /// a secret. A third way is the parameter `passfile`, a file in the format of .pgpass.
    std::string password_reference;
    std::string hosts;                         ///< `host[:port][,host[:port]…]` as written; empty for a file
    std::string path;                          ///< a file's path for SQLite; else the database, without the slash
    std::map<std::string, std::string> query;  ///< parameters after the question mark

    /// It names a file of the database server; else hosts.
    [[nodiscard]] bool is_file() const noexcept { return hosts.empty(); }

    /// The URL without any secret, to store, show and log. Parsing it again gives the same SourceUrl.
    [[nodiscard]] std::string without_secret() const;
};

struct ParsedUrl {
    SourceUrl url;
    std::string password;       ///< from the user part, or the query parameter `password`
    bool has_password = false;  ///< one was given; it may be empty
};

/// Parses `text`: `sqlite:///path`, `sqlite:path`, a bare path that ends in .db, .sqlite or .sqlite3, or
/// `scheme://[user[:password]@]host[:port]/database[?parameters]` with scheme mysql, mariadb, mongodb,
/// mongodb+srv, postgresql or postgres. Throws SourceError kInvalidUrl; its text never quotes the password.
ParsedUrl parse_source_url(std::string_view text);

/// The same text with everything that may be a secret replaced by `***`, also where it does not parse.
std::string redact_url(std::string_view text);

/// The same of a URL that was refused, though it may parse: what its parameters mean nobody has looked at. Without user
/// and parameters.
std::string redact_refused_url(std::string_view text);

}  // namespace pgrepl::core
