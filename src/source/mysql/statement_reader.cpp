#include "source/mysql/statement_reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "source/mysql/marks.hpp"

namespace pgrepl::mysql {
namespace {

constexpr std::array<std::string_view, 5> kSystemDatabases{"mysql", "information_schema", "performance_schema", "sys",
                                                           "ndbinfo"};

SqlReading reading_of(const QueryEvent& query) {
    return {.ansi_quotes = (query.sql_mode & QueryEvent::kAnsiQuotes) != 0,
            .backslash_escapes = (query.sql_mode & QueryEvent::kNoBackslashEscapes) == 0};
}

void to_lower(std::string& name) {
    for (char& letter : name) {
        letter = letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter | 0x20) : letter;
    }
}

}  // namespace

StatementReader::StatementReader(Connection& connection, std::vector<std::string> databases)
    : databases_(std::move(databases)),
      names_in_lower_case_(value_or_empty(connection, "SELECT @@global.lower_case_table_names") != "0") {}

LoggedStatement StatementReader::read(const QueryEvent& query) {
    std::string const sql = text_of(query);
    LoggedStatement statement = read_statement(sql, query.schema, reading_of(query));
    for (core::TableName& name : statement.tables) {
        fold(name);
    }
    for (core::SchemaChange& change : statement.changes) {
        fold(change.table);
        fold(change.renamed_to);
    }
    std::erase_if(statement.changes, [&](const core::SchemaChange& change) {
        return !is_of_interest(change.table) && !is_of_interest(change.renamed_to);
    });
    if (!statement.changes.empty()) {
        std::string const shown = shown_statement(sql, reading_of(query));
        for (core::SchemaChange& change : statement.changes) {
            change.statement = shown;
        }
    }
    return statement;
}

std::string StatementReader::shown(const QueryEvent& query) const {
    return shown_statement(text_of(query), reading_of(query));
}

std::string StatementReader::text_of(const QueryEvent& query) const {
    std::string text;
    const Charset* const charset = charsets_.find_by_collation(query.client_collation);
    bool const converts = charset != nullptr && !charset->is_utf8() && !charset->is_binary();
    return converts && charset->append_utf8(query.sql, text) ? text : std::string(query.sql);
}

/// A server that keeps names in lower case logs statements as they were written.
void StatementReader::fold(core::TableName& name) const {
    if (names_in_lower_case_) {
        to_lower(name.database);
        to_lower(name.table);
    }
}

bool StatementReader::is_of_interest(const core::TableName& name) const {
    if (name.database.empty()) {
        return false;
    }
    if (!databases_.empty()) {
        return std::find(databases_.begin(), databases_.end(), name.database) != databases_.end();
    }
    return std::find(kSystemDatabases.begin(), kSystemDatabases.end(), name.database) == kSystemDatabases.end();
}

}  // namespace pgrepl::mysql
