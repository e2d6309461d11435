// The driver's plugins, called through ours; and the plugins that prove the knowledge of a password by SHA-256, which
// may have to tell it.

#include "source/mysql/server/login.hpp"

#include <errmsg.h>
#include <mysql/plugin_auth.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstring>
#include <utility>

// mysql/client_plugin.h cannot be included: it needs a header that Debian does not install.
struct st_mysql_client_plugin;
extern "C" st_mysql_client_plugin* STDCALL mysql_client_find_plugin(MYSQL* handle, const char* name, int type);

namespace pgrepl::mysql {

const char* const kAllowedPlugins = "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec";

namespace {

using Authenticate = int (*)(MYSQL_PLUGIN_VIO*, MYSQL*);

/// st_mysql_client_plugin_AUTHENTICATION, to whose end later versions have added members.
struct Plugin {
    int type;
    unsigned interface_version;
    const char* name;
    const char* author;
    const char* description;
    std::array<unsigned, 3> version;
    const char* license;
    void* api;
    int (*init)(char*, std::size_t, int, std::va_list);
    int (*deinit)();
    int (*options)(const char*, const void*);
    Authenticate authenticate_user;
};

constexpr int kAuthenticationPlugin = 2;

constexpr const char* kLogin = "pg_replicator login";
constexpr int kNonceBytes = 20;

// The answers of caching_sha2_password to a scramble.
constexpr unsigned char kScrambleWasRight = 3;
constexpr unsigned char kPasswordIsWanted = 4;

/// One of ours; null for the handles of others in this process.
Login* login_of(MYSQL* handle) {
    void* login = nullptr;
    bool const known = mysql_get_optionv(handle, MARIADB_OPT_USERDATA, const_cast<char*>(kLogin), &login) == 0;
    return known ? static_cast<Login*>(login) : nullptr;
}

int refuse(Login& login, Login::Refusal why) {
    login.refusal = why;
    return CR_ERROR;
}

/// The server's challenge, which is the first thing that it sends; false if it is none.
bool read_nonce(MYSQL_PLUGIN_VIO* vio, std::array<unsigned char, kNonceBytes>& nonce) {
    unsigned char* packet = nullptr;
    int const bytes = vio->read_packet(vio, &packet);
    if (bytes < kNonceBytes) {
        return false;
    }
    std::copy_n(packet, kNonceBytes, nonce.begin());
    return true;
}

int send(MYSQL_PLUGIN_VIO* vio, const unsigned char* bytes, std::size_t count) {
    return vio->write_packet(vio, bytes, static_cast<int>(count)) != 0 ? CR_ERROR : CR_OK;
}

/// With its terminating zero. Before the first packet the handshake is still to come, and is made if both sides can.
int send_password(MYSQL_PLUGIN_VIO* vio, MYSQL* handle, Login& login, bool first_packet) {
    bool const will_be_encrypted = first_packet && (handle->server_capabilities & CLIENT_SSL) != 0;
    if (!is_encrypted(handle) && !will_be_encrypted) {
        return refuse(login, Login::Refusal::kPasswordAsked);
    }
    const char* const password = handle->passwd;
    return send(vio, reinterpret_cast<const unsigned char*>(password), std::strlen(password) + 1);
}

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

/// SHA256(password) xor SHA256(SHA256(SHA256(password)), nonce)
Digest scramble(const char* password, const std::array<unsigned char, kNonceBytes>& nonce) {
    Digest once = {};
    ::SHA256(reinterpret_cast<const unsigned char*>(password), std::strlen(password), once.data());
    std::array<unsigned char, SHA256_DIGEST_LENGTH + kNonceBytes> twice_and_nonce = {};
    ::SHA256(once.data(), once.size(), twice_and_nonce.data());
    std::copy(nonce.begin(), nonce.end(), twice_and_nonce.begin() + SHA256_DIGEST_LENGTH);
    Digest mask = {};
    ::SHA256(twice_and_nonce.data(), twice_and_nonce.size(), mask.data());
    for (std::size_t i = 0; i < once.size(); ++i) {
        once[i] ^= mask[i];
    }
    return once;
}

int log_in_by_sha256(MYSQL_PLUGIN_VIO* vio, MYSQL* handle, Login& login, bool caching) {
    std::array<unsigned char, kNonceBytes> nonce = {};
    if (!read_nonce(vio, nonce)) {
        return CR_SERVER_HANDSHAKE_ERR;
    }
    bool const has_password = handle->passwd != nullptr && handle->passwd[0] != '\0';
    if (!has_password) {
        constexpr unsigned char kNone = 0;
        return send(vio, &kNone, caching ? 0 : 1);
    }
    if (!caching) {
        return send_password(vio, handle, login, true);
    }
    Digest const proof = scramble(handle->passwd, nonce);
    unsigned char* answer = nullptr;
    if (send(vio, proof.data(), proof.size()) != CR_OK || vio->read_packet(vio, &answer) != 1) {
        return CR_ERROR;
    }
    if (*answer == kScrambleWasRight) {
        return CR_OK;
    }
    return *answer == kPasswordIsWanted ? send_password(vio, handle, login, false) : CR_ERROR;
}

struct Guarded {
    const char* name;
    bool by_sha256;
    bool caching;
    Authenticate before;
};

std::array<Guarded, 5> guarded = {{{"mysql_native_password", false, false, nullptr},
                                   {"client_ed25519", false, false, nullptr},
                                   {"parsec", false, false, nullptr},
                                   {"caching_sha2_password", true, true, nullptr},
                                   {"sha256_password", true, false, nullptr}}};

template <std::size_t kIndex>
int authenticate(MYSQL_PLUGIN_VIO* vio, MYSQL* handle) {
    const Guarded& plugin = guarded[kIndex];
    Login* const login = login_of(handle);
    if (login == nullptr || login->tls == TlsMode::kDisable) {
        return plugin.before(vio, handle);
    }
    if (login->tls != TlsMode::kPrefer && (handle->server_capabilities & CLIENT_SSL) == 0) {
        return refuse(*login, Login::Refusal::kNoTls);
    }
    return plugin.by_sha256 ? log_in_by_sha256(vio, handle, *login, plugin.caching) : plugin.before(vio, handle);
}

template <std::size_t kIndex>
void guard(MYSQL* handle) {
    Guarded& plugin = guarded[kIndex];
    auto* const found = reinterpret_cast<Plugin*>(mysql_client_find_plugin(handle, plugin.name, kAuthenticationPlugin));
    // One that is not installed cannot be asked for either.
    if (found != nullptr && found->type == kAuthenticationPlugin && found->authenticate_user != authenticate<kIndex>) {
        plugin.before = std::exchange(found->authenticate_user, authenticate<kIndex>);
    }
}

template <std::size_t... kIndexes>
void guard_all(MYSQL* handle, std::index_sequence<kIndexes...>) {
    (guard<kIndexes>(handle), ...);
}

}  // namespace

void guard_login(MYSQL* handle, Login& login) {
    guard_all(handle, std::make_index_sequence<guarded.size()>());
    mysql_optionsv(handle, MARIADB_OPT_USERDATA, const_cast<char*>(kLogin), static_cast<void*>(&login));
}

bool is_encrypted(MYSQL* handle) noexcept { return mysql_get_ssl_cipher(handle) != nullptr; }

}  // namespace pgrepl::mysql
