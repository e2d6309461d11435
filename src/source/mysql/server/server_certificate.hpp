#pragma once
// Whether the certificate that a server has shown is the one of the server that the URL means. What drivers check of it
// differs, so we check it ourselves, and sslmode=verify-full and sslfingerprint mean the same with each of them.
// From 3.4 on Connector/C passes over the name on loopback; without sslrootcert it lets a server that knows the hash of
// the password do without a certificate that can be trusted; and it compares no fingerprint unless it is to check
// trust, too. Nothing here knows the driver or a connection: tls_session.hpp gets the certificate from them.

#include <openssl/x509.h>

#include <string>

#include "core/postgres_free.hpp"
#include "source/mysql/server/connect_options.hpp"

namespace pgrepl::mysql {

struct ShownCertificate {
    X509* certificate = nullptr;
    STACK_OF(X509) * chain = nullptr;  ///< what came with it, from which its issuers may be taken
    int security_level = 0;            ///< of the connection: how weak keys and hashes may be
};

/// What is wrong with the certificate of `host` by the mode of `options`; empty if nothing is. The modes that do not
/// ask who the server is find nothing wrong.
std::string certificate_fault(const ShownCertificate& shown, const ConnectOptions& options, const std::string& host);

}  // namespace pgrepl::mysql
