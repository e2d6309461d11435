#pragma once
// What a statement in the log means for those who follow row changes: an end of a transaction, a change of tables, or
// rows that were changed without row events. In doubt a table is said to be altered, which has it read again. What is
// known to change no table is named one by one (CREATE VIEW, FLUSH …); all else is not understood.

#include <string>
#include <string_view>
#include <vector>

#include "core/stream.hpp"
#include "source/mysql/sql/sql_words.hpp"

namespace pgrepl::mysql {

struct LoggedStatement {
    enum class Kind : std::uint8_t {
        kNothing,
        kBegin,
        kCommit,
        kRollback,
        kSavepoint,   ///< `name` is set
        kRollbackTo,  ///< back to `name`
        kXaStart,
        kXaEnd,
        kXaCommit,    ///< `name`: the xid, as it is written
        kXaRollback,  ///<
        kSchema,      ///< `changes`
        kRows,        ///< INSERT, UPDATE, …: `tables`, and whatever its triggers, functions and views have changed
        kUnknown,     ///< it may have done anything
    };

    Kind kind = Kind::kNothing;
    std::string name;
    std::vector<core::SchemaChange> changes;  ///< without their text
    std::vector<core::TableName> tables;
};

/// `database` is the default for names without one. All text is UTF-8.
LoggedStatement read_statement(std::string_view sql, std::string_view database, const SqlReading& reading);

/// The statement for SchemaChange::statement: at most 1,000 bytes, without comments, and with '***' for each literal
/// but decimal numbers: a password may be in any of them (CONNECTION, the COMMENT that Spider reads, an expression's
/// key).
std::string shown_statement(std::string_view sql, const SqlReading& reading);

}  // namespace pgrepl::mysql
