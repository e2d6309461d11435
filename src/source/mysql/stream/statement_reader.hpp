#pragma once
// From a QUERY event to what it means: its text in UTF-8, read as the session read it that made it, and only changes of
// the databases that are of interest.
//
// The text is in the session's charset; but a CREATE TABLE that the server wrote itself (for CREATE TABLE … SELECT, or
// LIKE a temporary table), a SAVEPOINT, and the TRUNCATE of a table in memory are UTF-8, whatever charset the event
// names. So a text that may be either is read both ways. Where these differ, no name is certain: all of them are said
// to be altered, and what became of them is seen at the server.

#include <string>
#include <string_view>
#include <vector>

#include "source/mysql/binlog/query_event.hpp"
#include "source/mysql/server/name_rules.hpp"
#include "source/mysql/sql/ddl_statement.hpp"
#include "source/mysql/values/charset.hpp"

namespace pgrepl::mysql {

class StatementReader {
  public:
    /// `databases`: those of interest; empty: all but the servers' own.
    StatementReader(bool from_mariadb, NameRules names, const std::vector<std::string>& databases);

    /// Never kUnknown: what is not understood is a SchemaChange of that kind, unless no table of the databases can be
    /// meant.
    LoggedStatement read(const QueryEvent& query);
    /// Its text for messages.
    [[nodiscard]] std::string shown(const QueryEvent& query) const;
    /// It is in one of the databases.
    [[nodiscard]] bool is_of_interest(const core::TableName& name) const;

  private:
    struct Text {
        std::string sql;  ///< UTF-8
        SqlReading reading;
    };
    /// Once for each charset in which the text makes sense. None: it is `query.sql`, in an unknown one.
    [[nodiscard]] std::vector<Text> texts_of(const QueryEvent& query) const;
    [[nodiscard]] bool is_of_interest(const core::SchemaChange& change) const;
    [[nodiscard]] LoggedStatement not_understood(const QueryEvent& query, const std::vector<Text>& texts) const;

    bool from_mariadb_;
    NameRules names_;
    std::vector<std::string> databases_;  ///< in their comparable form
    mutable Charsets charsets_;
};

}  // namespace pgrepl::mysql
