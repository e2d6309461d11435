// core::Snapshot for SQLite. A table's shape is read once in a snapshot: its state does not change.

#include "source/sqlite/snapshot.hpp"

#include <map>
#include <utility>

#include "source/sqlite/chunk_plan.hpp"
#include "source/sqlite/chunk_reader.hpp"
#include "source/sqlite/table_shape.hpp"

namespace pgrepl::sqlite {
namespace {

using core::SourceError;
using core::SourceErrorKind;

class SqliteSnapshot final : public core::Snapshot {
  public:
    SqliteSnapshot(std::unique_ptr<FileState> state, core::StateName name)
        : state_(std::move(state)), name_(std::move(name)) {}

    [[nodiscard]] core::StateName state() const override { return name_; }

    std::vector<core::TableInfo> discover() override {
        std::vector<core::TableInfo> tables;
        for (TableShape& shape : within(*state_, [&] { return read_shapes(state_->connection()); })) {
            tables.push_back(std::move(shape.info));
        }
        return tables;
    }

    std::vector<core::ChunkRange> plan_chunks(const core::TableInfo& table, int wanted) override {
        return within(*state_, [&] { return plan_ranges(state_->connection(), shape_of(table), wanted); });
    }

    std::optional<std::string> split_point(const core::TableInfo& table, const core::ChunkRange& range) override {
        return within(*state_, [&] { return split_range(state_->connection(), shape_of(table), range); });
    }

    std::unique_ptr<core::ChunkReader> open_chunk(const core::TableInfo& table,
                                                  const core::ChunkRange& range) override {
        return within(*state_, [&] { return open_chunk_reader(*state_, shape_of(table), range); });
    }

  private:
    /// The table's shape, if the table is still the one that was discovered.
    const TableShape& shape_of(const core::TableInfo& table) {
        const std::string& name = table.name.table;
        auto known = shapes_.find(name);
        if (known == shapes_.end()) {
            std::optional<TableShape> shape = read_shape(state_->connection(), name);
            if (!shape) {
                throw SourceError(SourceErrorKind::kTableChanged, 0,
                                  "table " + quote_identifier(name) + " is no longer in SQLite file \"" +
                                      state_->connection().path() + "\"",
                                  true);
            }
            known = shapes_.emplace(name, std::move(*shape)).first;
        }
        const TableShape& shape = known->second;
        if (shape.info.definition != table.definition) {
            throw SourceError(SourceErrorKind::kTableChanged, 0,
                              "the structure of table " + quote_identifier(name) + " in SQLite file \"" +
                                  state_->connection().path() + "\" has changed",
                              true, "It is now:\n" + shape.info.definition, "The table is copied again.");
        }
        if (shape.paging == TableShape::Paging::kNone) {
            throw SourceError(SourceErrorKind::kUnsupported, 0,
                              "table " + quote_identifier(name) + " cannot be copied: " + shape.info.unsupported_reason,
                              false);
        }
        return shape;
    }

    std::unique_ptr<FileState> state_;
    core::StateName name_;
    std::map<std::string, TableShape> shapes_;
};

}  // namespace

std::unique_ptr<core::Snapshot> make_snapshot(std::unique_ptr<FileState> state, core::StateName name) {
    return std::make_unique<SqliteSnapshot>(std::move(state), std::move(name));
}

}  // namespace pgrepl::sqlite
