#include "source/mysql/stream/stream_tables.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/source_error.hpp"

namespace pgrepl::mysql {
namespace {

/// Numbers of tables that nobody uses any more are forgotten now and then: each change of a table's structure gives it
/// another.
constexpr std::size_t kMostMapped = 10'000;

/// Tables that are not followed are remembered so that each is told of once; many more than these are told of again.
constexpr std::size_t kMostMet = 10'000;

constexpr std::size_t kIdAndFlagBytes = 8;

struct MapHead {
    std::uint64_t table_id = 0;
    core::TableName name;
};

/// The beginning of a TABLE_MAP: enough to pass over a table that is not followed.
MapHead read_head(const Event& event) {
    ByteReader reader = event.reader();
    MapHead head;
    head.table_id = reader.u48();
    reader.skip(2);
    head.name.database = reader.text(reader.u8());
    reader.skip(1);
    head.name.table = reader.text(reader.u8());
    return head;
}

/// A primary key goes first as the key, unless the snapshot does not show it as one. The table may have got another one
/// without a word in the log (sql_log_bin = 0): rows that differ in it alone would then be taken for one.
void require_same_key(const TableMap& map, const TableStructure& structure, const EventPlace& place) {
    std::vector<std::string> key;
    for (const MappedKeyPart& part : map.primary_key) {
        std::string const name(map.columns.at(part.column).name);
        if (!structure.end_column.empty() && name == structure.end_column) {
            continue;  // MariaDB adds it, and does not always show it
        }
        const StructureColumn* const column = structure.find(name);
        if (column == nullptr || column->left_out || part.prefix_characters != 0) {
            return;
        }
        key.push_back(name);
    }
    std::vector<std::string> known = structure.primary.empty() ? structure.key : structure.primary;
    std::erase(known, structure.end_column);
    std::sort(key.begin(), key.end());
    std::sort(known.begin(), known.end());
    if (!key.empty() && key != known) {
        throw_table_changed(place, "its primary key is not the one that is known of the table");
    }
}

}  // namespace

void StreamTables::follow(const core::FollowedTable& table) {
    auto const before = followed_.find(names_.comparable(table.name));
    std::string map = before == followed_.end() ? std::string() : std::move(before->second.map);
    forget(table.name);
    followed_[names_.comparable(table.name)] = {.name = table.name,
                                                .structure = TableStructure::parse(table.structure),
                                                .map = std::move(map),
                                                .unknown_columns = {},
                                                .current = nullptr};
}

void StreamTables::forget(const core::TableName& name) {
    auto const found = followed_.find(names_.comparable(name));
    if (found == followed_.end()) {
        return;
    }
    if (found->second.current) {
        found->second.current->is_followed = false;
    }
    followed_.erase(found);
}

std::vector<core::TableName> StreamTables::followed_of(const std::optional<std::set<core::TableName>>& changed) const {
    std::vector<core::TableName> names;
    for (auto const& [comparable, table] : followed_) {
        if (!changed || changed->contains(comparable)) {
            names.push_back(table.name);
        }
    }
    return names;
}

bool concerns_one_table(const core::SourceError& error) noexcept {
    return error.kind() == core::SourceErrorKind::kCorrupt || error.kind() == core::SourceErrorKind::kUnsupported ||
           error.kind() == core::SourceErrorKind::kTableChanged;
}

core::UnreadTable unread_table(const core::TableName& name, const core::SourceError& error) {
    std::string text = "the changes of table " + name.qualified() + " cannot be read: " + error.text();
    text += error.detail().empty() ? "" : " (" + error.detail() + ")";
    return {name, core::SourceError(error.kind(), error.code(), std::move(text), error.retryable(), error.detail(),
                                    error.hint().empty() ? "If the table has failed, copy it again: "
                                                           "replicator_resync(name, table)."
                                                         : error.hint())};
}

core::SchemaChange unread_rows(const core::SourceError& error, std::string statement, core::TableName named) {
    std::string note = error.text();
    note += error.detail().empty() ? "" : " (" + error.detail() + ")";
    note += error.hint().empty() ? "" : " " + error.hint();
    return {.kind = core::SchemaChange::Kind::kUnreadRows,
            .table = std::move(named),
            .renamed_to = {},
            .statement = std::move(statement),
            .note = std::move(note)};
}

std::optional<core::UnreadTable> StreamTables::read_map(const Event& event) {
    MapHead const head = read_head(event);
    mapped_.erase(head.table_id);
    core::TableName const comparable = names_.comparable(head.name);
    if (notes_changed_) {
        changed_.insert(comparable);
    }
    auto const found = followed_.find(comparable);
    if (found == followed_.end()) {
        meet(head.name, comparable);
        return std::nullopt;
    }
    try {
        map_table(found->second, event);
    } catch (const core::SourceError& error) {
        if (!concerns_one_table(error)) {
            throw;
        }
        return unread_table(found->second.name, error);
    }
    mapped_[head.table_id] = found->second.current;
    return std::nullopt;
}

void StreamTables::meet(const core::TableName& name, core::TableName comparable) {
    if (met_.size() >= kMostMet) {
        met_.clear();
    }
    if (met_.insert(std::move(comparable)).second) {
        strangers_.push_back(name);
    }
}

void StreamTables::may_be_another(const core::TableName& name) {
    if (name.table.empty()) {
        met_.clear();
    } else {
        met_.erase(names_.comparable(name));
    }
}

void StreamTables::map_table(Followed& followed, const Event& event) {
    std::string_view const definition(reinterpret_cast<const char*>(event.body.data()) + kIdAndFlagBytes,
                                      event.body.size() - kIdAndFlagBytes);
    if (followed.current && followed.map == definition) {
        return;
    }
    TableMap const map = parse_table_map(event, from_mariadb_);
    if (!map.has_names) {
        throw_unsupported(event.place,
                          "it lacks the names of columns: binlog_row_metadata was not FULL when it was logged",
                          "Run SET GLOBAL binlog_row_metadata = FULL at the source, put it into its configuration, "
                          "and copy the table again: replicator_resync(name, table).");
    }
    if (!followed.map.empty() && followed.map != definition) {
        doubtful_.insert(followed.name);
    }
    // Also if it cannot be read: it is doubted once, and not with each event.
    followed.map = definition;
    followed.current = nullptr;
    EventTable table = event_table_of(map, event.place, charsets_);
    require_same_key(map, followed.structure, event.place);
    StreamedLayout layout = complete_table(table, followed.structure, event.place);
    if (layout.unknown_columns != followed.unknown_columns) {
        doubtful_.insert(followed.name);
    }
    followed.unknown_columns = std::move(layout.unknown_columns);
    followed.current = std::make_shared<StreamedTable>(followed.name, std::move(layout), std::move(table));
}

void StreamTables::begin_transaction() {
    notes_changed_ = false;
    changed_.clear();
    doubtful_.clear();
    if (mapped_.size() >= kMostMapped) {
        mapped_.clear();  // a map stands before the rows of each statement
    }
}

StreamedTable* StreamTables::find(std::uint64_t table_id) {
    auto const found = mapped_.find(table_id);
    return found == mapped_.end() || !found->second->is_followed ? nullptr : found->second.get();
}

}  // namespace pgrepl::mysql
