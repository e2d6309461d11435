// Cheap guesses at how many rows a table has: from ANALYZE's statistics where they exist, else from the span
// of its rowids, bounded by what fits into the file.

#include "source/sqlite/row_count.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

namespace pgrepl::sqlite {
namespace {

constexpr std::string_view kDoing = "estimate sizes";

/// Rows by table, as of the last ANALYZE. An index that holds some rows only counts fewer: the largest wins.
std::map<std::string, std::int64_t> read_statistics(const Connection& connection) {
    std::map<std::string, std::int64_t> rows;
    Statement const exists =
        connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1' AND type = 'table'", kDoing);
    if (!connection.step(exists, kDoing)) {
        return rows;
    }
    Statement const statement = connection.prepare("SELECT tbl, stat FROM sqlite_stat1", kDoing);
    while (connection.step(statement, kDoing)) {
        std::int64_t& known = rows[column_string(statement, 0)];
        known = std::max<std::int64_t>(known, std::strtoll(column_string(statement, 1).c_str(), nullptr, 10));
    }
    return rows;
}

/// Nothing if there is no such rowid.
std::optional<std::int64_t> first_rowid(const Connection& connection, const TableShape& shape, const char* order,
                                        std::int64_t low, std::int64_t high) {
    std::string const table = quote_identifier(shape.info.name.table);
    Statement const statement =
        connection.prepare("SELECT " + shape.rowid + " FROM " + table + " NOT INDEXED WHERE " + shape.rowid +
                               " BETWEEN ?1 AND ?2 ORDER BY " + shape.rowid + " " + order + " LIMIT 1",
                           "read table " + table);
    sqlite3_bind_int64(statement.get(), 1, low);
    sqlite3_bind_int64(statement.get(), 2, high);
    if (!connection.step(statement, "read table " + table)) {
        return std::nullopt;
    }
    return sqlite3_column_int64(statement.get(), 0);
}

std::optional<std::int64_t> guess_rows(const Connection& connection, const TableShape& shape, std::int64_t file_bytes) {
    try {
        auto const extent = rowid_extent(connection, shape, INT64_MIN, INT64_MAX);
        if (!extent) {
            return 0;
        }
        auto const span = static_cast<std::uint64_t>(extent->second) - static_cast<std::uint64_t>(extent->first);
        // A row takes a byte for each column, two for its lengths, and two for its place in the page.
        auto const room = static_cast<std::uint64_t>(file_bytes) / (shape.info.layout.columns.size() + 4);
        return static_cast<std::int64_t>(std::min(span, room)) + 1;
    } catch (const core::SourceError& error) {
        // A damaged table is an error of its copy, not of the other tables' discovery.
        if (error.kind() != core::SourceErrorKind::kCorrupt) {
            throw;
        }
        return std::nullopt;
    }
}

}  // namespace

std::optional<std::pair<std::int64_t, std::int64_t>> rowid_extent(const Connection& connection, const TableShape& shape,
                                                                  std::int64_t low, std::int64_t high) {
    auto const least = first_rowid(connection, shape, "ASC", low, high);
    if (!least) {
        return std::nullopt;
    }
    return std::pair(*least, first_rowid(connection, shape, "DESC", low, high).value_or(*least));
}

void estimate_sizes(const Connection& connection, std::vector<TableShape>& shapes) {
    auto const statistics = read_statistics(connection);
    std::int64_t const file_bytes =
        std::strtoll(connection.query_text("PRAGMA page_count", kDoing).c_str(), nullptr, 10) *
        std::strtoll(connection.query_text("PRAGMA page_size", kDoing).c_str(), nullptr, 10);
    for (TableShape& shape : shapes) {
        core::TableInfo& info = shape.info;
        auto const known = statistics.find(info.name.table);
        if (known != statistics.end()) {
            info.estimated_rows = core::believable(known->second);
        } else if (shape.paging == TableShape::Paging::kRowid) {
            info.estimated_rows = guess_rows(connection, shape, file_bytes);
        }
    }
    if (shapes.size() == 1 && shapes.front().paging != TableShape::Paging::kNone) {
        shapes.front().info.estimated_bytes = file_bytes;
    }
}

}  // namespace pgrepl::sqlite
