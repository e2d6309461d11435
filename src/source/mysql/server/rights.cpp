#include "source/mysql/server/rights.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace pgrepl::mysql {
namespace {

/// How the account proves who it is stands with what it may do everywhere: it says nothing of rights, and may hold a
/// hash of its password.
std::string without_identification(const std::string& grant) {
    std::size_t const on_all = grant.find(" ON *.* TO ");
    return on_all == std::string::npos ? grant : grant.substr(0, grant.find(" IDENTIFIED ", on_all));
}

/// Its rows, in no order; or that it cannot be answered, which also says something: the account has been dropped, or
/// the server runs without accounts.
std::string answer(Connection& connection, std::string_view sql) {
    std::vector<std::string> lines;
    try {
        for (const TextRow& row : connection.query(sql, "look for the rights of the account at")) {
            std::string line;
            for (const std::optional<std::string>& value : row) {
                line += without_identification(value.value_or("NULL")) + " ";
            }
            lines.push_back(std::move(line));
        }
    } catch (const core::SourceError& error) {
        if (error.retryable() || error.code() == 0 || error.kind() == core::SourceErrorKind::kAuthentication) {
            throw;
        }
        lines = {"error " + std::to_string(error.code())};
    }
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const std::string& line : lines) {
        text += line + "\n";
    }
    return text;
}

}  // namespace

std::string read_rights(Connection& connection) {
    std::string text = answer(connection, "SHOW GRANTS");
    text += answer(connection, "SELECT ROLE_NAME, IS_DEFAULT FROM information_schema.APPLICABLE_ROLES");
    if (!connection.is_mariadb()) {
        text += answer(connection, "SELECT @@global.activate_all_roles_on_login, @@global.mandatory_roles");
    }
    return text;
}

}  // namespace pgrepl::mysql
