#pragma once
// The name of a table at its source.

#include <compare>
#include <string>

#include "core/postgres_free.hpp"

namespace pgrepl::core {

/// A table or collection of a source. `database` is never empty: SQLite has `main`, MySQL and MongoDB have
/// their databases; a PostgreSQL source adds `schema`, which is empty elsewhere. UTF-8, as the source spells it.
struct TableName {
    std::string database;
    std::string schema;
    std::string table;

    auto operator<=>(const TableName&) const = default;

    /// For messages and for matching filters: `database.table` or `database.schema.table`.
    [[nodiscard]] std::string qualified() const {
        return schema.empty() ? database + "." + table : database + "." + schema + "." + table;
    }
};

}  // namespace pgrepl::core
