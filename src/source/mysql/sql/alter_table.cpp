// The parts of an ALTER TABLE, with commas between them. A part that is not known to be harmless alters the table.

#include "source/mysql/sql/alter_table.hpp"

#include <string>
#include <utility>

namespace pgrepl::mysql {
namespace {

using core::SchemaChange;
using core::TableName;

class AlterationReader {
  public:
    AlterationReader(WordReader& words, std::string_view database, bool drops_rows)
        : words_(words), database_(database), altered_(drops_rows) {}

    std::vector<SchemaChange> read(const TableName& table) {
        while (!words_.at_end()) {
            if (!read_harmless_part()) {
                altered_ = true;
                skip_part();
            }
            if (!words_.accept_sign(',') && !words_.at_end()) {
                altered_ = true;  // there is more to the part than was read
                words_.skip();
            }
        }
        std::vector<SchemaChange> changes;
        if (!renamed_to_.database.empty()) {
            changes.push_back(
                {.kind = SchemaChange::Kind::kRenamed, .table = table, .renamed_to = renamed_to_, .statement = ""});
        }
        if (altered_ || redefined_ || maintained_) {
            changes.push_back({.kind = altered_      ? SchemaChange::Kind::kAltered
                                       : maintained_ ? SchemaChange::Kind::kMaintained
                                                     : SchemaChange::Kind::kRedefined,
                               .table = renamed_to_.database.empty() ? table : renamed_to_,
                               .renamed_to = {},
                               .statement = ""});
        }
        for (SchemaChange& other : others_) {
            changes.push_back(std::move(other));
        }
        return changes;
    }

  private:
    void skip_part() {
        while (!words_.at_end() && !words_.word().is_sign(',')) {
            if (words_.word().is_sign('(')) {
                words_.skip_parenthesis();
            } else {
                words_.skip();
            }
        }
    }

    bool harmless_part() {
        skip_part();
        return true;
    }
    bool redefining_part() {
        redefined_ = true;
        return harmless_part();
    }

    /// Reads a part that is harmless, or a rename. Else it may have read some of it.
    bool read_harmless_part() {
        if (words_.accept("ADD")) {
            return read_add();
        }
        if (words_.accept("DROP")) {
            return words_.accept_both("FOREIGN", "KEY") && redefining_part();
        }
        if (words_.accept("RENAME")) {
            return read_rename();
        }
        if (words_.accept("EXCHANGE")) {
            return read_exchange();
        }
        if (words_.accept("CONVERT")) {
            return read_convert();
        }
        if (words_.accept_both("PARTITION", "BY") || words_.accept_both("REMOVE", "PARTITIONING") ||
            words_.accept_both("ENABLE", "KEYS") || words_.accept_both("DISABLE", "KEYS") ||
            words_.accept_both("ORDER", "BY") || words_.accept("FORCE")) {
            return harmless_part();
        }
        if (words_.accept_both("REORGANIZE", "PARTITION")) {
            return read_reorganize();
        }
        if (words_.accept_both("OPTIMIZE", "PARTITION")) {
            maintained_ = true;
            return read_partition_names();
        }
        for (std::string_view const verb : {"COALESCE", "ANALYZE", "CHECK"}) {
            if (words_.accept_both(verb, "PARTITION")) {
                return read_partition_names();
            }
        }
        return read_options();
    }

    /// Names of partitions have commas between them.
    bool read_partition_names() {
        do {
            skip_part();
        } while (words_.accept_sign(','));
        return true;
    }

    /// REORGANIZE PARTITION p, … INTO (PARTITION p VALUES …, …): a row that none of the new ones takes is gone, without
    /// a row event. There is one for each value if there is one for MAXVALUE; without INTO, rows are spread by a hash.
    bool read_reorganize() {
        bool has_new_ones = false;
        bool takes_all = false;
        while (!words_.at_end()) {
            has_new_ones = words_.accept("INTO") || has_new_ones;
            if (words_.accept_both("LESS", "THAN")) {
                words_.accept_sign('(');
                takes_all = words_.word().is("MAXVALUE") || takes_all;
            } else {
                words_.skip();
            }
        }
        return takes_all || !has_new_ones;
    }

    bool read_add() {
        if (words_.accept("PARTITION")) {
            return harmless_part();
        }
        if (words_.accept_any({"INDEX", "KEY", "FULLTEXT", "SPATIAL", "VECTOR", "FOREIGN"})) {
            return redefining_part();
        }
        if (!words_.accept("CONSTRAINT")) {
            return false;
        }
        if (!words_.word().is("FOREIGN")) {
            words_.skip();  // its name
        }
        return words_.accept("FOREIGN") && redefining_part();
    }

    bool read_rename() {
        if (words_.accept_any({"COLUMN", "INDEX", "KEY"})) {
            return false;
        }
        if (!words_.accept_any({"TO", "AS"})) {
            words_.accept_sign('=');
        }
        renamed_to_ = words_.table(database_);
        return !renamed_to_.database.empty();
    }

    /// EXCHANGE PARTITION p WITH TABLE t: the rows of both are others now.
    bool read_exchange() {
        while (!words_.at_end() && !words_.accept("TABLE")) {
            words_.skip();
        }
        add_other(SchemaChange::Kind::kAltered);
        return false;
    }

    /// MariaDB: CONVERT PARTITION p TO TABLE t, CONVERT TABLE t TO PARTITION p …; not CONVERT TO CHARACTER SET.
    bool read_convert() {
        if (words_.accept("TABLE")) {
            add_other(SchemaChange::Kind::kDropped);
        } else if (words_.accept("PARTITION")) {
            while (!words_.at_end() && !words_.accept("TABLE")) {
                words_.skip();
            }
            add_other(SchemaChange::Kind::kCreated);
        }
        return false;
    }

    void add_other(SchemaChange::Kind kind) {
        TableName other = words_.table(database_);
        if (!other.database.empty()) {
            others_.push_back({.kind = kind, .table = std::move(other), .renamed_to = {}, .statement = ""});
        }
    }

    /// Options of the whole table that touch neither rows nor structure, with or without commas between them.
    bool read_options() {
        bool any = false;
        while (!words_.at_end() && !words_.word().is_sign(',')) {
            if (words_.accept_both("PARTITION", "BY")) {
                return harmless_part();
            }
            if (!read_option()) {
                return false;
            }
            any = true;
        }
        return any;
    }

    bool read_option() {
        if (words_.accept("ENGINE")) {
            words_.accept_sign('=');
            maintained_ = true;              // it may have had another, and other rows
            return words_.accept("INNODB");  // others may hold other rows (BLACKHOLE, MEMORY)
        }
        words_.accept("DEFAULT");
        if (words_.accept_both("CHARACTER", "SET") || words_.accept_both("DATA", "DIRECTORY") ||
            words_.accept_both("INDEX", "DIRECTORY") ||
            words_.accept_any({"COMMENT",
                               "AUTO_INCREMENT",
                               "ROW_FORMAT",
                               "KEY_BLOCK_SIZE",
                               "STATS_PERSISTENT",
                               "STATS_AUTO_RECALC",
                               "STATS_SAMPLE_PAGES",
                               "AVG_ROW_LENGTH",
                               "MAX_ROWS",
                               "MIN_ROWS",
                               "CHECKSUM",
                               "TABLE_CHECKSUM",
                               "DELAY_KEY_WRITE",
                               "PACK_KEYS",
                               "COMPRESSION",
                               "ENCRYPTION",
                               "ENCRYPTED",
                               "ENCRYPTION_KEY_ID",
                               "PAGE_CHECKSUM",
                               "PAGE_COMPRESSED",
                               "PAGE_COMPRESSION_LEVEL",
                               "TABLESPACE",
                               "ALGORITHM",
                               "LOCK",
                               "CHARSET",
                               "COLLATE",
                               "AUTOEXTEND_SIZE",
                               "TRANSACTIONAL",
                               "SECONDARY_ENGINE",
                               "ENGINE_ATTRIBUTE",
                               "SECONDARY_ENGINE_ATTRIBUTE"})) {
            words_.accept_sign('=');
            words_.skip();
            return true;
        }
        return false;
    }

    WordReader& words_;
    std::string_view database_;
    bool altered_;
    bool redefined_ = false;
    bool maintained_ = false;
    TableName renamed_to_;
    std::vector<SchemaChange> others_;
};

}  // namespace

std::vector<SchemaChange> read_alterations(WordReader& words, const TableName& table, std::string_view database,
                                           bool drops_rows) {
    return AlterationReader(words, database, drops_rows).read(table);
}

}  // namespace pgrepl::mysql
