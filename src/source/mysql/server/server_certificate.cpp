// The certificate's chain, purpose, dates and name are checked by OpenSSL, in the way in which it does so itself in a
// handshake that is told to verify the server.

#include "source/mysql/server/server_certificate.hpp"

#include <openssl/evp.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

namespace pgrepl::mysql {
namespace {

struct StoreDeleter {
    void operator()(X509_STORE* store) const noexcept { X509_STORE_free(store); }
    void operator()(X509_STORE_CTX* context) const noexcept { X509_STORE_CTX_free(context); }
};
using Store = std::unique_ptr<X509_STORE, StoreDeleter>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, StoreDeleter>;

constexpr const char* kNoMemory = "there is no memory for checking the server's certificate";

/// The host is an address, which stands in a certificate as such, or a name.
bool expect_host(X509_VERIFY_PARAM* expected, const std::string& host) {
    if (X509_VERIFY_PARAM_set1_ip_asc(expected, host.c_str()) == 1) {
        return true;
    }
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(expected, host.c_str(), host.size()) == 1;
}

std::string fault_of_identity(const ShownCertificate& shown, const ConnectOptions& options, const std::string& host) {
    Store const trusted(X509_STORE_new());
    StoreContext const context(X509_STORE_CTX_new());
    if (!trusted || !context) {
        return kNoMemory;
    }
    if (options.root_certificate.empty()
            ? X509_STORE_set_default_paths(trusted.get()) != 1
            : X509_STORE_load_locations(trusted.get(), options.root_certificate.c_str(), nullptr) != 1) {
        return "sslrootcert cannot be read as certificates";
    }
    if (X509_STORE_CTX_init(context.get(), trusted.get(), shown.certificate, shown.chain) != 1 ||
        X509_STORE_CTX_set_default(context.get(), "ssl_server") != 1) {
        return kNoMemory;
    }
    X509_VERIFY_PARAM* const expected = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_auth_level(expected, shown.security_level);
    if (!expect_host(expected, host)) {
        return kNoMemory;
    }
    if (X509_verify_cert(context.get()) == 1) {
        return "";
    }
    return std::string("the server's certificate is not accepted: ") +
           X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

int hex_value(char digit) {
    return digit <= '9' ? digit - '0' : std::tolower(static_cast<unsigned char>(digit)) - 'a' + 10;
}

/// `wanted` are hex digits: 40 of SHA-1, or 64 of SHA-256.
std::string fault_of_fingerprint(const X509* certificate, const std::string& wanted) {
    constexpr std::size_t kSha1Digits = 40;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (X509_digest(certificate, wanted.size() == kSha1Digits ? EVP_sha1() : EVP_sha256(), digest.data(), &size) != 1) {
        return "the fingerprint of the server's certificate cannot be computed";
    }
    bool same = wanted.size() == std::size_t{2} * size;
    for (std::size_t i = 0; same && i < size; ++i) {
        same = digest[i] == 16 * hex_value(wanted[2 * i]) + hex_value(wanted[2 * i + 1]);
    }
    return same ? "" : "the server's certificate has another fingerprint than sslfingerprint";
}

}  // namespace

std::string certificate_fault(const ShownCertificate& shown, const ConnectOptions& options, const std::string& host) {
    if (options.tls != TlsMode::kVerifyFull && options.tls != TlsMode::kFingerprint) {
        return "";
    }
    if (shown.certificate == nullptr) {
        return "the server has shown no certificate";
    }
    return options.tls == TlsMode::kVerifyFull ? fault_of_identity(shown, options, host)
                                               : fault_of_fingerprint(shown.certificate, options.fingerprint);
}

}  // namespace pgrepl::mysql
