#pragma once
// What a mysql:// or mariadb:// URL says about how to connect, and which databases to read.
//
//   mysql://user:password@host[:port][,host…]/[database[,database…]][?sslmode=…&sslrootcert=…&sslfingerprint=…]
//
//   sslmode   prefer       (default) TLS if the server has it, without asking who the server is
//             disable      no TLS
//             require      TLS, without asking who the server is
//             verify-full  TLS, and the certificate is the host's, signed by sslrootcert or a CA of the system
//   sslfingerprint         TLS, and the server's certificate has this fingerprint

#include <cstdint>
#include <string>
#include <vector>

#include "core/url.hpp"

namespace pgrepl::mysql {

enum class TlsMode : std::uint8_t { kPrefer, kDisable, kRequire, kVerifyFull, kFingerprint };

struct HostAndPort {
    std::string host;
    unsigned port = 3306;

    [[nodiscard]] std::string text() const;
};

struct ConnectOptions {
    std::vector<HostAndPort> hosts;  ///< tried in this order
    std::string user;
    TlsMode tls = TlsMode::kPrefer;
    std::string root_certificate;
    std::string fingerprint;
    std::vector<std::string> databases;  ///< empty: all but the server's own
    // Not from the URL:
    int keepalive_idle_s = 60;      ///< of silence, before the first probe of TCP
    int keepalive_interval_s = 10;  ///< between two probes
};

/// Throws kInvalidUrl.
ConnectOptions parse_options(const core::SourceUrl& url);

}  // namespace pgrepl::mysql
