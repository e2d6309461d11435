#pragma once
// QUERY: a statement, either DDL or an end of a transaction (BEGIN, COMMIT, XA COMMIT, …); also MariaDB's
// QUERY_COMPRESSED, and EXECUTE_LOAD_QUERY, the statement of a LOAD DATA that was logged as such (MySQL source code
// documentation, "Query_event"; MariaDB knowledge base, "QUERY_EVENT").

#include <cstdint>
#include <string>

#include "source/mysql/binlog/event.hpp"

namespace pgrepl::mysql {

/// Views into the event, or into `storage` for the statement of a compressed event.
struct QueryEvent {
    static constexpr std::uint64_t kAnsiQuotes = 4;                 ///< bit of sql_mode
    static constexpr std::uint64_t kMssql = 1U << 10;               ///< bit of sql_mode: [x] is a name (MariaDB)
    static constexpr std::uint64_t kNoBackslashEscapes = 1U << 20;  ///< bit of sql_mode

    /// MariaDB with binlog_alter_two_phase logs an ALTER TABLE twice: as it begins, and as it has ended.
    enum class AlterPhase : std::uint8_t { kWhole, kStart, kCommit, kRollback };

    std::string_view schema;  ///< the default database, UTF-8; empty if none
    std::string_view sql;     ///< in the client's charset
    std::uint64_t sql_mode = 0;
    std::uint16_t client_collation = 0;  ///< of the statement's text; 0 if the event does not say
    std::uint16_t error_code = 0;        ///< of the statement, if it failed half way
    AlterPhase alter_phase = AlterPhase::kWhole;

    /// It stands in the log, but did nothing (yet).
    [[nodiscard]] bool is_void() const noexcept {
        return alter_phase == AlterPhase::kStart || alter_phase == AlterPhase::kRollback;
    }
};

/// `storage` keeps what is decompressed, and must outlive the result.
QueryEvent parse_query(const Event& event, std::string& storage);

}  // namespace pgrepl::mysql
