// SQLite's result codes in the words of SourceError, and what a file's header tells about a file that SQLite
// refuses.

#include "source/sqlite/sqlite_error.hpp"

#include <sqlite3.h>

#include <array>
#include <bitset>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "source/sqlite/connection.hpp"
#include "source/sqlite/file_look.hpp"
#include "source/sqlite/own_limits.hpp"

namespace pgrepl::sqlite {
namespace {

using core::SourceError;
using core::SourceErrorKind;

constexpr std::string_view kMagic{"SQLite format 3\0", 16};
constexpr std::string_view kDamageHint =
    "Check it with \"PRAGMA integrity_check\" of the sqlite3 shell; restore it from a backup, or save what "
    "is "
    "left with the shell's \".recover\".";

std::uint32_t big_endian(const unsigned char* bytes, int count) {
    std::uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
        value = value << 8 | bytes[i];
    }
    return value;
}

std::string named(const std::string& path) { return "SQLite file \"" + path + "\""; }

std::string cannot(const FailedCall& call) {
    return "cannot " + call.doing + (call.doing.starts_with("read table") ? " of " : " ") + named(call.place.path);
}

/// Encrypted pages look like noise: almost every byte value occurs in one of them.
bool looks_like_noise(const Connection& connection, std::int64_t file_bytes) {
    std::array<unsigned char, 4096> page = {};
    auto const bytes = static_cast<int>(std::min<std::int64_t>(file_bytes, page.size()));
    sqlite3_file* const file = connection.file();
    if (file_bytes < 512 || file->pMethods->xRead(file, page.data(), bytes, 0) != SQLITE_OK) {
        return false;
    }
    std::bitset<256> seen;
    for (int i = 0; i < bytes; ++i) {
        seen.set(page[static_cast<std::size_t>(i)]);
    }
    // 512 random bytes hold about 220 different values, 4,096 all of them; text and most formats far fewer.
    return seen.count() >= (bytes < 4096 ? 190U : 240U);
}

SourceError foreign_file(const Connection& connection, const FileHeader& header, std::int64_t bytes) {
    std::string_view const start(reinterpret_cast<const char*>(header.data()), header.size());
    std::string const& path = connection.path();
    if (start.starts_with("** This file contains an SQLite 2")) {
        return {SourceErrorKind::kUnsupported,
                SQLITE_NOTADB,
                "\"" + path + "\" is a database of SQLite 2",
                false,
                "",
                "Convert it: sqlite OLD .dump | sqlite3 NEW."};
    }
    if (start.starts_with("\x37\x7f\x06\x82") || start.starts_with("\x37\x7f\x06\x83")) {
        return {SourceErrorKind::kNotADatabase,
                SQLITE_NOTADB,
                "\"" + path + "\" is the write-ahead log of a SQLite database, not the database",
                false,
                "It holds only the latest changes.",
                "Give the path of the database: the same without -wal."};
    }
    if (bytes % 512 == 0 && looks_like_noise(connection, bytes)) {
        return {SourceErrorKind::kEncrypted,
                SQLITE_NOTADB,
                "\"" + path + "\" is an encrypted SQLite database, or no SQLite database at all",
                false,
                "It does not begin with the header of SQLite 3, and its first page looks like noise.",
                "Encrypted files (SQLCipher, SEE) cannot be read: give a decrypted copy, or another path."};
    }
    return {SourceErrorKind::kNotADatabase,
            SQLITE_NOTADB,
            "\"" + path + "\" is not a SQLite database",
            false,
            "It does not begin with the header of SQLite 3.",
            "Check the path in the URL."};
}

/// The page size in the header, 0 if it is none.
std::uint32_t page_size(const FileHeader& header) {
    std::uint32_t const size = big_endian(&header[16], 2);
    std::uint32_t const real = size == 1 ? 65536 : size;
    return real >= 512 && (real & (real - 1)) == 0 ? real : 0;
}

/// Empty unless the header, where it is to be trusted, counts more pages than the file has.
std::string truncation(const FileHeader& header, std::int64_t bytes) {
    std::uint32_t const pages = big_endian(&header[28], 4);
    bool const count_is_valid = pages != 0 && std::memcmp(&header[24], &header[92], 4) == 0;
    std::int64_t const wanted = static_cast<std::int64_t>(pages) * page_size(header);
    if (!count_is_valid || bytes >= wanted) {
        return {};
    }
    return "Its header counts " + std::to_string(wanted) + " bytes (" + std::to_string(pages) + " pages), but it has " +
           std::to_string(bytes) + ".";
}

SourceError damaged(const FailedCall& call, const Connection* connection) {
    std::string detail;
    try {
        detail = connection == nullptr ? "" : truncation(connection->read_header(), connection->file_bytes());
    } catch (const SourceError&) {
        // The file is past explaining; the first error is the one to report.
    }
    if (!detail.empty()) {
        return {
            SourceErrorKind::kCorrupt,
            call.result,
            named(call.place.path) + " is truncated",
            false,
            detail + (call.doing.starts_with("read table") ? " Met while reading " + call.doing.substr(5) + "." : ""),
            "If it is still being copied to this place, wait until it is complete; else restore it from "
            "a backup."};
    }
    if (call.message.find("unsafe use of") != std::string::npos) {
        return {
            SourceErrorKind::kUnsupported,
            call.result,
            cannot(call) + ": " + call.message,
            false,
            "The file is not damaged: its schema (a generated column, an index or a view) calls a function that is not "
            "trusted, because of what it can do.",
            "Functions that SQLite ships and that do no more than compute are trusted; have its own program write the "
            "schema without the other."};
    }
    if (call.message.starts_with("malformed database schema")) {
        return {SourceErrorKind::kCorrupt,
                call.result,
                cannot(call) + ": " + call.message,
                false,
                "The schema stored in the file cannot be parsed.",
                "It may be written by a newer SQLite than " + std::string(sqlite3_libversion()) +
                    ", or damaged: try \"PRAGMA integrity_check\" with the sqlite3 shell of its own programs."};
    }
    return {SourceErrorKind::kCorrupt, call.result, cannot(call) + ": " + call.message, false, "The file is damaged.",
            std::string(kDamageHint)};
}

SourceError locked(const FailedCall& call) {
    std::string detail = "Another program has held a lock on it for " + std::to_string(call.busy_timeout_ms) + " ms.";
    if (call.result == SQLITE_BUSY_RECOVERY) {
        detail = "Another program is recovering its write-ahead log.";
    }
    return {SourceErrorKind::kBusy,
            call.result,
            named(call.place.path) + " is locked",
            true,
            detail,
            "\"fuser -v " + call.place.path +
                "\" (as root) shows who has it open: a program that keeps a transaction or an exclusive lock "
                "open. It "
                "is tried again; pg_replicator.connect_timeout says how long a lock is waited for."};
}

SourceError read_only(const FailedCall& call) {
    int const result = call.result;
    if (result == SQLITE_READONLY_ROLLBACK) {
        return {
            SourceErrorKind::kBusy,
            result,
            named(call.place.path) + " was left in the middle of a transaction",
            true,
            "A program that wrote to it has died; its rollback journal \"" + call.place.path +
                "-journal\" is still to be "
                "played back, which takes a program that may write.",
            "Open it once with its own program, or with: sqlite3 '" + call.place.path + "' 'PRAGMA schema_version'."};
    }
    if (result == SQLITE_READONLY_DBMOVED) {
        return {SourceErrorKind::kReplaced, result, named(call.place.path) + " was renamed or replaced", true};
    }
    return {SourceErrorKind::kPermissionDenied,
            result,
            cannot(call) + ": " + call.message,
            true,
            "It is in WAL mode, and its write-ahead log cannot be used without writing to \"" + call.place.path +
                "-shm\" or its directory.",
            "Let the operating system user of the PostgreSQL server write to that directory, keep a program "
            "that may "
            "write connected to it, or checkpoint it: sqlite3 '" +
                call.place.path + "' 'PRAGMA wal_checkpoint(TRUNCATE)'."};
}

SourceError cannot_open(const FailedCall& call) {
    try {
        check_readable(call.place);
    } catch (const SourceError& reason) {
        return reason;
    }
    FailedCall reworded = call;
    reworded.message = "unable to open the file or one beside it";
    return read_only(reworded);
}

SourceError out_of_memory(const FailedCall& call) {
    if (!memory_limit_was_met()) {
        return {SourceErrorKind::kResource, call.result, "out of memory: " + cannot(call), true};
    }
    return {SourceErrorKind::kBeyondLimit,
            call.result,
            cannot(call) + ": it takes too much memory",
            true,
            "One row of it, or what its expressions compute, needs more than pg_replicator.memory_per_worker and three "
            "of the largest rows that can be stored (256 MB each).",
            "Allow its source more: replicator_alter(name, options => '{\"memory_per_worker\": \"…\"}')."};
}

/// We write nothing to the file: only what is sorted or kept for a view, or a table that is computed, is written.
SourceError out_of_temporary_files(const FailedCall& call) {
    return {SourceErrorKind::kBeyondLimit,
            call.result,
            cannot(call) + ": it takes too much room in temporary files",
            true,
            "What is sorted, grouped or compared for it may take as much as temp_file_limit says, and half of what is "
            "free on the disk of the data directory.",
            "Have the file's own program store what the view computes as a table, raise temp_file_limit, or make room "
            "on this server's disk."};
}

SourceError disk_trouble(const FailedCall& call) {
    if (call.result == SQLITE_IOERR_NOMEM) {
        return out_of_memory(call);
    }
    return {SourceErrorKind::kUnreachable,
            call.result,
            cannot(call) + ": " + call.message,
            true,
            "The operating system reported an input/output error (" + std::to_string(call.result) + ": " +
                sqlite3_errstr(call.result) + ").",
            "See the kernel's log for the disk or network file system that holds it."};
}

SourceError refused_statement(const FailedCall& call) {
    bool const schema_needs_more = call.message.find("no such collation") != std::string::npos ||
                                   call.message.find("no such function") != std::string::npos ||
                                   call.message.find("no such module") != std::string::npos ||
                                   call.message.find("unsafe use of") != std::string::npos ||
                                   call.message.find("unsupported file format") != std::string::npos;
    return {schema_needs_more ? SourceErrorKind::kUnsupported : SourceErrorKind::kInternal, call.result,
            cannot(call) + ": " + call.message, false};
}

}  // namespace

SourceError interrupted_error() {
    return {SourceErrorKind::kInterrupted, SQLITE_INTERRUPT, "reading a SQLite file was interrupted", true};
}

std::optional<SourceError> explain_header(const Connection& connection) {
    FileHeader const header = connection.read_header();
    std::int64_t const bytes = connection.file_bytes();
    if (bytes > 0 && std::memcmp(header.data(), kMagic.data(), kMagic.size()) != 0) {
        return foreign_file(connection, header, bytes);
    }
    if (bytes > 0 && (bytes < static_cast<std::int64_t>(header.size()) || page_size(header) == 0)) {
        return SourceError(SourceErrorKind::kCorrupt, SQLITE_NOTADB,
                           named(connection.path()) + " is " + (bytes < 100 ? "truncated" : "damaged"), false,
                           "Its header is not that of a readable database.", std::string(kDamageHint));
    }
    if (header[19] > 2 || header[18] > 2) {
        return SourceError(
            SourceErrorKind::kUnsupported, SQLITE_NOTADB,
            named(connection.path()) + " has a format that SQLite " + sqlite3_libversion() + " does not know", false,
            "", "Install a newer libsqlite3 on this server.");
    }
    return std::nullopt;
}

SourceError translate_error(const FailedCall& call, const Connection* connection) {
    switch (call.result & 0xff) {
        case SQLITE_INTERRUPT:
            return interrupted_error();
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
            return locked(call);
        case SQLITE_NOTADB:
            if (connection != nullptr && connection->handle() != nullptr) {
                if (auto const reason = explain_header(*connection)) {
                    return *reason;
                }
            }
            return damaged(call, connection);
        case SQLITE_CORRUPT:
        case SQLITE_FORMAT:
            return damaged(call, connection);
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_AUTH:
            return cannot_open(call);
        case SQLITE_READONLY:
            return read_only(call);
        case SQLITE_IOERR:
            return disk_trouble(call);
        case SQLITE_NOMEM:
            return out_of_memory(call);
        case SQLITE_FULL:
            return out_of_temporary_files(call);
        case SQLITE_TOOBIG:
            return {SourceErrorKind::kUnsupported, call.result, cannot(call) + ": " + call.message, false,
                    "A value is larger than this build of SQLite can hand out (" + std::to_string(1'000'000'000) +
                        " bytes)."};
        case SQLITE_SCHEMA:
            return {SourceErrorKind::kTableChanged, call.result, cannot(call) + ": " + call.message, true};
        default:
            return refused_statement(call);
    }
}

}  // namespace pgrepl::sqlite
