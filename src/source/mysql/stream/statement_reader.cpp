#include "source/mysql/stream/statement_reader.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/mention.hpp"
#include "core/utf8.hpp"

namespace pgrepl::mysql {
namespace {

using core::SchemaChange;
using Kind = LoggedStatement::Kind;

constexpr std::array<std::string_view, 5> kSystemDatabases{"mysql", "information_schema", "performance_schema", "sys",
                                                           "ndbinfo"};

/// The text of a larger statement is not looked through for names.
constexpr std::size_t kMostTextBytes = 1 << 20;

SqlReading reading_of(const QueryEvent& query, bool from_mariadb) {
    return {.ansi_quotes = (query.sql_mode & QueryEvent::kAnsiQuotes) != 0,
            .backslash_escapes = (query.sql_mode & QueryEvent::kNoBackslashEscapes) == 0,
            .bracket_quotes = (query.sql_mode & QueryEvent::kMssql) != 0,
            .runs_m_comments = from_mariadb};
}

/// Charsets in which a session's no-break space (0xA0, or 0xFF in those of DOS) is a blank to the servers' lexers.
bool has_blank_no_break_space(const std::string& charset) {
    static constexpr std::array<std::string_view, 13> kNames{"armscii8", "cp1250", "cp852",  "cp866",   "dec8",
                                                             "geostd8",  "greek",  "hebrew", "keybcs2", "latin1",
                                                             "latin2",   "latin5", "latin7"};
    return std::find(kNames.begin(), kNames.end(), charset) != kNames.end();
}

/// In swe7 the quotes of names are letters, too, so its names can be told neither before nor after conversion.
constexpr std::string_view kSwedishBytes = "@[\\]^`{|}~";
bool holds_ascii(const Charset& charset) { return charset.name() != "swe7"; }

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

bool change_alike(const LoggedStatement& a, const LoggedStatement& b) {
    return std::equal(a.changes.begin(), a.changes.end(), b.changes.begin(), b.changes.end(),
                      [](const SchemaChange& one, const SchemaChange& other) {
                          return one.kind == other.kind && one.table == other.table &&
                                 one.renamed_to == other.renamed_to;
                      });
}

void add_altered(std::vector<SchemaChange>& altered, const core::TableName& name) {
    if (!name.table.empty()) {
        altered.push_back({.kind = SchemaChange::Kind::kAltered, .table = name, .renamed_to = {}, .statement = ""});
    }
}

/// What is certain of a statement that can be read in two ways.
LoggedStatement agreed(LoggedStatement a, LoggedStatement b) {
    a.tables.insert(a.tables.end(), b.tables.begin(), b.tables.end());
    if (a.kind == b.kind && change_alike(a, b)) {
        return a;
    }
    std::vector<SchemaChange> altered;
    bool is_known = a.kind == Kind::kSchema && b.kind == Kind::kSchema;
    for (const LoggedStatement* const reading : {&a, &b}) {
        for (const SchemaChange& change : reading->changes) {
            is_known = is_known && change.kind != SchemaChange::Kind::kDatabaseDropped;
            add_altered(altered, change.table);
            add_altered(altered, change.renamed_to);
        }
    }
    a.kind = is_known ? Kind::kSchema : Kind::kUnknown;
    a.changes = std::move(altered);
    return a;
}

std::vector<std::string> comparable_forms(const NameRules& names, const std::vector<std::string>& databases) {
    std::vector<std::string> forms;
    forms.reserve(databases.size());
    for (const std::string& database : databases) {
        forms.push_back(names.comparable(database));
    }
    return forms;
}

}  // namespace

StatementReader::StatementReader(bool from_mariadb, NameRules names, const std::vector<std::string>& databases)
    : from_mariadb_(from_mariadb), names_(std::move(names)), databases_(comparable_forms(names_, databases)) {}

LoggedStatement StatementReader::read(const QueryEvent& query) {
    if (query.is_void()) {
        return {};
    }
    std::vector<Text> const texts = texts_of(query);
    LoggedStatement statement{.kind = Kind::kUnknown, .name = "", .changes = {}, .tables = {}};
    for (std::size_t i = 0; i < texts.size(); ++i) {
        LoggedStatement reading = read_statement(texts[i].sql, query.schema, texts[i].reading);
        statement = i == 0 ? std::move(reading) : agreed(std::move(statement), std::move(reading));
    }
    if (statement.kind == Kind::kUnknown) {
        return not_understood(query, texts);
    }
    std::erase_if(statement.changes, [&](const SchemaChange& change) { return !is_of_interest(change); });
    if (!statement.changes.empty()) {
        std::string const shown_text = shown(query);
        for (SchemaChange& change : statement.changes) {
            // Of a statement about accounts, which may hold passwords, nothing is shown.
            change.statement = change.kind == SchemaChange::Kind::kRights ? "a statement about rights" : shown_text;
        }
    }
    return statement;
}

LoggedStatement StatementReader::not_understood(const QueryEvent& query, const std::vector<Text>& texts) const {
    std::string text;
    for (const Text& reading : texts) {
        text += names_.comparable(reading.sql) + "\n";
    }
    if (texts.empty()) {
        text = names_.comparable(query.sql);
    }
    const Charset* const charset = charsets_.find_by_collation(query.client_collation);
    if (charset != nullptr && !holds_ascii(*charset)) {
        text.clear();
    }
    if (text.size() > kMostTextBytes) {
        text.clear();
    }
    // A statement names the database of a table, unless it is the default.
    bool const may_concern_us = databases_.empty() || text.empty() || texts.empty() ||
                                is_of_interest({.database = std::string(query.schema), .schema = "", .table = ""}) ||
                                std::any_of(databases_.begin(), databases_.end(), [&](const std::string& database) {
                                    return core::may_name(text, database);
                                });
    LoggedStatement statement;
    if (may_concern_us) {
        statement.kind = Kind::kSchema;
        statement.changes.push_back({.kind = SchemaChange::Kind::kNotUnderstood,
                                     .table = {.database = std::string(query.schema), .schema = "", .table = ""},
                                     .renamed_to = {},
                                     .statement = shown(query),
                                     .text = std::move(text)});
    }
    return statement;
}

std::string StatementReader::shown(const QueryEvent& query) const {
    std::vector<Text> const texts = texts_of(query);
    return texts.empty() ? shown_statement(query.sql, reading_of(query, from_mariadb_))
                         : shown_statement(texts.back().sql, texts.back().reading);
}

std::vector<StatementReader::Text> StatementReader::texts_of(const QueryEvent& query) const {
    const Charset* const charset = charsets_.find_by_collation(query.client_collation);
    bool const says_utf8 = charset != nullptr && (charset->is_utf8() || charset->is_binary());
    SqlReading const reading = reading_of(query, from_mariadb_);
    if (charset != nullptr && !holds_ascii(*charset) && query.sql.find_first_of(kSwedishBytes) != query.sql.npos) {
        return {};
    }
    if (says_utf8 || is_ascii(query.sql)) {
        return {{.sql = std::string(query.sql), .reading = reading}};
    }
    std::vector<Text> texts;
    if (std::string text; charset != nullptr && charset->append_utf8(query.sql, text)) {
        texts.push_back({.sql = std::move(text), .reading = reading});
        texts.back().reading.no_break_space = has_blank_no_break_space(charset->name());
    }
    if (core::is_utf8(query.sql)) {
        texts.push_back({.sql = std::string(query.sql), .reading = reading});
    }
    return texts;
}

bool StatementReader::is_of_interest(const SchemaChange& change) const {
    bool const concerns_any = change.kind == SchemaChange::Kind::kRights && change.table.table.empty();
    return concerns_any || is_of_interest(change.table) || is_of_interest(change.renamed_to);
}

bool StatementReader::is_of_interest(const core::TableName& name) const {
    if (name.database.empty()) {
        return false;
    }
    std::string const database = names_.comparable(name.database);
    if (!databases_.empty()) {
        return std::find(databases_.begin(), databases_.end(), database) != databases_.end();
    }
    return std::find(kSystemDatabases.begin(), kSystemDatabases.end(), database) == kSystemDatabases.end();
}

}  // namespace pgrepl::mysql
