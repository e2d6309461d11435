#pragma once
// The TLS of a connection of the driver, which has no call that gives the certificate of its server.

#include <string>

#include "source/mysql/server/connect_options.hpp"
#include "source/mysql/server/driver.hpp"

namespace pgrepl::mysql {

/// What is wrong with the certificate that `host` has shown on this connection, if the mode asks for one
/// (server_certificate.hpp); empty if nothing is.
std::string certificate_fault(MYSQL* handle, const ConnectOptions& options, const std::string& host);

}  // namespace pgrepl::mysql
