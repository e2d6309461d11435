#include "source/mysql/server/crash_safety.hpp"

#include <string>

namespace pgrepl::mysql {

bool keeps_commits(Connection& connection) {
    TextRows const rows =
        connection.query("SHOW GLOBAL VARIABLES LIKE " + quote_text(kCommitSetting), "look at the settings of");
    return keeps_commits(rows.empty() ? std::string_view() : std::string_view(rows[0][1].value_or("")));
}

}  // namespace pgrepl::mysql
