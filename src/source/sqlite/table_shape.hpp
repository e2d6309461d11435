#pragma once
// The tables of a SQLite file: what they look like to the rest of pg_replicator, and how their rows are
// reached.

#include <optional>
#include <string>
#include <vector>

#include "core/source.hpp"
#include "source/sqlite/connection.hpp"

namespace pgrepl::sqlite {

/// A column of the index that a table without usable rowid is read by.
struct KeyPart {
    std::string column;
    std::string collation;
    bool descending = false;
};

/// A table, and the order in which its rows can be read and resumed.
struct TableShape {
    enum class Paging {
        kNone,   ///< it cannot be copied
        kRowid,  ///< in ranges of the rowid
        kKey,    ///< one row after the other along the primary key
        kWhole,  ///< a view: all rows by one statement, which cannot resume
    };

    core::TableInfo info;
    Paging paging = Paging::kNone;
    std::string rowid;                        ///< kRowid: an expression for the rowid
    std::optional<std::size_t> rowid_column;  ///< kRowid: the layout's column that holds it, if any
    std::vector<KeyPart> key;                 ///< kKey: in the index's order
    std::string index;                        ///< kKey: the index to go along, where it is not the table itself
};

/// All tables and views but SQLite's own, by name. To be called within a read transaction.
std::vector<TableShape> read_shapes(const Connection& connection);

/// The table called `name`, if there is one.
std::optional<TableShape> read_shape(const Connection& connection, const std::string& name);

}  // namespace pgrepl::sqlite
