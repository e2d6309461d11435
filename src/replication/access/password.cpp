// References to passwords: env:NAME, file:/path, and passfile=/path, whose lines are host:port:database:user:password
// with * for any (PostgreSQL documentation, "The Password File").

#include "replication/access/password.hpp"

#include <cstdlib>
#include <sstream>
#include <utility>
#include <vector>

#include "core/small_file.hpp"

namespace pgrepl::replication {

namespace {

constexpr const char* kEnvironment = "env:";
constexpr const char* kFile = "file:";
constexpr const char* kPassfile = "passfile";

std::string read_file(const std::string& path) {
    if (path.empty() || path[0] != '/') {
        throw pg::SqlError(ERRCODE_INVALID_PARAMETER_VALUE, "the path of a password file must be absolute",
                           "The path is \"" + path + "\".", "Write file:/directory/file, or passfile=/directory/file.");
    }
    core::SmallFile file = core::read_small_file(path);
    if (!file.fault.empty()) {
        throw pg::SqlError(ERRCODE_UNDEFINED_FILE, "cannot read the password file \"" + path + "\"",
                           file.fault + " It is read by the database server.",
                           "Create it, readable by the server's operating system user alone.");
    }
    return std::move(file.text);
}

/// The fields of a line; a backslash takes the next character as it is.
std::vector<std::string> split_line(const std::string& line) {
    std::vector<std::string> fields(1);
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\\' && i + 1 < line.size()) {
            fields.back() += line[++i];
        } else if (line[i] == ':' && fields.size() < 5) {
            fields.emplace_back();
        } else {
            fields.back() += line[i];
        }
    }
    return fields;
}

/// Host and port of the first host that the URL names.
std::pair<std::string, std::string> first_host(const core::SourceUrl& url, int default_port) {
    std::string const host = url.hosts.substr(0, url.hosts.find(','));
    std::size_t const bracket = host.starts_with('[') ? host.find(']') : 0;
    std::size_t const colon = host.find(':', bracket == std::string::npos ? 0 : bracket);
    return {host.substr(0, colon), colon == std::string::npos ? std::to_string(default_port) : host.substr(colon + 1)};
}

std::string from_passfile(const core::SourceUrl& url, const std::string& path, int default_port) {
    auto const [host, port] = first_host(url, default_port);
    std::string const wanted[] = {host, port, url.path, url.user};
    std::istringstream file(read_file(path));
    for (std::string line; std::getline(file, line);) {
        std::vector<std::string> const fields = split_line(line);
        bool matches = fields.size() == 5 && !line.starts_with('#');
        for (std::size_t i = 0; matches && i < std::size(wanted); ++i) {
            matches = fields[i] == "*" || fields[i] == wanted[i];
        }
        if (matches) {
            return fields[4];
        }
    }
    throw pg::SqlError(ERRCODE_INVALID_PASSWORD, "the password file \"" + path + "\" has no entry for this source",
                       "Looked for " + host + ":" + port + ":" + url.path + ":" + url.user + ".",
                       "Add a line host:port:database:user:password.");
}

std::string follow_reference(const core::SourceUrl& url, int default_port) {
    const std::string& reference = url.password_reference;
    if (reference.starts_with(kEnvironment)) {
        std::string const name = reference.substr(std::string_view(kEnvironment).size());
        const char* const value = std::getenv(name.c_str());
        if (value == nullptr) {
            throw pg::SqlError(ERRCODE_UNDEFINED_PARAMETER, "environment variable \"" + name + "\" is not set",
                               "The URL says that it holds the password of the source.",
                               "Set it in the environment of the database server, and restart the server.");
        }
        return value;
    }
    if (reference.starts_with(kFile)) {
        std::string const text = read_file(reference.substr(std::string_view(kFile).size()));
        return text.substr(0, text.find('\n'));
    }
    return from_passfile(url, url.query.at(kPassfile), default_port);
}

}  // namespace

bool has_password_reference(const core::SourceUrl& url) {
    return !url.password_reference.empty() || url.query.contains(kPassfile);
}

std::string read_password(const core::SourceUrl& url, int default_port) {
    std::string password = follow_reference(url, default_port);
    if (password.empty()) {
        throw pg::SqlError(ERRCODE_INVALID_PASSWORD, "the password that the URL refers to is empty",
                           url.password_reference.empty()
                               ? "The parameter passfile names a file, whose entry for this source has none."
                               : "It is to be in \"" + url.password_reference + "\".",
                           "Put the password there. For an account without a password, only a superuser may register "
                           "a source, with a URL that refers to none.");
    }
    return password;
}

}  // namespace pgrepl::replication
