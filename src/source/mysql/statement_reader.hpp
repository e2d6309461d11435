#pragma once
// From a QUERY event to what it means: its text in UTF-8, read as the session read it that made it, and only changes of
// the databases that are of interest.

#include <string>
#include <vector>

#include "source/mysql/binlog/query_event.hpp"
#include "source/mysql/charset.hpp"
#include "source/mysql/connection.hpp"
#include "source/mysql/ddl_statement.hpp"

namespace pgrepl::mysql {

class StatementReader {
  public:
    /// Asks the server how it compares names. `databases`: those of interest; empty: all but the servers' own.
    StatementReader(Connection& connection, std::vector<std::string> databases);

    LoggedStatement read(const QueryEvent& query);
    /// Its text for messages.
    [[nodiscard]] std::string shown(const QueryEvent& query) const;

  private:
    [[nodiscard]] std::string text_of(const QueryEvent& query) const;
    void fold(core::TableName& name) const;
    [[nodiscard]] bool is_of_interest(const core::TableName& name) const;

    std::vector<std::string> databases_;
    bool names_in_lower_case_ = false;
    mutable Charsets charsets_;
};

}  // namespace pgrepl::mysql
