#pragma once
// What a crash takes from a server that it has in its log. InnoDB writes its own log to disk at each commit only if it
// is told to; else the last second of commits is gone after a crash, while the binary log still holds them. (The other
// way round is another history: log_history.hpp.) Engines without transactions keep nothing in step with the log.

#include <string_view>

#include "core/source.hpp"
#include "source/mysql/server/connection.hpp"

namespace pgrepl::mysql {

inline constexpr const char* kCommitSetting = "innodb_flush_log_at_trx_commit";

/// With this value of kCommitSetting; empty: there is no InnoDB.
[[nodiscard]] constexpr bool keeps_commits(std::string_view value) noexcept {
    return value.empty() || value == "1" || value == "3";
}

/// As the server is set now.
bool keeps_commits(Connection& connection);

}  // namespace pgrepl::mysql
