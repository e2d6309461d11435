#pragma once
// The recorded events of test/unit/mysql_corpus, and what the server said of them. Tests run in the repository's root.

#include <zlib.h>

#include <array>
#include <cstring>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "source/mysql/binlog/event_table.hpp"
#include "source/mysql/wire/byte_reader.hpp"

namespace pgrepl::test {

struct Corpus {
    std::string bytes;
    std::vector<mysql::ByteSpan> events;
    /// Table, id, column -> value.
    std::map<std::string, std::map<std::string, std::map<std::string, std::string>>> expected;
    /// Table, column -> what information_schema adds: a logical type's name, or digits of a fraction.
    std::map<std::string, std::map<std::string, std::string>> added;

    /// For EventWalk::complete.
    void complete(mysql::EventTable& table) const {
        static const std::map<std::string, mysql::LogicalType> kTypes = {{"json", mysql::LogicalType::kJson},
                                                                         {"uuid", mysql::LogicalType::kUuid},
                                                                         {"inet4", mysql::LogicalType::kInet4},
                                                                         {"inet6", mysql::LogicalType::kInet6}};
        auto const known = added.find(table.table);
        for (mysql::EventColumn& column : table.columns) {
            auto const what =
                known == added.end() ? decltype(known->second.begin())() : known->second.find(column.name);
            if (known == added.end() || what == known->second.end()) {
                continue;
            }
            if (auto const type = kTypes.find(what->second); type != kTypes.end()) {
                column.logical = type->second;
            } else {
                column.decimals = static_cast<std::uint8_t>(std::stoi(what->second));
            }
        }
    }
};

inline std::string read_gzip(const std::string& path) {
    gzFile const file = gzopen(path.c_str(), "rb");
    if (file == nullptr) {
        throw std::runtime_error("cannot open " + path);
    }
    std::string content;
    std::array<char, 65536> part{};
    for (int size = 0; (size = gzread(file, part.data(), part.size())) > 0;) {
        content.append(part.data(), static_cast<std::size_t>(size));
    }
    gzclose(file);
    return content;
}

inline Corpus load_corpus(const std::string& name) {
    constexpr std::size_t kLengthOffset = 9;
    std::string const base = "test/unit/mysql_corpus/" + name;
    Corpus corpus;
    corpus.bytes = read_gzip(base + ".events.gz");
    for (std::size_t at = 0; at < corpus.bytes.size();) {
        std::uint32_t length = 0;
        std::memcpy(&length, corpus.bytes.data() + at + kLengthOffset, sizeof length);
        corpus.events.emplace_back(reinterpret_cast<const std::uint8_t*>(corpus.bytes.data()) + at, length);
        at += length;
    }
    std::istringstream lines(read_gzip(base + ".expected.gz"));
    for (std::string line; std::getline(lines, line);) {
        std::array<std::string, 4> field;
        std::istringstream fields(line);
        for (std::string& part : field) {
            std::getline(fields, part, '\t');
        }
        if (field[0].starts_with("!")) {
            corpus.added[field[1]][field[2]] = field[3];
        } else {
            corpus.expected[field[0]][field[1]][field[2]] = field[3];
        }
    }
    return corpus;
}

}  // namespace pgrepl::test
