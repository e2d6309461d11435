// Reads just as much of a statement as tells which tables it changes. alter_table.cpp reads the rest of ALTER TABLE.
// Where the servers' grammars have no end of a list or of a short statement, there is something that we do not know of.

#include "source/mysql/sql/ddl_statement.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "core/redaction.hpp"
#include "core/utf8.hpp"
#include "source/mysql/sql/alter_table.hpp"
#include "source/mysql/sql/merged_tables.hpp"
#include "source/mysql/sql/rights_statement.hpp"
#include "source/mysql/sql/word_reader.hpp"

namespace pgrepl::mysql {
namespace {

using core::SchemaChange;
using core::TableName;
using Kind = LoggedStatement::Kind;

constexpr std::size_t kMostShownBytes = 1000;

class StatementReader {
  public:
    StatementReader(std::string_view sql, const SqlReading& reading, std::string_view database)
        : sql_(sql), reading_(reading), words_(sql, reading), database_(database) {}

    LoggedStatement read() {
        skip_settings();
        bool const is_comment = words_.word().kind == SqlWord::Kind::kEnd;
        bool const understood = is_comment || read_transaction() || read_xa() || read_rows() || read_rights() ||
                                read_definition() || read_harmless();
        if (!understood) {
            return {.kind = Kind::kUnknown, .name = "", .changes = {}, .tables = {}};
        }
        return std::move(statement_);
    }

  private:
    /// MariaDB: SET STATEMENT name = value, … FOR statement.
    void skip_settings() {
        while (words_.accept_both("SET", "STATEMENT")) {
            while (!words_.at_end() && !words_.accept("FOR")) {
                skip_value();
            }
        }
    }
    void skip_value() {
        if (words_.word().is_sign('(')) {
            words_.skip_parenthesis();
        } else {
            words_.skip();
        }
    }

    bool set(Kind kind) {
        statement_.kind = kind;
        return true;
    }

    /// False if no name was there.
    bool add(SchemaChange::Kind kind, TableName table, TableName renamed_to = {}) {
        if (table.database.empty()) {
            return false;
        }
        statement_.changes.push_back(
            {.kind = kind, .table = std::move(table), .renamed_to = std::move(renamed_to), .statement = ""});
        return set(Kind::kSchema);
    }
    bool add_table(SchemaChange::Kind kind) { return add(kind, words_.table(database_)); }

    bool is_over() {
        words_.accept_sign(';');
        return words_.word().kind == SqlWord::Kind::kEnd;
    }

    // ---- transactions ----

    bool read_transaction() {
        if (words_.accept("BEGIN")) {
            words_.accept("WORK");
            return set(Kind::kBegin) && is_over();  // BEGIN NOT ATOMIC is no transaction
        }
        if (words_.accept_both("START", "TRANSACTION")) {
            return set(Kind::kBegin);
        }
        if (words_.accept("COMMIT")) {
            return set(Kind::kCommit);
        }
        if (words_.accept("SAVEPOINT")) {
            statement_.name = words_.name();
            return set(Kind::kSavepoint);
        }
        if (!words_.accept("ROLLBACK")) {
            return false;
        }
        words_.accept("WORK");
        if (!words_.accept("TO")) {
            return set(Kind::kRollback);
        }
        words_.accept("SAVEPOINT");
        statement_.name = words_.name();
        return set(Kind::kRollbackTo);
    }

    bool read_xa() {
        if (!words_.accept("XA")) {
            return false;
        }
        if (words_.accept_any({"END", "PREPARE"})) {
            return set(Kind::kXaEnd);
        }
        if (words_.accept_any({"START", "BEGIN"})) {
            return set(Kind::kXaStart);
        }
        Kind const kind = words_.accept("COMMIT") ? Kind::kXaCommit : Kind::kXaRollback;
        if (kind == Kind::kXaRollback && !words_.accept("ROLLBACK")) {
            return false;
        }
        statement_.name = sql_.substr(words_.word().begin);
        return set(kind);
    }

    // ---- rows ----

    bool read_rows() {
        if (words_.accept_both("ANALYZE", "FORMAT")) {
            words_.accept_sign('=');
            words_.skip();
        } else if (words_.word().is("ANALYZE") &&
                   words_.following().is_any({"INSERT", "REPLACE", "DELETE", "UPDATE", "SELECT", "WITH"})) {
            words_.skip();  // MariaDB: it does what it analyses
        }
        while (words_.accept_sign('(')) {
        }
        if (words_.accept_any({"INSERT", "REPLACE"})) {
            while (words_.accept_any({"LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"})) {
            }
            return add_rows_of(words_.table(database_));
        }
        if (words_.accept("DELETE")) {
            return read_delete();
        }
        if (words_.accept("UPDATE")) {
            return read_update();
        }
        if (words_.accept_both("LOAD", "DATA") || words_.accept_both("LOAD", "XML")) {
            return read_load();
        }
        return words_.accept_any({"CALL", "DO", "SELECT", "WITH", "HANDLER", "EXECUTE", "VALUES"}) && set(Kind::kRows);
    }

    /// Without a name it cannot be told whose they are.
    bool add_rows_of(TableName table) {
        if (!table.database.empty()) {
            statement_.tables.push_back(std::move(table));
        }
        return set(Kind::kRows);
    }

    bool read_update() {
        while (words_.accept_any({"LOW_PRIORITY", "IGNORE"})) {
        }
        TableName table = words_.table(database_);
        if (words_.accept("AS") || !words_.word().is("SET")) {
            words_.name();  // by which the statement calls it
        }
        return words_.accept("SET") ? add_rows_of(std::move(table)) : set(Kind::kRows);
    }

    /// LOAD DATA … INFILE 'name' … INTO TABLE name
    bool read_load() {
        while (words_.accept_any({"LOW_PRIORITY", "CONCURRENT", "LOCAL", "INFILE", "REPLACE", "IGNORE"}) ||
               words_.word().kind == SqlWord::Kind::kText) {
            if (words_.word().kind == SqlWord::Kind::kText) {
                words_.skip();
            }
        }
        return words_.accept_both("INTO", "TABLE") ? add_rows_of(words_.table(database_)) : set(Kind::kRows);
    }

    bool read_delete() {
        while (words_.accept_any({"LOW_PRIORITY", "QUICK", "IGNORE", "HISTORY"})) {
        }
        if (!words_.accept("FROM")) {
            return set(Kind::kRows);
        }
        TableName table = words_.table(database_);
        return is_over() || words_.accept_any({"WHERE", "ORDER", "LIMIT", "FOR", "BEFORE"})
                   ? add_rows_of(std::move(table))
                   : set(Kind::kRows);
    }

    // ---- tables ----

    bool read_definition() {
        if (words_.accept("CREATE")) {
            return read_create();
        }
        if (words_.accept("DROP")) {
            return read_drop();
        }
        if (words_.accept("ALTER")) {
            return read_alter();
        }
        if (words_.accept("RENAME")) {
            return words_.accept_any({"TABLE", "TABLES"}) && read_renames();
        }
        if (words_.accept("TRUNCATE")) {
            words_.accept("TABLE");
            if (!add_table(SchemaChange::Kind::kTruncated)) {
                return false;
            }
            words_.accept_wait();
            if (words_.accept_any({"DROP", "REUSE"})) {
                words_.accept("STORAGE");
            }
            return is_over();
        }
        return words_.accept_any({"REPAIR", "OPTIMIZE"}) && read_maintained();
    }

    bool read_create() {
        bool const replaces = words_.accept_both("OR", "REPLACE");
        if (words_.accept("TEMPORARY")) {
            return true;
        }
        words_.accept("EXTERNAL");
        // A sequence has its name among the tables: it takes the place of one.
        if (words_.accept("TABLE") || (replaces && words_.accept("SEQUENCE"))) {
            SchemaChange::Kind const kind =
                words_.accept_if_not_exists() ? SchemaChange::Kind::kCreatedIfAbsent : SchemaChange::Kind::kCreated;
            TableName const table = words_.table(database_);
            return (!replaces || add(SchemaChange::Kind::kDropped, table)) && add(kind, table) && add_merged();
        }
        if (words_.accept_any({"DATABASE", "SCHEMA"})) {
            words_.accept_if_not_exists();
            return !replaces || add(SchemaChange::Kind::kDatabaseDropped, {words_.name(), "", ""});
        }
        if (replaces && words_.word().is_any({"USER", "ROLE"})) {
            statement_.changes.push_back(any_rights());
            return set(Kind::kSchema);
        }
        words_.accept_any({"ONLINE", "OFFLINE"});
        bool const is_unique = words_.accept("UNIQUE");
        if (words_.accept_both("SPATIAL", "REFERENCE")) {
            return true;
        }
        words_.accept_any({"FULLTEXT", "SPATIAL", "VECTOR"});
        if (words_.accept_any({"INDEX", "KEY"})) {
            // One that is replaced may have been the key.
            return read_index(is_unique || replaces ? SchemaChange::Kind::kAltered : SchemaChange::Kind::kRedefined);
        }
        return accept_no_table();
    }

    /// … INDEX name … ON table
    bool read_index(SchemaChange::Kind kind) {
        while (!words_.at_end() && !words_.accept("ON")) {
            words_.skip();
        }
        return add_table(kind);
    }

    bool read_drop() {
        if (words_.accept("TEMPORARY")) {
            return true;
        }
        if (words_.accept_any({"TABLE", "TABLES"})) {
            words_.accept_if_exists();
            do {
                if (!add_table(SchemaChange::Kind::kDropped)) {
                    return false;
                }
            } while (words_.accept_sign(','));
            words_.accept_wait();
            words_.accept_any({"RESTRICT", "CASCADE"});
            return is_over();
        }
        if (words_.accept_any({"DATABASE", "SCHEMA"})) {
            words_.accept_if_exists();
            return add(SchemaChange::Kind::kDatabaseDropped, {words_.name(), "", ""}) && is_over();
        }
        words_.accept_any({"ONLINE", "OFFLINE"});
        return words_.accept_any({"INDEX", "KEY"}) ? read_index(SchemaChange::Kind::kAltered) : accept_no_table();
    }

    bool read_alter() {
        bool ignores_errors = false;
        while (words_.word().is_any({"ONLINE", "OFFLINE", "IGNORE"})) {
            ignores_errors = ignores_errors || words_.word().is("IGNORE");
            words_.skip();
        }
        if (!words_.accept("TABLE")) {
            return read_alter_database() || accept_no_table();
        }
        words_.accept_if_exists();
        TableName const table = words_.table(database_);
        if (table.database.empty()) {
            return false;
        }
        words_.accept_wait();
        for (SchemaChange& change : read_alterations(words_, table, database_, ignores_errors)) {
            add(change.kind, std::move(change.table), std::move(change.renamed_to));
        }
        return add_merged();
    }

    /// What is changed through a MERGE table stands in the log under its name.
    bool add_merged() {
        for (TableName& part : merged_tables(sql_, reading_, database_)) {
            add(SchemaChange::Kind::kRedefined, std::move(part));
        }
        return true;
    }

    /// MariaDB: UPGRADE DATA DIRECTORY NAME gives a database another name, which is not understood.
    bool read_alter_database() {
        if (!words_.accept_any({"DATABASE", "SCHEMA"})) {
            return false;
        }
        while (!words_.at_end() && !words_.word().is("UPGRADE")) {
            words_.skip();
        }
        return is_over();
    }

    bool read_renames() {
        words_.accept_if_exists();
        do {
            TableName table = words_.table(database_);
            words_.accept_wait();
            if (!words_.accept("TO")) {
                return false;
            }
            TableName renamed_to = words_.table(database_);
            if (renamed_to.database.empty() || !add(SchemaChange::Kind::kRenamed, std::move(table), renamed_to)) {
                return false;
            }
        } while (words_.accept_sign(','));
        return is_over();
    }

    /// [LOCAL] TABLE name, … options
    bool read_maintained() {
        words_.accept_any({"NO_WRITE_TO_BINLOG", "LOCAL"});
        if (words_.accept("VIEW")) {
            return true;
        }
        if (!words_.accept_any({"TABLE", "TABLES"})) {
            return false;
        }
        do {
            if (!add_table(SchemaChange::Kind::kMaintained)) {
                return false;
            }
        } while (words_.accept_sign(','));
        return true;
    }

    // ---- rights ----

    bool read_rights() {
        std::optional<std::vector<SchemaChange>> changes = mysql::read_rights(words_, database_);
        if (!changes) {
            return false;
        }
        statement_.changes = std::move(*changes);
        return statement_.changes.empty() || set(Kind::kSchema);
    }

    // ---- what changes no table ----

    /// After CREATE, ALTER or DROP: what is no table, and what stands before such a thing.
    bool accept_no_table() {
        return words_.accept_any({"VIEW",      "PROCEDURE", "FUNCTION",   "AGGREGATE", "TRIGGER",  "EVENT",
                                  "PACKAGE",   "SERVER",    "USER",       "ROLE",      "SEQUENCE", "RESOURCE",
                                  "LIBRARY",   "LOGFILE",   "TABLESPACE", "UNDO",      "INSTANCE", "DEFINER",
                                  "ALGORITHM", "SQL",       "SPATIAL",    "JSON",      "PREPARE"});
    }

    bool read_harmless() {
        if (words_.accept_any({"INSTALL", "UNINSTALL", "RELEASE", "DEALLOCATE"})) {
            return true;
        }
        if (words_.accept_any({"ANALYZE", "CHECK"})) {
            words_.accept_any({"NO_WRITE_TO_BINLOG", "LOCAL"});
            return words_.accept_any({"TABLE", "TABLES", "VIEW"});
        }
        if (words_.accept("SET")) {
            return words_.accept_any({"PASSWORD", "ROLE", "RESOURCE"});
        }
        return words_.accept_both("LOAD", "INDEX") || words_.accept_both("CACHE", "INDEX");
    }

    std::string_view sql_;
    SqlReading reading_;
    WordReader words_;
    std::string_view database_;
    LoggedStatement statement_;
};

}  // namespace

LoggedStatement read_statement(std::string_view sql, std::string_view database, const SqlReading& reading) {
    return StatementReader(sql, reading, database).read();
}

std::string shown_statement(std::string_view sql, const SqlReading& reading) {
    std::string shown;
    std::size_t shown_to = 0;
    SqlWords words(sql, reading);
    for (SqlWord word = words.next(); word.kind != SqlWord::Kind::kEnd && shown.size() <= kMostShownBytes;
         word = words.next()) {
        if (word.begin > shown_to && !shown.empty()) {
            shown += ' ';
        }
        // Also of 0x67…, which is a text by its bytes.
        bool const is_text =
            word.kind == SqlWord::Kind::kText ||
            (word.kind == SqlWord::Kind::kWord && (word.text.starts_with("0x") || word.text.starts_with("0b")));
        shown += is_text ? std::string_view("'***'") : sql.substr(word.begin, word.end - word.begin);
        shown_to = word.end;
    }
    if (shown.size() > kMostShownBytes) {
        std::size_t end = kMostShownBytes;
        while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) {
            --end;  // not within a character
        }
        shown.resize(end);
    }
    shown = core::redacted(std::move(shown), core::RedactWhat::kAll);
    return core::is_utf8(shown) ? shown : "(a statement that is not UTF-8)";
}

}  // namespace pgrepl::mysql
