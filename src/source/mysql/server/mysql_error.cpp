// Error numbers in the words of SourceError (mysqld_error.h, errmsg.h).

#include "source/mysql/server/mysql_error.hpp"

#include <mysql.h>
#include <mysqld_error.h>

#include <errmsg.h>

#include <algorithm>
#include <array>

namespace pgrepl::mysql {
namespace {

using core::SourceError;
using core::SourceErrorKind;
using Kind = SourceErrorKind;

struct Meaning {
    unsigned number;
    Kind kind;
    bool retryable;
    const char* hint;
};

constexpr unsigned kTableDefinitionChanged = 1412;
constexpr unsigned kStatementTimeout = 1969;        // MariaDB: max_statement_time
constexpr unsigned kLockAborted = 1689;             // by FLUSH TABLES of another
constexpr unsigned kConnectionKilled = 1927;        // MariaDB
constexpr unsigned kOfflineMode = 3032;             // MySQL: connections of ordinary accounts are ended and refused
constexpr unsigned kTableCorrupt = 1877;            // MySQL: InnoDB found a damaged page
constexpr unsigned kIdleTransactionTimeout = 4031;  // MySQL: disconnected by the server because of inactivity

constexpr const char* kGrantHint =
    "Grant what is missing: GRANT SELECT, REPLICATION SLAVE ON *.* TO the user (or SELECT on the databases to be "
    "read).";
constexpr const char* kRepairHint = "Run CHECK TABLE and REPAIR TABLE at the source.";
constexpr const char* kLockHint =
    "SHOW PROCESSLIST at the source shows who holds the lock: an ALTER TABLE, LOCK TABLES or a backup.";
constexpr const char* kUnknownPlugin = "the server asks for an authentication plugin that cannot be loaded";
constexpr const char* kTlsHint =
    "Check sslmode, sslrootcert and sslfingerprint in the URL, and the server's certificate and its expiry.";

constexpr Meaning kMeanings[] = {
    {CR_CONN_HOST_ERROR, Kind::kUnreachable, true,
     "Check host and port in the URL, that the server runs and listens on that address (bind_address), and firewalls."},
    {CR_CONNECTION_ERROR, Kind::kUnreachable, true, "Check that the server runs."},
    {CR_UNKNOWN_HOST, Kind::kNotFound, true, "Check the host in the URL, and this server's DNS."},
    {CR_SERVER_GONE_ERROR, Kind::kUnreachable, true,
     "The server was restarted, killed the connection or cut it off. See its error log if this comes again."},
    {CR_SERVER_LOST, Kind::kUnreachable, true,
     "The server was restarted, killed the connection or cut it off. See its error log if this comes again."},
    {CR_SERVER_HANDSHAKE_ERR, Kind::kNotADatabase, true, "Check that a MySQL or MariaDB server listens on that port."},
    {CR_VERSION_ERROR, Kind::kNotADatabase, false, "Check that a MySQL or MariaDB server listens on that port."},
    {CR_SSL_CONNECTION_ERROR, Kind::kUnreachable, false, kTlsHint},
    {CR_NET_PACKET_TOO_LARGE, Kind::kUnsupported, false, "A row is larger than 1 GB, the most that the protocol has."},
    {CR_AUTH_PLUGIN_CANNOT_LOAD, Kind::kAuthentication, false,
     "The account uses an authentication plugin that this server does not have or that we do not allow; use "
     "caching_sha2_password, mysql_native_password or ed25519."},
    {ER_ACCESS_DENIED_ERROR, Kind::kAuthentication, false,
     "Check user and password in the URL, and that the account is allowed from this server's address."},
    {ER_DBACCESS_DENIED_ERROR, Kind::kPermissionDenied, false, kGrantHint},
    {ER_TABLEACCESS_DENIED_ERROR, Kind::kTableDenied, false, kGrantHint},
    {ER_COLUMNACCESS_DENIED_ERROR, Kind::kTableDenied, false, kGrantHint},
    {ER_SPECIFIC_ACCESS_DENIED_ERROR, Kind::kPermissionDenied, false, kGrantHint},
    {ER_MUST_CHANGE_PASSWORD, Kind::kAuthentication, false, "The account's password has expired: change it."},
    {ER_MUST_CHANGE_PASSWORD_LOGIN, Kind::kAuthentication, false, "The account's password has expired: change it."},
    {ER_BAD_DB_ERROR, Kind::kNotFound, false, "Check the database in the URL."},
    {ER_HOST_NOT_PRIVILEGED, Kind::kAuthentication, false,
     "No account is allowed from this server's address: create one, or change the account's host part."},
    {ER_HOST_IS_BLOCKED, Kind::kUnreachable, true,
     "The server counted too many failed connections from here: run FLUSH HOSTS (mysqladmin flush-hosts) there."},
    {ER_CON_COUNT_ERROR, Kind::kBusy, true,
     "Raise max_connections at the source, or lower "
     "pg_replicator.copy_workers_per_source."},
    {ER_TOO_MANY_USER_CONNECTIONS, Kind::kBusy, true,
     "Raise max_user_connections of the account, or lower pg_replicator.copy_workers_per_source."},
    {ER_USER_LIMIT_REACHED, Kind::kBusy, true, "Raise the account's resource limits at the source."},
    {ER_VIEW_INVALID, Kind::kUnsupported, false, kBrokenViewHint},
    {ER_NO_SUCH_USER, Kind::kUnsupported, false, kBrokenViewHint},
    {ER_NO_SUCH_TABLE, Kind::kTableChanged, true, ""},
    {ER_BAD_FIELD_ERROR, Kind::kTableChanged, true, ""},
    {ER_KEY_DOES_NOT_EXISTS, Kind::kTableChanged, true, "An index that was there is gone; the table is copied again."},
    {kTableDefinitionChanged, Kind::kTableChanged, true, "The table is copied again."},
    {ER_NOT_KEYFILE, Kind::kCorrupt, false, kRepairHint},
    {ER_CRASHED_ON_USAGE, Kind::kCorrupt, false, kRepairHint},
    {ER_CRASHED_ON_REPAIR, Kind::kCorrupt, false, kRepairHint},
    {ER_OLD_KEYFILE, Kind::kCorrupt, false, kRepairHint},
    {ER_CANT_OPEN_FILE, Kind::kCorrupt, false, kRepairHint},
    {ER_FILE_NOT_FOUND, Kind::kCorrupt, false, kRepairHint},
    {ER_ERROR_ON_READ, Kind::kCorrupt, false, kRepairHint},
    {ER_NOT_FORM_FILE, Kind::kCorrupt, false, kRepairHint},
    {ER_UNEXPECTED_EOF, Kind::kCorrupt, false, kRepairHint},
    {ER_INDEX_CORRUPT, Kind::kCorrupt, false, kRepairHint},
    {ER_TABLESPACE_MISSING, Kind::kCorrupt, false, kRepairHint},
    {ER_TABLESPACE_DISCARDED, Kind::kCorrupt, false, kRepairHint},
    {kTableCorrupt, Kind::kCorrupt, false, kRepairHint},
    {ER_GET_ERRNO, Kind::kCorrupt, false, kRepairHint},
    {ER_NO_BINARY_LOGGING, Kind::kUnsupported, false, kLogGivenUpHint},
    {ER_LOCK_WAIT_TIMEOUT, Kind::kTableLocked, true, kLockHint},
    {ER_LOCK_DEADLOCK, Kind::kTableLocked, true, kLockHint},
    {ER_QUERY_INTERRUPTED, Kind::kUnreachable, true, "Somebody killed the query at the source."},
    {kOfflineMode, Kind::kUnreachable, true,
     "The server is in maintenance: it is waited for until offline_mode is off."},
    {ER_SERVER_SHUTDOWN, Kind::kUnreachable, true, ""},
    {ER_NORMAL_SHUTDOWN, Kind::kUnreachable, true, ""},
    {kStatementTimeout, Kind::kBusy, true, "Raise the account's MAX_STATEMENT_TIME at the source."},
    {kExecutionTimeout, Kind::kBusy, true, "Raise max_execution_time at the source."},
    {kIdleTransactionTimeout, Kind::kUnreachable, true, ""},
    {ER_OUT_OF_RESOURCES, Kind::kBusy, true, "The source is out of memory: see its error log."},
    {ER_OUTOFMEMORY, Kind::kBusy, true, "The source is out of memory: see its error log."},
    {ER_DISK_FULL, Kind::kBusy, true, "The source's disk is full."},
    {CR_OUT_OF_MEMORY, Kind::kResource, true, ""},
};

/// Answers without a meaning of their own that say nothing of the table which was asked for. All others do: engines,
/// plugins and other servers give numbers of their own to why a table cannot be opened.
constexpr unsigned kSaysNothingOfTable[] = {
    ER_UNKNOWN_ERROR,  // of proxies
    ER_NEED_REPREPARE,
    kLockAborted,
    kConnectionKilled,
};

/// Nearly everything that can go wrong with a stream of the log has one number: its text says what.
struct LogMeaning {
    const char* text;
    Kind kind;
    bool retryable;
    const char* hint;
};

constexpr const char* kPurgedHint =
    "Copy the source again: replicator_resync(name). Let the server keep its log longer: binlog_expire_logs_seconds, "
    "and no PURGE BINARY LOGS "
    "that "
    "is ahead of us.";
constexpr const char* kDivergedHint =
    "The server lost transactions (a crash without sync_binlog = 1, a failover to a server that was behind, a restore, "
    "or "
    "a reset of its log), or the URL names another server. Correct the URL with replicator_alter, or copy the source "
    "again: replicator_resync(name).";

/// A server reads a file of its log up to where it cannot, each time.
constexpr const char* kDamagedLogHint =
    "A file of its log is damaged, and the server sends nothing from there on. If the file cannot be mended, let the "
    "server begin another (FLUSH BINARY LOGS), and copy the source again: replicator_resync(name).";

constexpr const char* kEngineDiskFull = "error 28 ";  // ENOSPC, in a sentence about any error of an engine

constexpr const char* kSameServerId = "with the same server_";  // "id", or "uuid/server_id" in older versions

constexpr LogMeaning kLogMeanings[] = {
    {"purged required binary logs", Kind::kPositionLost, false, kPurgedHint},
    {"has purged binary logs", Kind::kPositionLost, false, kPurgedHint},
    {"Could not find GTID state requested", Kind::kPositionLost, false, kPurgedHint},
    {"Could not find first log file name", Kind::kPositionLost, false, kPurgedHint},
    {"more GTIDs than the", Kind::kDiverged, false, kDivergedHint},
    {"not in the master's binlog", Kind::kDiverged, false, kDivergedHint},
    {"slave has diverged", Kind::kDiverged, false, kDivergedHint},
    {kSameServerId, Kind::kThrownOut, true,
     "Another reader has the same server_id, and a server allows one at a time only. Is the source registered in a "
     "copy "
     "of this server, too? Set pg_replicator.enabled = off there, then call replicator_resume here. SHOW REPLICAS "
     "(SHOW "
     "SLAVE HOSTS) and SHOW PROCESSLIST at the source show its readers."},
    {"did not pass c", Kind::kUnreachable, true, kDamagedLogHint},  // "checksum", or "crc": it checks them itself
    {"bogus data in log event", Kind::kUnreachable, true, kDamagedLogHint},
    {"max_allowed_packet", Kind::kUnsupported, false, "Raise max_allowed_packet at the source to 1G."},
    {"Binary log is not open", Kind::kUnsupported, false, "Set log_bin in the server's configuration and restart it."},
};

/// A connection that ends looks like an error of TLS; what is wrong with a certificate shows while it is being made.
bool is_cut_off(const std::string& message) {
    return message.find("unexpected eof") != std::string::npos ||
           message.find("Connection reset") != std::string::npos || message.find("Broken pipe") != std::string::npos;
}

SourceError translate_log_error(const std::string& text, const FailedCall& call) {
    auto const* const known =
        std::find_if(std::begin(kLogMeanings), std::end(kLogMeanings),
                     [&](const LogMeaning& meaning) { return call.message.find(meaning.text) != std::string::npos; });
    auto const code = static_cast<int>(call.number);
    if (known == std::end(kLogMeanings)) {
        return {Kind::kUnreachable, code, text, true, "", "The server's error log may say more."};
    }
    return {known->kind, code, text, known->retryable, "", known->hint};
}

}  // namespace

SourceError interrupted_error() { return {Kind::kInterrupted, 0, "reading a MySQL source was interrupted", true}; }

bool is_of_server(int code) noexcept { return code != 0 && !IS_MYSQL_ERROR(code) && !IS_MARIADB_ERROR(code); }

bool is_unknown_answer(const SourceError& error) noexcept {
    return error.kind() == Kind::kInternal && is_of_server(error.code());
}

bool cannot_open_table(const SourceError& error) noexcept {
    return error.kind() == Kind::kCorrupt ||
           (is_unknown_answer(error) &&
            std::find(std::begin(kSaysNothingOfTable), std::end(kSaysNothingOfTable),
                      static_cast<unsigned>(error.code())) == std::end(kSaysNothingOfTable));
}

SourceError translate_error(const FailedCall& call) {
    // Connector/C quotes the plugin's name from memory that it has let go of.
    std::string const said = call.number == CR_AUTH_PLUGIN_CANNOT_LOAD ? kUnknownPlugin : call.message;
    std::string const text = "cannot " + call.doing + " MySQL server " + call.server + ": " + said;
    bool const same_id = call.message.find(kSameServerId) != std::string::npos;  // MariaDB has a number for it
    if (call.number == ER_MASTER_FATAL_ERROR_READING_BINLOG || same_id) {
        return translate_log_error(text, call);
    }
    auto const code = static_cast<int>(call.number);
    if (call.number == ER_GET_ERRNO && call.message.find(kEngineDiskFull) != std::string::npos) {
        return {Kind::kBusy, code, text, true, "", "The source's disk is full."};
    }
    if (call.number == CR_SSL_CONNECTION_ERROR && (call.doing != "connect to" || is_cut_off(call.message))) {
        return {
            Kind::kUnreachable,
            code,
            text,
            true,
            "",
            "The server was restarted, killed the connection or cut it off. See its error log if this comes again."};
    }
    auto const* const known = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                           [&](const Meaning& meaning) { return meaning.number == call.number; });
    if (known == std::end(kMeanings)) {
        // Only of those that are known can it be said that they do not pass by themselves.
        return {Kind::kInternal, code, text, true, "", "The server's error log may say more."};
    }
    std::string detail;
    if (known->kind == Kind::kAuthentication) {
        detail = call.user.empty() ? "The URL names no user." : "The user is \"" + call.user + "\".";
    }
    return {known->kind, code, text, known->retryable, detail, known->hint};
}

}  // namespace pgrepl::mysql
