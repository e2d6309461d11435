// Reads just as much of a statement as tells which tables it changes. alter_table.cpp reads the rest of ALTER TABLE.

#include "source/mysql/ddl_statement.hpp"

#include <utility>

#include "core/utf8.hpp"
#include "source/mysql/alter_table.hpp"
#include "source/mysql/word_reader.hpp"

namespace pgrepl::mysql {
namespace {

using core::SchemaChange;
using core::TableName;
using Kind = LoggedStatement::Kind;

/// More than any statement needs to be told apart; the columns of a CREATE TABLE are not read.
constexpr std::size_t kMostWords = 100'000;
constexpr std::size_t kMostShownBytes = 1000;

class StatementReader {
  public:
    StatementReader(std::string_view sql, WordReader words, std::string_view database)
        : sql_(sql), words_(std::move(words)), database_(database) {}

    LoggedStatement read() {
        skip_settings();
        if (read_transaction() || read_xa() || read_rows()) {
            return std::move(statement_);
        }
        if (words_.accept("CREATE")) {
            read_create();
        } else if (words_.accept("DROP")) {
            read_drop();
        } else if (words_.accept("ALTER")) {
            read_alter();
        } else if (words_.accept("RENAME")) {
            read_rename();
        } else if (words_.accept("TRUNCATE")) {
            words_.accept("TABLE");
            add(SchemaChange::Kind::kTruncated, words_.table(database_));
        }
        return std::move(statement_);
    }

  private:
    /// MariaDB: SET STATEMENT name = value, … FOR statement.
    void skip_settings() {
        if (!words_.accept_both("SET", "STATEMENT")) {
            return;
        }
        while (!words_.at_end() && !words_.accept("FOR")) {
            words_.skip();
        }
    }

    void add(SchemaChange::Kind kind, TableName table, TableName renamed_to = {}) {
        if (table.database.empty()) {
            return;  // no name was there: a statement that we misread
        }
        statement_.kind = Kind::kSchema;
        statement_.changes.push_back(
            {.kind = kind, .table = std::move(table), .renamed_to = std::move(renamed_to), .statement = ""});
    }

    bool set(Kind kind) {
        statement_.kind = kind;
        return true;
    }

    bool read_transaction() {
        if (words_.accept("BEGIN") || words_.accept_both("START", "TRANSACTION")) {
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
        Kind const kind = words_.accept("COMMIT")                            ? Kind::kXaCommit
                          : words_.accept("ROLLBACK")                        ? Kind::kXaRollback
                          : words_.accept("START") || words_.accept("BEGIN") ? Kind::kXaStart
                                                                             : Kind::kXaEnd;
        statement_.name = sql_.substr(words_.word().begin);
        return set(kind);
    }

    bool read_rows() {
        if (words_.accept("INSERT") || words_.accept("REPLACE")) {
            while (words_.accept_any({"LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"})) {
            }
            statement_.tables.push_back(words_.table(database_));
            return set(Kind::kRows);
        }
        if (words_.accept("DELETE")) {
            return read_delete();
        }
        if (words_.accept("UPDATE")) {
            while (words_.accept_any({"LOW_PRIORITY", "IGNORE"})) {
            }
            TableName table = words_.table(database_);
            if (words_.accept("AS") || !words_.word().is("SET")) {
                words_.name();  // by which the statement calls it
            }
            if (words_.accept("SET")) {
                statement_.tables.push_back(std::move(table));
            }
            return set(Kind::kRows);
        }
        if (words_.accept_both("LOAD", "DATA") || words_.accept_both("LOAD", "XML")) {
            return read_load();
        }
        return words_.accept_any({"CALL", "DO", "SELECT", "WITH", "HANDLER", "EXECUTE"}) && set(Kind::kRows);
    }

    /// LOAD DATA … INFILE 'name' … INTO TABLE name
    bool read_load() {
        while (words_.accept_any({"LOW_PRIORITY", "CONCURRENT", "LOCAL", "INFILE", "REPLACE", "IGNORE"}) ||
               words_.word().kind == SqlWord::Kind::kText) {
            if (words_.word().kind == SqlWord::Kind::kText) {
                words_.skip();
            }
        }
        if (words_.accept_both("INTO", "TABLE")) {
            statement_.tables.push_back(words_.table(database_));
        }
        return set(Kind::kRows);
    }

    /// A DELETE without a condition is what servers log when a table in memory has become empty with a restart.
    bool read_delete() {
        while (words_.accept_any({"LOW_PRIORITY", "QUICK", "IGNORE"})) {
        }
        set(Kind::kRows);
        if (!words_.accept("FROM")) {
            return true;
        }
        TableName table = words_.table(database_);
        if (words_.at_end()) {
            add(SchemaChange::Kind::kTruncated, std::move(table));
        } else if (words_.accept_any({"WHERE", "ORDER", "LIMIT", "FOR"})) {
            statement_.tables.push_back(std::move(table));
        }
        return true;
    }

    void read_create() {
        bool const replaces = words_.accept_both("OR", "REPLACE");
        if (words_.accept("TEMPORARY")) {
            return;
        }
        if (words_.accept("TABLE")) {
            words_.accept_if_not_exists();
            TableName const table = words_.table(database_);
            if (replaces) {
                add(SchemaChange::Kind::kDropped, table);
            }
            add(SchemaChange::Kind::kCreated, table);
        } else if (replaces && words_.accept_any({"DATABASE", "SCHEMA"})) {
            add(SchemaChange::Kind::kDatabaseDropped, {words_.name(), "", ""});
        } else if (words_.accept("UNIQUE") || (replaces && words_.accept_any({"INDEX", "FULLTEXT", "SPATIAL"}))) {
            read_index();  // one that is replaced may have been the key
        }
    }

    /// … INDEX name … ON table
    void read_index() {
        while (!words_.at_end() && !words_.accept("ON")) {
            words_.skip();
        }
        add(SchemaChange::Kind::kAltered, words_.table(database_));
    }

    void read_drop() {
        if (words_.accept_any({"TABLE", "TABLES"})) {
            words_.accept_if_exists();
            do {
                add(SchemaChange::Kind::kDropped, words_.table(database_));
            } while (words_.accept_sign(','));
        } else if (words_.accept_any({"DATABASE", "SCHEMA"})) {
            words_.accept_if_exists();
            add(SchemaChange::Kind::kDatabaseDropped, {words_.name(), "", ""});
        } else if (words_.accept("INDEX")) {
            read_index();
        }
    }

    void read_alter() {
        while (words_.accept_any({"ONLINE", "OFFLINE", "IGNORE"})) {
        }
        if (!words_.accept("TABLE")) {
            return;
        }
        words_.accept_if_exists();
        TableName const table = words_.table(database_);
        words_.accept_wait();
        for (SchemaChange& change : read_alterations(words_, table, database_)) {
            add(change.kind, std::move(change.table), std::move(change.renamed_to));
        }
    }

    void read_rename() {
        if (!words_.accept_any({"TABLE", "TABLES"})) {
            return;
        }
        words_.accept_if_exists();
        do {
            TableName table = words_.table(database_);
            words_.accept_wait();
            if (!words_.accept("TO")) {
                return;
            }
            add(SchemaChange::Kind::kRenamed, std::move(table), words_.table(database_));
        } while (words_.accept_sign(','));
    }

    std::string_view sql_;
    WordReader words_;
    std::string_view database_;
    LoggedStatement statement_;
};

}  // namespace

LoggedStatement read_statement(std::string_view sql, std::string_view database, const SqlReading& reading) {
    return StatementReader(sql, WordReader(split_sql(sql, reading, kMostWords)), database).read();
}

std::string shown_statement(std::string_view sql, const SqlReading& reading) {
    std::string shown;
    std::size_t copied = 0;
    bool secret = false;
    for (const SqlWord& word : split_sql(sql, reading, kMostWords)) {
        if (secret && word.kind == SqlWord::Kind::kText) {
            shown.append(sql.substr(copied, word.begin - copied)).append("'***'");
            copied = word.end;
        }
        secret = word.is("CONNECTION") || word.is("PASSWORD") || (secret && word.is_sign('='));
        if (word.begin > kMostShownBytes) {
            break;
        }
    }
    shown.append(sql.substr(copied, 2 * kMostShownBytes));
    if (shown.size() > kMostShownBytes) {
        std::size_t end = kMostShownBytes;
        while (end > 0 && (static_cast<unsigned char>(shown[end]) & 0xC0) == 0x80) {
            --end;  // not within a character
        }
        shown.resize(end);
    }
    return core::is_utf8(shown) ? shown : "(a statement that is not UTF-8)";
}

}  // namespace pgrepl::mysql
