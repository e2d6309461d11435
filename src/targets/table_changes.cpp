// Coalescing and writing.

#include "targets/table_changes.hpp"

#include <algorithm>

namespace pgrepl::target {

void TableChanges::add(core::ChangeKind kind, RowEncoder& encoder, std::span<const core::Value> first,
                       std::span<const core::Value> second, const core::SourceError* unreadable) {
    if (kind == core::ChangeKind::kDelete) {
        return remove(encoder.id_of(first));
    }
    std::span<const core::Value> const row = kind == core::ChangeKind::kUpdate ? second : first;
    if (kind == core::ChangeKind::kUpdate) {
        std::string const old_id = encoder.id_of(first);
        if (old_id != encoder.id_of(row)) {
            remove(old_id);
        }
    }
    if (unreadable != nullptr) {
        set_aside(encoder.id_of(row), pg::to_sql_error(*unreadable));
    } else {
        put(encoder, row);
    }
}

void TableChanges::put(RowEncoder& encoder, std::span<const core::Value> row) {
    if (std::optional<pg::RefusedRow> const refused = encoder.try_encode(row, rows_)) {
        return set_aside(refused->id, refused->error);
    }
    std::size_t const index = rows_.size() - 1;
    std::string id(rows_.id_text(index));
    if (!set_aside_.empty()) {
        set_aside_.erase(id);
    }
    latest_.insert_or_assign(std::move(id), index);
}

void TableChanges::set_aside(const std::string& id, const pg::SqlError& error) {
    set_aside_.insert_or_assign(id, error);
}

void TableChanges::remove(const std::string& id) {
    set_aside_.erase(id);
    latest_.insert_or_assign(id, kGone);
}

void TableChanges::remove_all() {
    clear();
    cleared_ = true;
}

void TableChanges::write(const OpenTarget& target, WhereSame where_same) {
    if (cleared_) {
        TargetWriter(target).remove_where("true");
    }
    std::vector<std::string> gone;
    std::vector<bool> wanted(rows_.size(), false);
    for (const auto& [id, index] : latest_) {
        if (index == kGone) {
            gone.push_back(id);
        } else {
            wanted[index] = true;
        }
    }
    rows_.remove_rows([&](std::size_t row) { return !wanted[row]; });
    // In the index's order each of its pages is visited once.
    rows_.sort_by_id();
    std::sort(gone.begin(), gone.end());
    delete_rows(target, gone, refused_);
    put_rows(target, rows_, where_same, refused_);
    for (const auto& [id, error] : set_aside_) {
        refused_.push_back({.id = id, .error = error});
    }
}

std::vector<std::string> TableChanges::ids() const {
    std::vector<std::string> result;
    result.reserve(latest_.size() + set_aside_.size());
    for (const auto& [id, index] : latest_) {
        result.push_back(id);
    }
    for (const auto& [id, error] : set_aside_) {
        result.push_back(id);
    }
    return result;
}

void TableChanges::clear() {
    rows_.clear();
    latest_.clear();
    set_aside_.clear();
    refused_.clear();
    cleared_ = false;
}

}  // namespace pgrepl::target
