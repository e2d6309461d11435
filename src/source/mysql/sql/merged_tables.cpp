#include "source/mysql/sql/merged_tables.hpp"

#include "source/mysql/sql/word_reader.hpp"

namespace pgrepl::mysql {

/// A UNION of queries may be followed by a parenthesis, too, which then holds more than names.
std::vector<core::TableName> merged_tables(std::string_view sql, const SqlReading& reading, std::string_view database) {
    WordReader words(sql, reading);
    while (!words.at_end()) {
        if (!words.accept("UNION")) {
            words.skip();
            continue;
        }
        words.accept_sign('=');
        std::vector<core::TableName> tables;
        if (words.accept_sign('(')) {
            do {
                tables.push_back(words.table(database));
            } while (words.accept_sign(','));
        }
        if (words.accept_sign(')') && !tables.back().table.empty()) {
            return tables;
        }
    }
    return {};
}

}  // namespace pgrepl::mysql
