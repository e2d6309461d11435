// Connecting so that nothing at the server can make us hand out files or passwords, and waiting only as long as the
// caller allows. All waits but name resolution and the handshake go through on_wait().

#include "source/mysql/server/connection.hpp"

#include <errmsg.h>
#include <fcntl.h>
#include <ma_pvio.h>
#include <mysqld_error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <numeric>
#include <type_traits>
#include <utility>

#include "source/mysql/server/mysql_error.hpp"
#include "source/mysql/server/root_certificates.hpp"
#include "source/mysql/server/tls_session.hpp"

/// The driver exports it for its plugins, and has it in no header: `callback` is told of all that is read and written.
extern "C" int ma_pvio_register_callback(my_bool add, void (*callback)(int, MYSQL*, const unsigned char*, std::size_t));

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;

/// How long an answer may take. A dead peer is noticed by keepalives long before; this ends a wait for a server that
/// is alive and silent.
constexpr int kAnswerTimeoutMs = 15 * 60 * 1000;
constexpr int kMostAnswerTimeoutMs = 24 * 60 * 60 * 1000;
constexpr int kLongestWaitMs = 1000;
constexpr int kKeepaliveCount = 6;
constexpr unsigned long kMostPacketBytes = 1UL << 30;
/// What a server may say of itself and its tables in one answer, in memory: some 800,000 columns.
constexpr std::size_t kMostAnswerBytes = std::size_t{512} << 20;
static_assert(kMostAnswerBytes > Connection::kMostHeadBytes);
constexpr std::string_view kConnecting = "connect to";

/// Everything that the server's configuration or init_connect may have changed and that we depend on. DEFAULT would be
/// what the server's administrator has set. What the handshake said of charsets is not counted on: a server may pass
/// over it (character_set_client_handshake), or a proxy. character_set_results = NULL: text arrives as the bytes that
/// are stored, and we transcode it by the column's charset; the server would silently replace what it cannot convert by
/// question marks.
constexpr const char* kSession = R"(
    SET SESSION sql_mode = '', time_zone = '+00:00', character_set_client = utf8mb4,
        character_set_connection = utf8mb4, character_set_results = NULL, autocommit = 1,
        transaction_isolation = 'REPEATABLE-READ', net_read_timeout = 600, net_write_timeout = 3600,
        wait_timeout = 86400, sql_select_limit = 18446744073709551615, sql_big_selects = 1, sql_auto_is_null = 0,
        max_sort_length = 1024, completion_type = NO_CHAIN)";
constexpr const char* kMariaDbSession = R"(
    SET SESSION sql_mode = '', time_zone = '+00:00', character_set_client = utf8mb4,
        character_set_connection = utf8mb4, character_set_results = NULL, autocommit = 1,
        tx_isolation = 'REPEATABLE-READ', net_read_timeout = 600, net_write_timeout = 3600, wait_timeout = 86400,
        sql_select_limit = 18446744073709551615, sql_big_selects = 1, sql_auto_is_null = 0, max_sort_length = 1024,
        max_error_count = 64, sql_quote_show_create = 1, max_statement_time = 0,
        idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0, completion_type = NO_CHAIN,
        system_versioning_asof = DEFAULT)";
constexpr const char* kMySql8Session = R"(
    SET SESSION information_schema_stats_expiry = 0, max_execution_time = 0)";
constexpr const char* kMySql8GipkSession = R"(
    SET SESSION show_gipk_in_create_table_and_information_schema = ON)";

void set_socket_option(int socket, int level, int name, int value) {
    (void)::setsockopt(socket, level, name, &value, sizeof value);  // a socket without it still works
}

void keep_alive(int socket, const ConnectOptions& options) {
    set_socket_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_socket_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, options.keepalive_idle_s);
    set_socket_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, options.keepalive_interval_s);
    set_socket_option(socket, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveCount);
    set_socket_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT,
                      1000 * (options.keepalive_idle_s + options.keepalive_interval_s * kKeepaliveCount));
}

/// A server that asks for a local file gets none: belt and braces beside MYSQL_OPT_LOCAL_INFILE.
void refuse_local_files(MYSQL* handle) {
    mysql_set_local_infile_handler(
        handle, [](void** /*state*/, const char* /*name*/, void* /*data*/) { return 1; },
        [](void* /*state*/, char* /*buffer*/, unsigned /*size*/) { return -1; }, [](void* /*state*/) {},
        [](void* /*state*/, char* message, unsigned size) {
            if (size != 0) {
                message[0] = '\0';
            }
            return CR_UNKNOWN_ERROR;
        },
        nullptr);
}

}  // namespace

thread_local Connection* Connection::serving = nullptr;

Connection::Connection(const HostAndPort& host, const ConnectOptions& options, const std::string& password,
                       int connect_timeout_ms, core::Interrupts& interrupts)
    : interrupts_(interrupts),
      connect_timeout_ms_(std::max(connect_timeout_ms, 1000)),
      answer_timeout_ms_(connect_timeout_ms_),
      user_(options.user) {
    RootCertificates const certificates(options.root_certificate);
    ConnectOptions with_certificates = options;
    with_certificates.root_certificate = certificates.path();
    throw_if_interrupted();
    connect(host, with_certificates, password);
}

void Connection::connect(const HostAndPort& host, const ConnectOptions& options, const std::string& password) {
    server_ = host.text();
    connecting_ = {.host = host.host, .options = &options, .fault = ""};
    login_ = {.tls = options.tls};
    handle_.reset(mysql_init(nullptr));
    if (!handle_) {
        throw SourceError(SourceErrorKind::kResource, 0, "out of memory", true);
    }
    set_options(options);
    static int const registered = ma_pvio_register_callback(1, &Connection::on_transfer);
    if (registered != 0) {
        throw SourceError(SourceErrorKind::kInternal, 0, "the driver does not tell what it reads", false);
    }
    Turn const turn(*this, kMostHeadBytes);
    if (mysql_real_connect(handle_.get(), host.host.c_str(), options.user.c_str(), password.c_str(), nullptr, host.port,
                           nullptr, 0) == nullptr) {
        throw_if_not_meant();
        throw_if_refused();
        fail(kConnecting);
    }
    check_not_redirected(host);
    auto const socket = static_cast<int>(mysql_get_socket(handle_.get()));
    // Else the driver reads TLS records in a blocking way, past the callback.
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
    keep_alive(socket, options);
    check_tls(options.tls);
    check_certificate();
    const char* const version = mysql_get_server_info(handle_.get());
    version_text_ = version == nullptr ? "" : version;
    flavour_ = version_text_.find("MariaDB") != std::string::npos ? Flavour::kMariaDb : Flavour::kMySql;
    version_ = mysql_get_server_version(handle_.get());
    set_session();
    answer_timeout_ms_ = kAnswerTimeoutMs;
}

void Connection::set_options(const ConnectOptions& options) {
    MYSQL* const handle = handle_.get();
    auto const seconds = static_cast<unsigned>((connect_timeout_ms_ + 999) / 1000);
    auto const tcp = static_cast<unsigned>(MYSQL_PROTOCOL_TCP);
    unsigned const off = 0;
    my_bool const no = 0;
    my_bool const yes = 1;
    mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(handle, MYSQL_OPT_PROTOCOL, &tcp);  // "localhost" is no socket file
    mysql_options(handle, MYSQL_OPT_LOCAL_INFILE, &off);
    mysql_options(handle, MYSQL_OPT_RECONNECT, &no);
    mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_options(handle, MYSQL_OPT_MAX_ALLOWED_PACKET, &kMostPacketBytes);
    mysql_optionsv(handle, MARIADB_OPT_RESTRICTED_AUTH, kAllowedPlugins);
    mysql_optionsv(handle, MARIADB_OPT_IO_WAIT, reinterpret_cast<void*>(&Connection::on_wait));
    mysql_options4(handle, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "pg_replicator");
    bool const verify = options.tls == TlsMode::kVerifyFull;
    my_bool const tls = options.tls == TlsMode::kDisable ? no : yes;
    mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &tls);
    mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, verify ? &yes : &no);
    if (!options.root_certificate.empty()) {
        mysql_options(handle, MYSQL_OPT_SSL_CA, options.root_certificate.c_str());
    }
    if (!options.fingerprint.empty()) {
        mysql_optionsv(handle, MARIADB_OPT_TLS_PEER_FP, options.fingerprint.c_str());
    }
#if MARIADB_PACKAGE_VERSION_ID >= 30402
    mysql_optionsv(handle, MARIADB_OPT_TLS_VERIFICATION_CALLBACK, &Connection::on_certificate);
#endif
    refuse_local_files(handle);
    guard_login(handle, login_);
}

#if MARIADB_PACKAGE_VERSION_ID >= 30402
/// Called by the driver, in place of its own check, before it logs in: so a server that is not the one that is meant
/// gets no password. Older drivers check all that is asked for by themselves.
int Connection::on_certificate(void* /*tls*/, unsigned /*checks*/) {
    if (serving == nullptr) {
        return 1;
    }
    MYSQL* const handle = serving->handle_.get();
    try {
        Connecting& connecting = serving->connecting_;
        connecting.fault = certificate_fault(handle, *connecting.options, connecting.host);
        if (connecting.fault.empty()) {
            handle->net.tls_verify_status = MARIADB_TLS_VERIFY_OK;  // the driver has asked more in the handshake
            return 0;
        }
    } catch (const std::exception&) {  // that there is no memory: nothing may be thrown through the driver
    }
    handle->net.tls_verify_status |= MARIADB_TLS_VERIFY_ERROR;  // else a proof by password may do instead
    return 1;
}
#endif

/// Once more, and for drivers without a callback: whatever has been checked, or been left out, while connecting.
void Connection::check_certificate() {
    connecting_.fault = certificate_fault(handle_.get(), *connecting_.options, connecting_.host);
    throw_if_not_meant();
}

void Connection::throw_if_not_meant() {
    if (!connecting_.fault.empty()) {
        fail(CR_SSL_CONNECTION_ERROR, "TLS/SSL error: " + connecting_.fault, kConnecting);
    }
}

/// From 3.4 on the driver follows a server that sends it to another one (redirect_url), and has no option against it;
/// only the hosts of the URL have been allowed. Nothing has been asked of the other server yet.
void Connection::check_not_redirected(const HostAndPort& host) {
    const char* connected = nullptr;
    unsigned port = 0;
    bool const known = mariadb_get_infov(handle_.get(), MARIADB_CONNECTION_HOST, &connected) == 0 &&
                       mariadb_get_infov(handle_.get(), MARIADB_CONNECTION_PORT, &port) == 0 && connected != nullptr;
    if (known && (host.host != connected || port != host.port)) {
        throw SourceError(SourceErrorKind::kPermissionDenied, 0,
                          "MySQL server " + server_ + " redirects to another one", false,
                          "It names " + HostAndPort{connected, port}.text() + "; redirections are not followed.",
                          "Name that server in the URL, or empty redirect_url at the server that is named there.");
    }
}

void Connection::throw_if_refused() {
    if (login_.refusal == Login::Refusal::kNoTls) {
        throw_no_tls();
    }
    if (login_.refusal == Login::Refusal::kPasswordAsked) {
        throw SourceError(
            SourceErrorKind::kPermissionDenied, 0,
            "MySQL server " + server_ + " asks for the password itself, on a connection without TLS", false,
            "The account uses caching_sha2_password or sha256_password, and the server does not offer TLS.",
            "Give the server a certificate (ssl_cert, ssl_key). If the network is to be trusted, write "
            "sslmode=disable: then the password is encrypted with a key that the server sends.");
    }
}

void Connection::throw_no_tls() {
    throw SourceError(SourceErrorKind::kPermissionDenied, 0, "MySQL server " + server_ + " does not offer TLS", false,
                      "The URL asks for an encrypted connection.",
                      "Give the server a certificate (ssl_cert, ssl_key), or write sslmode=disable if the network "
                      "is to be trusted.");
}

/// Once more: the driver goes on in plain text if the server has no TLS, whatever it was told.
void Connection::check_tls(TlsMode mode) {
    const char* const cipher = mysql_get_ssl_cipher(handle_.get());
    cipher_ = cipher == nullptr ? "" : cipher;
    if (cipher_.empty() && mode != TlsMode::kDisable && mode != TlsMode::kPrefer) {
        throw_no_tls();
    }
}

void Connection::set_session() {
    constexpr std::string_view kDoing = "set up a session at";
    execute(is_mariadb() ? kMariaDbSession : kSession, kDoing);
    set_lock_patience(std::nullopt);
    if (!is_mariadb() && version_ >= 80000) {
        execute(kMySql8Session, kDoing);
    }
    if (!is_mariadb() && version_ >= 80030) {
        execute(kMySql8GipkSession, kDoing);
    }
    check_charsets();
}

/// Else names beyond ASCII would not be found, and text would be read as what it is not.
void Connection::check_charsets() {
    constexpr std::string_view kWanted = "utf8mb4, utf8mb4, NULL";
    std::string const found =
        query_value(
            R"(SELECT CONCAT(@@session.character_set_client, ', ', @@session.character_set_connection, ', ',
               COALESCE(@@session.character_set_results, 'NULL')))",
            "look at the character sets of")
            .value_or("");
    if (found != kWanted) {
        throw SourceError(SourceErrorKind::kUnsupported, 0,
                          "MySQL server " + server_ + " imposes character sets on its clients", false,
                          "character_set_client, character_set_connection and character_set_results were set to " +
                              std::string(kWanted) + ", and are " + found + ".",
                          "Let what stands between this server and that one (a proxy) pass the SET statements of a "
                          "session on, or connect to the server itself.");
    }
}

/// Metadata locks of others are waited for, which a server does for a day.
void Connection::set_lock_patience(std::optional<int> patience_ms) {
    lock_patience_ms_ = patience_ms.value_or(connect_timeout_ms_);
    int const least = is_mariadb() ? 0 : 1;
    execute("SET SESSION lock_wait_timeout = " + std::to_string(std::max(lock_patience_ms_ / 1000, least)),
            "set up a session at");
}

void Connection::be_patient() noexcept { answer_timeout_ms_ = kMostAnswerTimeoutMs; }

void Connection::throw_if_locked_out(std::string_view doing) {
    if (mysql_warning_count(handle_.get()) == 0) {
        return;
    }
    for (const TextRow& row : query("SHOW WARNINGS", doing)) {
        if (row[1] == std::to_string(ER_LOCK_WAIT_TIMEOUT)) {
            fail(ER_LOCK_WAIT_TIMEOUT, row[2].value_or(""), doing);
        }
    }
}

void Connection::execute(std::string_view sql, std::string_view doing) { (void)query(sql, doing); }

TextRows Connection::query(std::string_view sql, std::string_view doing) {
    throw_if_interrupted();
    Turn const turn(*this, kMostHeadBytes);
    MYSQL* const handle = handle_.get();
    if (mysql_real_query(handle, sql.data(), static_cast<unsigned long>(sql.size())) != 0) {
        fail(doing);
    }
    // Not stored by the driver, which takes whatever comes: that would be for the server to bound.
    Result const result(mysql_use_result(handle));
    TextRows rows;
    if (!result) {
        if (mysql_errno(handle) != 0) {
            fail(doing);
        }
        return rows;
    }
    bound_answer(kMostAnswerBytes);
    unsigned const columns = mysql_num_fields(result.get());
    std::size_t bytes = 0;
    while (MYSQL_ROW const row = mysql_fetch_row(result.get())) {
        const unsigned long* const lengths = mysql_fetch_lengths(result.get());
        bytes = std::accumulate(lengths, lengths + columns, bytes + columns * sizeof(TextRow::value_type));
        if (bytes > kMostAnswerBytes || interrupts_.pending()) {
            abandon_answer(doing);
        }
        TextRow& values = rows.emplace_back(columns);
        for (unsigned i = 0; i < columns; ++i) {
            if (row[i] != nullptr) {
                values[i].emplace(row[i], lengths[i]);
            }
        }
    }
    if (mysql_errno(handle) != 0) {
        fail(doing);
    }
    return rows;
}

/// The driver reads an answer to its end before it frees it, and there may be none.
void Connection::abandon_answer(std::string_view doing) {
    ::shutdown(static_cast<int>(mysql_get_socket(handle_.get())), SHUT_RDWR);
    throw_if_interrupted();
    throw_too_large(doing);
}

void Connection::throw_too_large(std::string_view doing) const {
    throw SourceError(SourceErrorKind::kResource, 0,
                      "cannot " + std::string(doing) + " MySQL server " + server_ + ": its answer is too large", false,
                      "What it says of its tables takes more than " + std::to_string(kMostAnswerBytes >> 20) +
                          " MB, or what it says before that, or instead, more than " +
                          std::to_string(kMostHeadBytes >> 20) + " MB.",
                      "Name fewer databases in the URL, or grant the account fewer tables.");
}

std::optional<std::string> Connection::query_value(std::string_view sql, std::string_view doing) {
    TextRows rows = query(sql, doing);
    return rows.empty() || rows[0].empty() ? std::nullopt : std::move(rows[0][0]);
}

std::vector<std::size_t> Connection::json_columns(std::string_view sql, std::string_view doing) {
    throw_if_interrupted();
    Turn const turn(*this, kMostHeadBytes);
    MYSQL* const handle = handle_.get();
    if (mysql_real_query(handle, sql.data(), static_cast<unsigned long>(sql.size())) != 0) {
        fail(doing);
    }
    Result const result(mysql_use_result(handle));
    if (!result) {
        fail(doing);
    }
    if (mysql_fetch_row(result.get()) != nullptr) {
        abandon_answer(doing);  // none was asked for
    }
    if (mysql_errno(handle) != 0) {
        fail(doing);
    }
    std::vector<std::size_t> columns;
    for (unsigned i = 0; i < mysql_num_fields(result.get()); ++i) {
        MARIADB_CONST_STRING format = {};
        if (mariadb_field_attr(&format, mysql_fetch_field_direct(result.get(), i), MARIADB_FIELD_ATTR_FORMAT_NAME) ==
                0 &&
            std::string_view(format.str, format.length) == "json") {
            columns.push_back(i);
        }
    }
    return columns;
}

void Connection::send_command(enum_server_command command, std::string_view argument, int silence_ms,
                              std::string_view doing) {
    throw_if_interrupted();
    Turn const turn(*this);
    MYSQL* const handle = handle_.get();
    constexpr my_bool kAnswerIsReadLater = 1;
    if (handle->methods->db_command(handle, command, argument.data(), argument.size(), kAnswerIsReadLater, nullptr) !=
        0) {
        fail(doing);
    }
    answer_timeout_ms_ = silence_ms;
}

std::string_view Connection::read_packet(std::string_view doing) {
    throw_if_interrupted();
    Turn const turn(*this);
    MYSQL* const handle = handle_.get();
    unsigned long const length = mysql_net_read_packet(handle);
    if (length == packet_error) {
        fail(doing);
    }
    return {reinterpret_cast<const char*>(handle->net.read_pos), length};
}

bool Connection::has_input(int timeout_ms) {
    throw_if_interrupted();
    // The driver reads ahead, up to 16 kB, unless a packet is larger than 2 kB. A TLS record is not larger than what it
    // reads ahead: so nothing is left within TLS but after the end of a large packet.
    const MARIADB_PVIO* const input = handle_->net.pvio;
    if (input != nullptr && input->cache_pos < input->cache + input->cache_size) {
        return true;
    }
    auto const socket = static_cast<int>(mysql_get_socket(handle_.get()));
    pollfd descriptor = {.fd = socket, .events = POLLIN, .revents = 0};
    if (::poll(&descriptor, 1, 0) > 0) {
        return true;
    }
    for (int left = timeout_ms; left > 0; left -= kLongestWaitMs) {
        if (interrupts_.wait(socket, core::Interrupts::WaitFor::kReadable, std::min(left, kLongestWaitMs))) {
            return true;
        }
        throw_if_interrupted();
    }
    return false;
}

/// Called by the driver whenever it would block. `timeout` is not to be trusted: seconds with TLS, milliseconds
/// without (3.3).
int Connection::on_wait(my_socket socket, my_bool is_read, int /*timeout*/) {
    if (serving == nullptr) {
        errno = EINTR;  // a handle that is being closed: nothing of it is worth a wait
        return -1;
    }
    return serving->wait(socket, is_read != 0);
}

int Connection::wait(my_socket socket, bool for_reading) noexcept {
    auto const what = for_reading ? core::Interrupts::WaitFor::kReadable : core::Interrupts::WaitFor::kWritable;
    begin_wait();
    for (;;) {
        if (interrupted_ || interrupts_.pending()) {
            interrupted_ = true;
            errno = EINTR;
            return -1;
        }
        auto const waited =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - wait_began_);
        auto const left = static_cast<long>(answer_timeout_ms_) - static_cast<long>(waited.count());
        if (left <= 0) {
            timed_out_ = true;
            errno = ETIMEDOUT;
            return 0;
        }
        // Others may be served meanwhile, where the wait is aside.
        Connection* const served = std::exchange(serving, nullptr);
        bool const came =
            interrupts_.wait(static_cast<int>(socket), what, static_cast<int>(std::min<long>(left, kLongestWaitMs)));
        serving = served;
        if (came) {
            return 1;
        }
    }
}

/// Called by the driver with all that it has read or written.
void Connection::on_transfer(int mode, MYSQL* handle, const unsigned char* /*bytes*/, std::size_t count) {
    bool const is_count = static_cast<std::make_signed_t<std::size_t>>(count) > 0;
    if (mode == PVIO_READ && is_count && serving != nullptr && serving->handle_.get() == handle) {
        serving->count_answer(count);
    }
}

void Connection::count_answer(std::size_t bytes) noexcept {
    if (bytes > bytes_left_) {
        too_large_ = true;
        ::shutdown(static_cast<int>(mysql_get_socket(handle_.get())), SHUT_RDWR);
        return;
    }
    bytes_left_ -= bytes;
}

void Connection::fail(unsigned number, std::string message, std::string_view doing) {
    if (interrupted_ || interrupts_.pending()) {
        interrupted_ = true;
        throw interrupted_error();
    }
    if (too_large_) {
        throw_too_large(doing);
    }
    if (timed_out_) {
        message = "no answer within " + std::to_string(answer_timeout_ms_ / 1000) + " s";
        number = CR_SERVER_LOST;
    }
    throw translate_error({.number = number,
                           .message = std::move(message),
                           .server = server_,
                           .user = user_,
                           .doing = std::string(doing)});
}

void Connection::fail(std::string_view doing) {
    const char* const message = mysql_error(handle_.get());
    fail(mysql_errno(handle_.get()), message == nullptr ? "" : message, doing);
}

void Connection::throw_if_interrupted() {
    if (interrupted_ || interrupts_.pending()) {
        throw interrupted_error();
    }
}

std::string quote_identifier(std::string_view name) {
    std::string quoted = "`";
    for (char const letter : name) {
        quoted += letter;
        if (letter == '`') {
            quoted += '`';
        }
    }
    return quoted + '`';
}

std::string quote_text(std::string_view text) {
    std::string quoted = "'";
    for (char const letter : text) {
        if (letter == '\'' || letter == '\\') {
            quoted += '\\';
        }
        quoted += letter;
    }
    return quoted + "'";
}

}  // namespace pgrepl::mysql
