// The driver keeps OpenSSL's session in a struct of which the beginning is the same in all versions (3.1 to 3.4). That
// we look at what we think we do is checked by the pointers back that both hold; else nothing is trusted.

#include "source/mysql/server/tls_session.hpp"

#include <ma_pvio.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include <memory>
#include <string_view>

#include "source/mysql/server/server_certificate.hpp"

namespace pgrepl::mysql {
namespace {

/// MARIADB_TLS. Its own header, ma_tls.h, cannot be included: 3.4 does not install one that it includes.
struct DriverTls {
    void* data;
    MARIADB_PVIO* pvio;
    void* ssl;
};

/// OpenSSL's session; null if the driver has none, or uses another library than we do.
const SSL* session_of(MYSQL* handle) {
    const char* library = nullptr;
    if (mariadb_get_infov(handle, MARIADB_TLS_LIBRARY, static_cast<void*>(&library)) != 0 || library == nullptr ||
        !std::string_view(OpenSSL_version(OPENSSL_VERSION)).starts_with(library)) {
        return nullptr;
    }
    MARIADB_PVIO* const pvio = handle->net.pvio;
    const auto* const tls = pvio == nullptr ? nullptr : static_cast<const DriverTls*>(pvio->ctls);
    if (tls == nullptr || tls->pvio != pvio || tls->ssl == nullptr) {
        return nullptr;
    }
    const auto* const session = static_cast<const SSL*>(tls->ssl);
    return SSL_get_app_data(session) == handle ? session : nullptr;
}

}  // namespace

std::string certificate_fault(MYSQL* handle, const ConnectOptions& options, const std::string& host) {
    const SSL* const session = session_of(handle);
    if (session == nullptr) {
        bool const asked = options.tls == TlsMode::kVerifyFull || options.tls == TlsMode::kFingerprint;
        return asked ? "the server's certificate cannot be checked: the driver does not use the OpenSSL that we use"
                     : "";
    }
    std::unique_ptr<X509, decltype(&X509_free)> const certificate(SSL_get_peer_certificate(session), &X509_free);
    return certificate_fault({.certificate = certificate.get(),
                              .chain = SSL_get_peer_cert_chain(session),
                              .security_level = SSL_get_security_level(session)},
                             options, host);
}

}  // namespace pgrepl::mysql
