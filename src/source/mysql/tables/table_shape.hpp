#pragma once
// Discovery: which tables there are, what their columns hold, and by which index they can be read in ranges.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/source.hpp"
#include "source/mysql/server/connection.hpp"
#include "source/mysql/server/name_rules.hpp"
#include "source/mysql/values/charset.hpp"

namespace pgrepl::mysql {

enum class ColumnKind : std::uint8_t {
    kInt8,
    kInt16,
    kInt32,  ///< MEDIUMINT too: the protocol sends four bytes
    kInt64,
    kYear,
    kBit,
    kFloat,
    kDouble,
    kDecimal,
    kDate,
    kDateTime,
    kTimestamp,
    kTime,
    kText,  ///< ENUM too: its label; and MariaDB's UUID, INET4, INET6
    kJson,
    kSet,        ///< labels with commas between them
    kSetNumber,  ///< a SET with an empty label, whose text would be ambiguous: the bits
    kBytes,
    kGeometry,
};

struct ColumnShape {
    std::string name;
    std::string expression;  ///< what is selected
    ColumnKind kind = ColumnKind::kBytes;
    bool is_unsigned = false;
    std::uint8_t fraction = 0;         ///< digits of a second
    const Charset* charset = nullptr;  ///< of text
    std::vector<Label> labels;         ///< kSetNumber: in definition order
};

/// How a value of a key's column is written down as a bound, and as a literal in a condition.
enum class BoundForm : std::uint8_t {
    kNumber,  ///< digits: integers, decimals, bits, years, and the numbers of ENUM and SET, which sort by them
    kReal,    ///< FLOAT and DOUBLE
    kText,    ///< bytes in the column's charset
    kBytes,
    kQuoted,  ///< dates, times, UUIDs, addresses: what the server prints
};

struct KeyPart {
    std::uint32_t column = 0;  ///< index into columns
    BoundForm form = BoundForm::kNumber;
    bool descending = false;
    bool is_integer = false;    ///< its values can be reckoned with
    bool needs_number = false;  ///< ENUM and SET: the number is selected beside the label
    std::string charset;        ///< kText
    /// Sorted and compared by a hash of its bytes, which is selected beside the value: a server that has no index to go
    /// by sorts by the first max_sort_length bytes of a value only, and reading that goes on after one would pass over
    /// all that share these. Nor can a collation then find keys equal that nothing keeps unique by it.
    bool by_hash = false;
};

/// Columns that make up the key of a table that has none of its own, by `database.table` or `table`.
using KeyRules = std::map<std::string, std::vector<std::string>>;

struct TableShape {
    core::TableInfo info;
    std::vector<ColumnShape> columns;  ///< in layout order
    std::vector<KeyPart> key;          ///< empty: it has none, or cannot be copied
    std::string index;
    /// The index gives the key's order and finds its place. Else the table is sorted once, and read in one go.
    bool is_ordered = true;
    std::uint64_t row_bytes = 0;  ///< estimated average; 0: unknown
};

/// What a source is of its server.
struct Scope {
    std::shared_ptr<const NameRules> names;
    std::vector<std::string> databases;  ///< empty: all but the servers' own

    [[nodiscard]] bool holds(std::string_view database) const;
    /// What is done about a database that does not exist, or that the account may not see.
    enum class Missing : std::uint8_t { kThrow, kPassOver };
    /// Calls the databases by the names that they have at the server, and returns those that it has. Throws kNotFound.
    std::vector<std::string> find_databases(Connection& connection, Missing missing);
};

/// All tables and views within the scope, by name. Throws kNotFound.
std::vector<TableShape> read_shapes(Connection& connection, Charsets& charsets, Scope& scope, const KeyRules& rules,
                                    Scope::Missing missing = Scope::Missing::kThrow);

/// The table of that name, if there is one within the scope.
std::optional<TableShape> read_shape(Connection& connection, Charsets& charsets, const Scope& scope,
                                     const core::TableName& name, const KeyRules& rules);

/// Whether a table of this definition (TableInfo::definition) keeps what it has committed if keeps_commits()
/// (crash_safety.hpp), which says it of InnoDB alone. What has none that is known does not.
bool survives_crash(std::string_view definition);

}  // namespace pgrepl::mysql
