#pragma once
// What a server may learn of a password while we log in. The driver's plugins do not look at that: the one for
// caching_sha2_password takes the wish for TLS for TLS, and sends the password as it is to whoever asks for it; without
// TLS those of that family encrypt it with a key that whoever answers sends along.
//
// So all plugins that we allow are called through here. Where the URL asks for TLS, nothing is sent to a server that
// has none, not even a scramble. The password itself goes through TLS only; but with sslmode=disable, which says that
// the network is to be trusted, the driver may encrypt it with the server's key.

#include <cstdint>

#include "source/mysql/server/connect_options.hpp"
#include "source/mysql/server/driver.hpp"

namespace pgrepl::mysql {

/// One login; it must outlive the handle.
struct Login {
    enum class Refusal : std::uint8_t {
        kNone,
        kNoTls,          ///< the URL asks for TLS, and the server offers none
        kPasswordAsked,  ///< the server asks for the password itself, and there is no TLS
    };
    TlsMode tls = TlsMode::kPrefer;
    Refusal refusal = Refusal::kNone;  ///< why mysql_real_connect() failed
};

/// The plugins for authentication that are allowed: none that shows the password itself to the server without
/// protection (mysql_clear_password, dialog).
extern const char* const kAllowedPlugins;

/// To be called before mysql_real_connect().
void guard_login(MYSQL* handle, Login& login);

/// Whether what is sent now is encrypted.
bool is_encrypted(MYSQL* handle) noexcept;

}  // namespace pgrepl::mysql
