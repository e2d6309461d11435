#pragma once
// Distributed transactions that have been prepared and neither committed nor rolled back, none of which changed a table
// that was followed then. What each changed is kept with the position: a stream that begins there has not read it, and
// a table may be followed by the time of the commit.

#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/table_name.hpp"

namespace pgrepl::mysql {

class PreparedTransactions {
  public:
    void prepare(const std::string& xid, std::set<core::TableName> tables) { open_[xid] = std::move(tables); }
    /// It is committed or rolled back: the tables that it has changed; nothing if it is not known.
    [[nodiscard]] std::optional<std::set<core::TableName>> complete(const std::string& xid);

    /// xid:database/table/database/table;xid:… in percent-encoding, without a space. parse() reads what text() writes.
    [[nodiscard]] std::string text() const;
    static PreparedTransactions parse(const std::string& text);

  private:
    std::map<std::string, std::set<core::TableName>> open_;
};

}  // namespace pgrepl::mysql
