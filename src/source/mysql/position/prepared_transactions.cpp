// The text of prepared transactions.

#include "source/mysql/position/prepared_transactions.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "source/mysql/position/encoded_word.hpp"

namespace pgrepl::mysql {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        std::size_t const end = std::min(text.find(separator), text.size());
        parts.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

}  // namespace

std::optional<std::set<core::TableName>> PreparedTransactions::complete(const std::string& xid) {
    auto const found = open_.find(xid);
    if (found == open_.end()) {
        return std::nullopt;
    }
    std::set<core::TableName> tables = std::move(found->second);
    open_.erase(found);
    return tables;
}

std::string PreparedTransactions::text() const {
    std::string text;
    for (auto const& [xid, tables] : open_) {
        text += (text.empty() ? "" : ";") + encoded(xid) + ":";
        for (const core::TableName& table : tables) {
            text += encoded(table.database) + "/" + encoded(table.table) + "/";
        }
    }
    return text;
}

PreparedTransactions PreparedTransactions::parse(const std::string& text) {
    PreparedTransactions prepared;
    for (std::string_view const entry : split(text, ';')) {
        std::size_t const colon = std::min(entry.find(':'), entry.size());
        std::set<core::TableName>& tables = prepared.open_[decoded(entry.substr(0, colon))];
        std::vector<std::string_view> const names = split(entry.substr(std::min(colon + 1, entry.size())), '/');
        for (std::size_t i = 0; i + 1 < names.size(); i += 2) {
            tables.insert({.database = decoded(names[i]), .schema = "", .table = decoded(names[i + 1])});
        }
    }
    return prepared;
}

}  // namespace pgrepl::mysql
