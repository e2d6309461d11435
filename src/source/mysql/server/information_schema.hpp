#pragma once
// Tables as information_schema describes them, before anything is made of it.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/table_name.hpp"
#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

struct ColumnRow {
    std::string name;
    bool nullable = false;
    std::string data_type;
    std::string column_type;
    std::string charset;
    std::string collation;
    std::uint64_t fraction = 0;
    std::string extra;
    std::string generation;
    bool in_primary_key = false;
    bool left_out = false;  ///< generated, and not in every row image of the log
};

struct IndexPart {
    std::string column;
    bool descending = false;
    bool usable = true;  ///< a whole column, not a prefix or an expression
    bool nullable = false;
};

struct IndexRow {
    std::string name;
    bool unique = true;
    bool ordered = true;  ///< a b-tree; not a hash
    std::vector<IndexPart> parts;
};

struct TableRow {
    std::string type;
    std::string engine;
    std::optional<std::uint64_t> rows;
    std::uint64_t bytes = 0;
    std::uint64_t row_bytes = 0;
    bool partitioned = false;
    std::string comment;
    bool any_column = false;         ///< is shown to the account, be it that it may not be read
    std::vector<ColumnRow> columns;  ///< that may be read
    std::vector<IndexRow> indexes;
    std::vector<core::TableName> parts;     ///< of a MERGE table
    std::string merged_into;                ///< a MERGE table that has this one among its own, quoted; empty: none
    std::vector<std::string> json_columns;  ///< MariaDB: with a json_valid() check, quoted

    /// Engine MERGE, which the servers do not spell alike.
    [[nodiscard]] bool is_merge() const { return engine == "MRG_MYISAM" || engine == "MRG_MyISAM"; }
};

using TableKey = std::pair<std::string, std::string>;  ///< database, table
using TableDescriptions = std::map<TableKey, TableRow>;

/// The tables that meet both conditions, which begin with an operator; the second may be empty. One question for the
/// tables, the columns, the indexes, and MariaDB's json_valid() checks each, whatever the number of tables. They are
/// asked again if the answers do not belong together: tables may be renamed in between.
TableDescriptions read_descriptions(Connection& connection, const std::string& database_condition,
                                    const std::string& table_condition);

/// SHOW CREATE TABLE. Empty for a table that cannot be read: what is wrong with it is said when its rows are wanted.
std::string create_statement(Connection& connection, const core::TableName& name);

}  // namespace pgrepl::mysql
