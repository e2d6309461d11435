#pragma once
// The password of a source: given, or found where a reference says.

#include <string>

#include "core/url.hpp"
#include "pg/error.hpp"

namespace pgrepl::replication {

/// Whether the URL says where its password is. Reading it needs the rights of pg_read_server_files.
bool has_password_reference(const core::SourceUrl& url);

/// The password that the reference of `url` leads to. Throws SqlError if there is none, or an empty one; its text never
/// quotes what was read. A password file names ports; `default_port` is that of a URL without one.
std::string read_password(const core::SourceUrl& url, int default_port);

}  // namespace pgrepl::replication
