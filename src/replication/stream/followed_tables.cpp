#include "replication/stream/followed_tables.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "pg/precondition.hpp"
#include "pg/transaction.hpp"

namespace pgrepl::replication {

std::vector<core::FollowedTable> FollowedTables::load() {
    pg::expect_transaction();
    known_ = catalog::stream_tables(source_id_);
    std::vector<core::FollowedTable> wanted;
    for (const catalog::StreamTable& table : known_) {
        if (table.is_followed()) {
            followed_.emplace(table.name, std::make_unique<TableInStream>(table));
            wanted.push_back({table.name, table.structure});
        }
    }
    return wanted;
}

bool FollowedTables::are_others(const std::vector<std::int32_t>& locked) {
    pg::expect_no_transaction();
    pg::Transaction transaction;
    std::int64_t const fingerprint = catalog::stream_tables_fingerprint(source_id_);
    next_keyless_ = look_for_keyless(locked);
    transaction.commit();
    return fingerprint != fingerprint_;
}

FollowedTables::Reloaded FollowedTables::reload(const std::optional<Ids>& ids,
                                                const std::vector<std::int32_t>& locked) {
    pg::expect_no_transaction();
    auto const is_meant = [&](std::int32_t id) { return !ids || ids->contains(id); };
    Reloaded tables;
    {
        pg::Transaction transaction;
        std::int64_t fingerprint = fingerprint_.value_or(0);
        for (auto const& [id, hash] : std::exchange(hashes_, {})) {
            is_meant(id) ? void(fingerprint ^= hash) : void(hashes_.emplace(id, hash));
        }
        for (auto const& [id, hash] : catalog::stream_table_hashes(source_id_, ids)) {
            hashes_.emplace(id, hash);
            fingerprint ^= hash;
        }
        fingerprint_ = fingerprint;
        tables.now = catalog::stream_tables(source_id_, ids);
        changed_ = catalog::changed_tables(source_id_);
        discovery_due_ = catalog::discovery_due(source_id_);
        next_keyless_ = look_for_keyless(locked);
        transaction.commit();
    }
    auto const others = std::stable_partition(
        known_.begin(), known_.end(), [&](const catalog::StreamTable& table) { return is_meant(table.table_id); });
    tables.before.assign(std::make_move_iterator(known_.begin()), std::make_move_iterator(others));
    known_.erase(known_.begin(), others);
    known_.insert(known_.end(), tables.now.begin(), tables.now.end());
    std::sort(known_.begin(), known_.end(), [](const auto& a, const auto& b) { return a.table_id < b.table_id; });
    follow_only(tables);
    return tables;
}

TableInStream* FollowedTables::find(const core::TableName& name) const {
    auto const found = followed_.find(name);
    return found == followed_.end() ? nullptr : found->second.get();
}

/// By time only where the stream stays.
std::optional<catalog::KeylessTable> FollowedTables::look_for_keyless(const std::vector<std::int32_t>& locked) const {
    int const interval_ms = core::is_followed(config_.plan) ? config_.keyless_refresh_interval_ms() : 0;
    return catalog::next_keyless_table(source_id_, interval_ms, locked);
}

void FollowedTables::follow_only(const Reloaded& tables) {
    std::set<core::TableName> wanted;
    for (const catalog::StreamTable& table : tables.now) {
        if (table.is_followed()) {
            wanted.insert(table.name);
        }
    }
    for (const catalog::StreamTable& table : tables.before) {
        if (!wanted.contains(table.name) && followed_.erase(table.name) != 0) {
            stream_->forget(table.name);
        }
    }
    for (const catalog::StreamTable& table : tables.now) {
        if (table.is_followed()) {
            follow(table);
        }
    }
}

void FollowedTables::follow(const catalog::StreamTable& table) {
    auto const known = followed_.find(table.name);
    if (known == followed_.end()) {
        followed_.emplace(table.name, std::make_unique<TableInStream>(table));
    } else if (known->second->in_catalog.table_id == table.table_id &&
               known->second->in_catalog.structure == table.structure &&
               known->second->in_catalog.definition == table.definition) {
        known->second->in_catalog = table;
        return;
    } else {
        known->second->in_catalog = table;
    }
    stream_->follow({table.name, table.structure});
}

}  // namespace pgrepl::replication
