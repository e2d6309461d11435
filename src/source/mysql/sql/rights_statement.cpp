#include "source/mysql/sql/rights_statement.hpp"

#include <utility>

namespace pgrepl::mysql {
namespace {

using core::SchemaChange;
using Changes = std::vector<SchemaChange>;

SchemaChange rights_to(core::TableName table) {
    return {.kind = SchemaChange::Kind::kRights, .table = std::move(table), .renamed_to = {}, .statement = ""};
}

/// … ON table, database.table, database.*, *.* or *; a REVOKE ALL PRIVILEGES, or one of a role, names nothing.
Changes read_grant(WordReader& words, std::string_view database) {
    while (!words.at_end() && !words.accept("ON")) {
        if (words.word().is_sign('(')) {
            words.skip_parenthesis();
        } else {
            words.skip();
        }
    }
    if (words.accept_any({"FUNCTION", "PROCEDURE", "PACKAGE"})) {
        return {};
    }
    words.accept("TABLE");
    core::TableName table = words.table(database);
    return {table.table.empty() ? any_rights() : rights_to(std::move(table))};
}

/// FLUSH PRIVILEGES takes up what was written into the tables of rights; it may stand among others.
Changes read_flush(WordReader& words) {
    while (!words.at_end() && !words.word().is("PRIVILEGES")) {
        words.skip();
    }
    return words.at_end() ? Changes() : Changes{any_rights()};
}

}  // namespace

SchemaChange any_rights() { return rights_to({}); }

std::optional<Changes> read_rights(WordReader& words, std::string_view database) {
    if (words.accept_any({"GRANT", "REVOKE"})) {
        return read_grant(words, database);
    }
    if (words.accept("FLUSH")) {
        return read_flush(words);
    }
    bool const is_of_accounts =
        words.word().is_any({"ALTER", "DROP", "RENAME"}) && words.following().is_any({"USER", "ROLE"});
    if (is_of_accounts || (words.word().is("SET") && words.following().is("DEFAULT"))) {
        return Changes{any_rights()};
    }
    return std::nullopt;
}

}  // namespace pgrepl::mysql
