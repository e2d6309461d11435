#pragma once
// One connection to a MySQL or MariaDB server, locked down, whose every wait can be interrupted. It knows nothing of
// snapshots or tables.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.hpp"
#include "source/mysql/server/connect_options.hpp"
#include "source/mysql/server/driver.hpp"
#include "source/mysql/server/login.hpp"

namespace pgrepl::mysql {

enum class Flavour : std::uint8_t { kMySql, kMariaDb };

/// A text result in memory: for questions about the server and its tables, never for rows of tables.
using TextRow = std::vector<std::optional<std::string>>;
using TextRows = std::vector<TextRow>;

class Connection {
  public:
    /// The hosts of the options are not looked at (connector.hpp).
    Connection(const HostAndPort& host, const ConnectOptions& options, const std::string& password,
               int connect_timeout_ms, core::Interrupts& interrupts);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    [[nodiscard]] bool is_mariadb() const noexcept { return flavour_ == Flavour::kMariaDb; }
    /// major * 10000 + minor * 100 + patch
    [[nodiscard]] unsigned long version() const noexcept { return version_; }
    [[nodiscard]] const std::string& version_text() const noexcept { return version_text_; }
    /// host:port, for messages.
    [[nodiscard]] const std::string& server() const noexcept { return server_; }
    [[nodiscard]] const std::string& cipher() const noexcept { return cipher_; }

    /// `doing` completes "cannot … MySQL server": it names the work in errors, with its preposition.
    void execute(std::string_view sql, std::string_view doing);
    [[nodiscard]] TextRows query(std::string_view sql, std::string_view doing);
    /// The first column of the first row; nothing for NULL or without a row.
    [[nodiscard]] std::optional<std::string> query_value(std::string_view sql, std::string_view doing);

    /// Which columns of the result MariaDB marks as JSON; none by servers before 10.5.
    [[nodiscard]] std::vector<std::size_t> json_columns(std::string_view sql, std::string_view doing);

    // ---- a command that is answered by packets without end ----

    /// Sends the command and waits for nothing. An answer is then given up after `silence_ms` without a byte.
    void send_command(enum_server_command command, std::string_view argument, int silence_ms, std::string_view doing);
    /// The next packet, which stays until the next call. Waits for it; throws what the server answers instead.
    [[nodiscard]] std::string_view read_packet(std::string_view doing);
    /// Whether there is something to read, after a wait of up to `timeout_ms`. With TLS it may overlook what came
    /// together with the end of a large packet, until more comes.
    [[nodiscard]] bool has_input(int timeout_ms);

    /// How long a statement may wait for the locks of others: as long as for a connection unless given. MySQL counts in
    /// seconds, so that less than one is one there; `lock_patience_ms()` is what was asked for.
    void set_lock_patience(std::optional<int> patience_ms);
    [[nodiscard]] int lock_patience_ms() const noexcept { return lock_patience_ms_; }

    /// Where nobody waits for them, answers may take as long as the server is alive.
    void be_patient() noexcept;

    /// Throws kTableLocked if the last query could not look into a table because of a lock: a question to
    /// information_schema then leaves out rows, and only warns.
    void throw_if_locked_out(std::string_view doing);

    /// The driver's handle, for statements. Calls that may wait are made within a Turn.
    [[nodiscard]] MYSQL* handle() const noexcept { return handle_.get(); }

    /// The driver keeps in memory whatever comes before the rows of an answer, or in the place of one: what a server
    /// says of columns (4,096 of them at most), an error, what it asks while we log in.
    static constexpr std::size_t kMostHeadBytes = std::size_t{16} << 20;

    /// Makes this connection the one that the driver's callbacks serve: they have no user data. An answer is given up
    /// behind `most_bytes`.
    class Turn {
      public:
        explicit Turn(Connection& connection, std::size_t most_bytes = SIZE_MAX) noexcept
            : connection_(connection), before_(serving), bytes_left_before_(connection.bytes_left_) {
            serving = &connection;
            connection.begin_wait();
            connection.bound_answer(most_bytes);
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() {
            serving = before_;
            connection_.bound_answer(bytes_left_before_);
        }

      private:
        Connection& connection_;
        Connection* before_;
        std::size_t bytes_left_before_;  ///< of a turn that this one is part of
    };

    /// While it lives, an answer is given up sooner than the answer to a query over a large table.
    class Patience {
      public:
        Patience(Connection& connection, int timeout_ms) noexcept
            : connection_(connection), before_(connection.answer_timeout_ms_) {
            connection.answer_timeout_ms_ = timeout_ms;
        }
        Patience(const Patience&) = delete;
        Patience& operator=(const Patience&) = delete;
        ~Patience() { connection_.answer_timeout_ms_ = before_; }

      private:
        Connection& connection_;
        int before_;
    };

    /// Throws the error that a call of the driver has left, and gives the connection up if it was interrupted.
    [[noreturn]] void fail(unsigned number, std::string message, std::string_view doing);
    [[noreturn]] void fail(std::string_view doing);
    void throw_if_interrupted();

  private:
    void connect(const HostAndPort& host, const ConnectOptions& options, const std::string& password);
    void set_options(const ConnectOptions& options);
    void check_not_redirected(const HostAndPort& host);
    void check_tls(TlsMode mode);
    void throw_if_refused();
    [[noreturn]] void throw_no_tls();
    void check_certificate();
    void throw_if_not_meant();
    void set_session();
    void check_charsets();
    [[noreturn]] void abandon_answer(std::string_view doing);
    [[noreturn]] void throw_too_large(std::string_view doing) const;
    void bound_answer(std::size_t most_bytes) noexcept { bytes_left_ = most_bytes; }
    void count_answer(std::size_t bytes) noexcept;
    static void on_transfer(int mode, MYSQL* handle, const unsigned char* bytes, std::size_t count);
    void begin_wait() noexcept { wait_began_ = std::chrono::steady_clock::now(); }
    int wait(my_socket socket, bool for_reading) noexcept;
    static int on_wait(my_socket socket, my_bool is_read, int timeout);
    static int on_certificate(void* tls, unsigned checks);

    /// Whom we connect to, for the time of connect(), and what is wrong with the certificate of who answers.
    struct Connecting {
        std::string host;
        const ConnectOptions* options = nullptr;
        std::string fault;
    };

    static thread_local Connection* serving;

    core::Interrupts& interrupts_;
    int connect_timeout_ms_;
    int answer_timeout_ms_;
    int lock_patience_ms_ = 0;
    bool interrupted_ = false;
    bool timed_out_ = false;
    bool too_large_ = false;
    std::size_t bytes_left_ = SIZE_MAX;  ///< of the answer
    std::chrono::steady_clock::time_point wait_began_;
    std::string server_;
    std::string user_;
    std::string version_text_;
    std::string cipher_;
    Flavour flavour_ = Flavour::kMySql;
    unsigned long version_ = 0;
    Connecting connecting_;
    Login login_;  ///< outlives the handle
    Handle handle_;
};

/// `name` as an SQL identifier.
std::string quote_identifier(std::string_view name);

/// `text`, in UTF-8, as an SQL literal for the session that Connection has set up (backslashes escape).
std::string quote_text(std::string_view text);

}  // namespace pgrepl::mysql
