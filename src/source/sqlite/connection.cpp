// One read-only connection to a SQLite file: opening it so that nothing in the file can make us run code or
// touch other files, and waiting for its locks only as long as the caller allows.

#include "source/sqlite/connection.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "source/sqlite/sqlite_error.hpp"

namespace pgrepl::sqlite {
namespace {

constexpr int kProgressInstructions = 50'000;  // well below 10 ms of work between two questions
constexpr int kLongestBusyWaitMs = 20;
/// SQLite takes a journal that its writer removes at this very moment for one that was left behind, and leaves it to a
/// recovery, which only a writer may do, to find out (hasHotJournal in its pager.c). One that stays was left behind.
constexpr int kLooksAtJournal = 20;

/// In the place of a function that we do not use, and that a schema must not.
void refuse_call(sqlite3_context* context, int /*count*/, sqlite3_value** /*arguments*/) {
    sqlite3_result_error(context, "this function is not to be called", -1);
}

}  // namespace

Connection::Connection(Place place, Access access, int busy_timeout_ms, core::Interrupts& interrupts)
    : place_(std::move(place)), files_(place_), interrupts_(interrupts), busy_timeout_ms_(busy_timeout_ms) {
    bool const immutable = access == Access::kImmutable;
    std::string const name = immutable ? "file:" + files_.name() + "?mode=ro&immutable=1" : files_.name();
    // Who may write plays back the journal of a program that has died, moves the write-ahead log into the file when it
    // closes it as the last one, and makes companion files that belong to the server's user and shut out the others.
    int const flags =
        SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (immutable ? SQLITE_OPEN_URI : 0);
    sqlite3* handle = nullptr;
    int const result = sqlite3_open_v2(name.c_str(), &handle, flags, kVfsName);
    handle_.reset(handle);
    if (result != SQLITE_OK) {
        fail(result, "open");
    }
    lock_down();
}

void Connection::lock_down() {
    sqlite3* const db = handle_.get();
    sqlite3_busy_handler(db, on_busy, this);
    sqlite3_progress_handler(db, kProgressInstructions, on_progress, this);
    trust_own_functions();
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    // A quoted name that is no column must be an error, not a string that is copied into every row.
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    // Not mapped: a mapped file that is truncated by others raises SIGBUS. (The -shm file must be: mapped_index.hpp.)
    // What does not fit into a cache goes to a file (temporary_file.hpp), not into memory.
    execute("PRAGMA mmap_size = 0; PRAGMA query_only = 1; PRAGMA cell_size_check = 1; PRAGMA temp_store = 1", "open");
}

/// Whoever wrote the schema chooses what is called when a generated column, an index or a view is read. Not trusting it
/// at all would leave SQLite's own marks to decide, which its JSON functions lack before 3.41. So it is trusted, with
/// the functions that it may call: those that are marked as harmless, and these.
void Connection::trust_own_functions() {
    constexpr std::string_view kDoing = "open";
    sqlite3* const db = handle_.get();
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 1, nullptr);
    std::vector<std::pair<std::string, int>> distrusted;
    {
        constexpr int kArguments = 4;
        constexpr int kFlags = 5;
        // Not by SELECT, which would read the file.
        Statement const functions = prepare("PRAGMA function_list", kDoing);
        while (step(functions, kDoing)) {
            std::string name = column_string(functions, 0);
            bool const harmless = (sqlite3_column_int(functions.get(), kFlags) & SQLITE_INNOCUOUS) != 0;
            if (!harmless && !name.starts_with("json") && !name.starts_with("->")) {
                distrusted.emplace_back(std::move(name), sqlite3_column_int(functions.get(), kArguments));
            }
        }
    }
    for (const auto& [name, arguments] : distrusted) {
        int const result = sqlite3_create_function_v2(db, name.c_str(), arguments,
                                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, nullptr,
                                                      refuse_call, nullptr, nullptr, nullptr);
        if (result != SQLITE_OK) {
            fail(result, kDoing);
        }
    }
}

Statement Connection::prepare(std::string_view sql, std::string_view doing) const {
    sqlite3_stmt* statement = nullptr;
    int const result = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                          SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    Statement owned(statement);
    if (result != SQLITE_OK) {
        fail(result, doing);
    }
    return owned;
}

bool Connection::step(const Statement& statement, std::string_view doing) const {
    int const result = sqlite3_step(statement.get());
    throw_if_index_lost();
    if (result == SQLITE_ROW) {
        return true;
    }
    if (result != SQLITE_DONE) {
        fail(result, doing);
    }
    return false;
}

void Connection::execute(const char* sql, std::string_view doing) const {
    int const result = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
    if (result != SQLITE_OK) {
        fail(result, doing);
    }
}

std::string Connection::query_text(const char* sql, std::string_view doing) const {
    Statement const statement = prepare(sql, doing);
    return step(statement, doing) ? column_string(statement, 0) : std::string();
}

sqlite3_file* Connection::file() const {
    sqlite3_file* file = nullptr;
    int const result = sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (result != SQLITE_OK || file == nullptr || file->pMethods == nullptr) {
        fail(result == SQLITE_OK ? SQLITE_CANTOPEN : result, "open");
    }
    return file;
}

FileHeader Connection::read_header() const {
    FileHeader header = {};
    sqlite3_file* const opened = file();
    int const result = opened->pMethods->xRead(opened, header.data(), header.size(), 0);
    // A short read leaves zeros: what is missing is judged by the reader of the header.
    if (result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ) {
        fail(result, "read the header");
    }
    return header;
}

std::int64_t Connection::file_bytes() const {
    sqlite3_file* const opened = file();
    sqlite3_int64 bytes = 0;
    int const result = opened->pMethods->xFileSize(opened, &bytes);
    if (result != SQLITE_OK) {
        fail(result, "look at the size");
    }
    return bytes;
}

void Connection::begin_read() {
    for (int looks = 1;; ++looks) {
        try {
            return try_to_begin_read();
        } catch (const core::SourceError& error) {
            if (error.code() != SQLITE_READONLY_ROLLBACK || looks == kLooksAtJournal || interrupts_.pending()) {
                throw;
            }
        }
        interrupts_.wait(-1, core::Interrupts::WaitFor::kTime, looks);
    }
}

void Connection::try_to_begin_read() {
    constexpr std::string_view kDoing = "begin to read";
    if (!begin_) {
        begin_ = prepare("BEGIN", kDoing);
        commit_ = prepare("COMMIT", kDoing);
    }
    sqlite3_step(begin_.get());
    sqlite3_reset(begin_.get());
    try {
        if (!touch_) {
            // The schema is read here, under the lock that the transaction has just got.
            touch_ = prepare("SELECT 1 FROM sqlite_schema LIMIT 1", kDoing);
        }
        step(touch_, kDoing);
        sqlite3_reset(touch_.get());
    } catch (...) {
        sqlite3_reset(touch_.get());
        abandon_read();
        throw;
    }
}

void Connection::end_read() {
    int const result = sqlite3_step(commit_.get());
    sqlite3_reset(commit_.get());
    if (result != SQLITE_DONE) {
        fail(result, "end reading");
    }
}

void Connection::abandon_read() noexcept {
    if (sqlite3_get_autocommit(handle_.get()) == 0) {
        sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
}

int Connection::on_busy(void* self, int attempts) noexcept {
    auto* const connection = static_cast<Connection*>(self);
    auto const now = std::chrono::steady_clock::now();
    if (attempts == 0) {
        connection->busy_since_ = now;
    }
    auto const waited = std::chrono::duration_cast<std::chrono::milliseconds>(now - connection->busy_since_).count();
    if (waited >= connection->busy_timeout_ms_ || connection->interrupts_.pending()) {
        return 0;
    }
    connection->interrupts_.wait(-1, core::Interrupts::WaitFor::kTime, std::min(attempts + 1, kLongestBusyWaitMs));
    return connection->interrupts_.pending() ? 0 : 1;
}

int Connection::on_progress(void* self) noexcept {
    return static_cast<Connection*>(self)->interrupts_.pending() ? 1 : 0;
}

void Connection::throw_if_interrupted() const {
    if (interrupts_.pending()) {
        throw interrupted_error();
    }
}

void Connection::throw_index_lost() const {
    throw core::SourceError(core::SourceErrorKind::kBusy, SQLITE_IOERR_SHMMAP,
                            "\"" + path() + "-shm\" was cut off while it was read", true,
                            "It is the shared index of the database's write-ahead log. SQLite never shortens it while "
                            "a program uses it.",
                            "Find out what writes to it: nothing but SQLite may.");
}

void Connection::fail(int result, std::string_view doing) const {
    throw_if_index_lost();
    // The message is SQLite's own until the next call: taken before anything else is done with the handle.
    std::string message = handle_ ? sqlite3_errmsg(handle_.get()) : sqlite3_errstr(result);
    bool const waiting =
        (result & 0xff) == SQLITE_BUSY || (result & 0xff) == SQLITE_INTERRUPT || (result & 0xff) == SQLITE_PROTOCOL;
    if (waiting && interrupts_.pending()) {
        throw interrupted_error();
    }
    throw translate_error({.result = result,
                           .message = std::move(message),
                           .place = place_,
                           .doing = std::string(doing),
                           .busy_timeout_ms = busy_timeout_ms_},
                          this);
}

std::string quote_identifier(std::string_view name) {
    std::string quoted = "\"";
    for (char const letter : name) {
        quoted += letter;
        if (letter == '"') {
            quoted += '"';
        }
    }
    return quoted + '"';
}

std::string column_string(const Statement& statement, int column) {
    auto const* const text = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), column));
    auto const bytes = sqlite3_column_bytes(statement.get(), column);
    return text == nullptr ? std::string() : std::string(text, static_cast<std::size_t>(bytes));
}

}  // namespace pgrepl::sqlite
