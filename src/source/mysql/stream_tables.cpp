#include "source/mysql/stream_tables.hpp"

#include <utility>

#include "core/source_error.hpp"

namespace pgrepl::mysql {
namespace {

/// Numbers of tables that nobody uses any more are forgotten now and then: each change of a table's structure gives it
/// another.
constexpr std::size_t kMostMapped = 10'000;

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

}  // namespace

void StreamTables::follow(const core::FollowedTable& table) {
    forget(table.name);
    followed_[names_.comparable(table.name)] = {
        .name = table.name, .structure = TableStructure::parse(table.structure), .map = "", .current = nullptr};
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

void StreamTables::read_map(const Event& event) {
    MapHead const head = read_head(event);
    auto const found = followed_.find(names_.comparable(head.name));
    if (found == followed_.end()) {
        mapped_.erase(head.table_id);
        return;
    }
    Followed& followed = found->second;
    std::string_view const definition(reinterpret_cast<const char*>(event.body.data()) + kIdAndFlagBytes,
                                      event.body.size() - kIdAndFlagBytes);
    if (!followed.current || followed.map != definition) {
        TableMap const map = parse_table_map(event, from_mariadb_);
        if (!map.has_names) {
            throw core::SourceError(core::SourceErrorKind::kUnsupported, 0,
                                    "the log lacks the names of the columns of table " + head.name.qualified(), false,
                                    "binlog_row_metadata was not FULL when the change was logged.",
                                    "Run SET GLOBAL binlog_row_metadata = FULL at the source, put it into its "
                                    "configuration, and copy the source anew: replicator_resync(name).");
        }
        EventTable table = event_table_of(map, event.place, charsets_);
        StreamedLayout layout = complete_table(table, map, followed.structure);
        followed.current = std::make_shared<StreamedTable>(followed.name, std::move(layout), std::move(table));
        followed.map = definition;
    }
    mapped_[head.table_id] = followed.current;
}

void StreamTables::begin_transaction() {
    if (mapped_.size() >= kMostMapped) {
        mapped_.clear();  // a map stands before the rows of each statement
    }
}

StreamedTable* StreamTables::find(std::uint64_t table_id) {
    auto const found = mapped_.find(table_id);
    return found == mapped_.end() || !found->second->is_followed ? nullptr : found->second.get();
}

}  // namespace pgrepl::mysql
