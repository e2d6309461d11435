#pragma once
// One read-only connection to a SQLite file, locked down, whose every wait can be interrupted. It knows
// nothing of snapshots or tables.

#include <sqlite3.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/source.hpp"
#include "source/sqlite/checked_files.hpp"

namespace pgrepl::sqlite {

static_assert(SQLITE_VERSION_NUMBER >= 3037000, "PRAGMA table_list needs SQLite 3.37");

struct StatementDeleter {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, StatementDeleter>;

/// The first bytes of a database file (https://www.sqlite.org/fileformat.html#the_database_header).
using FileHeader = std::array<unsigned char, 100>;

class Connection {
  public:
    enum class Access {
        kLive,       ///< with SQLite's locks, beside writers
        kImmutable,  ///< without any lock: the caller knows, or checks, that nobody writes
    };

    Connection(Place place, Access access, int busy_timeout_ms, core::Interrupts& interrupts);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    [[nodiscard]] const Place& place() const noexcept { return place_; }
    [[nodiscard]] const std::string& path() const noexcept { return place_.path; }
    [[nodiscard]] sqlite3* handle() const noexcept { return handle_.get(); }
    [[nodiscard]] core::Interrupts& interrupts() const noexcept { return interrupts_; }

    /// `doing` completes "cannot … in SQLite file": it names the work in errors.
    [[nodiscard]] Statement prepare(std::string_view sql, std::string_view doing) const;
    /// True: a row. False: no more. Throws everything else.
    bool step(const Statement& statement, std::string_view doing) const;
    void execute(const char* sql, std::string_view doing) const;
    /// The first column of the first row, as text; empty without a row.
    [[nodiscard]] std::string query_text(const char* sql, std::string_view doing) const;

    /// The file's own first bytes and size, read through SQLite's own file handle.
    [[nodiscard]] FileHeader read_header() const;
    [[nodiscard]] std::int64_t file_bytes() const;
    [[nodiscard]] sqlite3_file* file() const;

    /// A read transaction that has its snapshot (or its lock). Rolls back if that fails.
    void begin_read();
    void end_read();
    /// Ends whatever is open, quietly: for the way out of an error.
    void abandon_read() noexcept;

    [[noreturn]] void fail(int result, std::string_view doing) const;
    void throw_if_interrupted() const;
    /// To be called after whatever has read in a transaction, before what it has read is used.
    void throw_if_index_lost() const {
        if (files_.index_is_lost()) {
            throw_index_lost();
        }
    }

  private:
    struct HandleDeleter {
        void operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }
    };

    [[noreturn]] void throw_index_lost() const;
    void lock_down();
    void trust_own_functions();
    void try_to_begin_read();
    static int on_busy(void* self, int attempts) noexcept;
    static int on_progress(void* self) noexcept;

    Place place_;
    CheckedFiles files_;  ///< outlives the handle
    core::Interrupts& interrupts_;
    int busy_timeout_ms_;
    std::chrono::steady_clock::time_point busy_since_;
    std::unique_ptr<sqlite3, HandleDeleter> handle_;
    Statement begin_;
    Statement touch_;
    Statement commit_;
};

/// `name` as an SQL identifier.
std::string quote_identifier(std::string_view name);

/// The bytes of a text result column, as UTF-8.
std::string column_string(const Statement& statement, int column);

}  // namespace pgrepl::sqlite
