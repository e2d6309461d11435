#pragma once
// The tables that a stream follows, by name, and how their row events are to be read: as the last TABLE_MAP of each
// says, completed by the structure that the caller has kept. Row events of all others are nobody's.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/stream.hpp"
#include "source/mysql/binlog/row_decoder.hpp"
#include "source/mysql/server/name_rules.hpp"
#include "source/mysql/tables/table_structure.hpp"
#include "source/mysql/values/charset.hpp"

namespace pgrepl::mysql {

/// One table with one structure.
struct StreamedTable {
    StreamedTable(core::TableName table, StreamedLayout streamed, EventTable event_table)
        : name(std::move(table)),
          layout(std::make_shared<const core::RowLayout>(std::move(streamed.layout))),
          end_column(streamed.end_column),
          lacking_column(std::move(streamed.lacking_column)),
          decoder(std::move(event_table)) {}

    core::TableName name;
    std::shared_ptr<const core::RowLayout> layout;
    std::optional<std::uint32_t> end_column;  ///< as StreamedLayout
    std::string lacking_column;               ///< as StreamedLayout
    RowDecoder decoder;
    bool is_followed = true;
    // Where its rows are in the batch with this number.
    std::uint64_t batch = 0;
    std::uint32_t index = 0;
};

/// What concerns events of one table alone: framing goes on after them, and so do the others.
bool concerns_one_table(const core::SourceError& error) noexcept;

/// The error of one of its events, with its name and the event's place.
core::UnreadTable unread_table(const core::TableName& name, const core::SourceError& error);

/// The same of one of which the table cannot be told. `named`: the table of a statement whose rows are not in the log.
core::SchemaChange unread_rows(const core::SourceError& error, std::string statement = {}, core::TableName named = {});

class StreamTables {
  public:
    StreamTables(bool from_mariadb, NameRules names) : from_mariadb_(from_mariadb), names_(std::move(names)) {}

    /// Both apply from the next statement in the log on.
    void follow(const core::FollowedTable& table);
    void forget(const core::TableName& name);

    [[nodiscard]] bool follows(const core::TableName& name) const {
        return followed_.contains(names_.comparable(name));
    }
    /// The name by which the table is followed; null if it is not.
    [[nodiscard]] const core::TableName* followed_name(const core::TableName& name) const {
        auto const found = followed_.find(names_.comparable(name));
        return found == followed_.end() ? nullptr : &found->second.name;
    }
    [[nodiscard]] bool follows_any() const noexcept { return !followed_.empty(); }
    /// Of the tables that were `changed` (nothing: of all).
    [[nodiscard]] std::vector<core::TableName> followed_of(
        const std::optional<std::set<core::TableName>>& changed) const;

    /// The tables, followed or not, that the open transaction has changed, by their names' comparable form.
    [[nodiscard]] const std::set<core::TableName>& changed() const noexcept { return changed_; }
    /// From here on in the open transaction: most of them need not be known by what they have changed.
    void note_changed() noexcept { notes_changed_ = true; }

    /// Tables of which maps in the open transaction say something else than those before, or than the structure, though
    /// no statement did. Some columns nobody tells us of: they are told of once.
    [[nodiscard]] const std::set<core::TableName>& doubtful() const noexcept { return doubtful_; }

    /// Tables that are not followed and that maps have named since the last call, each once. Whether anybody knows of
    /// them is not known here.
    [[nodiscard]] std::vector<core::TableName> take_strangers() { return std::exchange(strangers_, {}); }
    /// A statement may have made or taken away the table of this name (without one: any): it is a stranger again.
    void may_be_another(const core::TableName& name);

    /// No map that stands before this point is used after it.
    void begin_transaction();

    /// Of a TABLE_MAP. What is wrong with it, if it is that of a table which is followed, and cannot be read: the rows
    /// after it are nobody's.
    [[nodiscard]] std::optional<core::UnreadTable> read_map(const Event& event);

    /// The table of the last map with that number; null if nobody follows it.
    [[nodiscard]] StreamedTable* find(std::uint64_t table_id);

  private:
    struct Followed {
        core::TableName name;
        TableStructure structure;
        std::string map;                           ///< the last one, of which `current` was made
        std::vector<std::string> unknown_columns;  ///< that it has, and the structure has not
        std::shared_ptr<StreamedTable> current;
    };

    void map_table(Followed& followed, const Event& event);
    void meet(const core::TableName& name, core::TableName comparable);

    bool from_mariadb_;
    NameRules names_;
    Charsets charsets_;
    std::map<core::TableName, Followed> followed_;  ///< by the names' comparable form
    bool notes_changed_ = false;
    std::set<core::TableName> changed_;
    std::set<core::TableName> doubtful_;
    std::set<core::TableName> met_;  ///< that are not followed, by their names' comparable form
    std::vector<core::TableName> strangers_;
    std::unordered_map<std::uint64_t, std::shared_ptr<StreamedTable>> mapped_;
};

}  // namespace pgrepl::mysql
