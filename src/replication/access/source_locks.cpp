// When locked tables of a source are tried again.

#include "replication/access/source_locks.hpp"

#include <algorithm>

namespace pgrepl::replication {

namespace {

/// A try costs the stream kPatienceMs at most.
constexpr std::chrono::milliseconds kFirstDelay{100};
constexpr std::chrono::milliseconds kLongestDelay{3'000};

}  // namespace

bool SourceLocks::found_locked(std::int32_t table_id) {
    auto const [entry, is_new] = tables_.try_emplace(table_id);
    Table& table = entry->second;
    table.delay = std::clamp(2 * table.delay, kFirstDelay, kLongestDelay);
    table.next_try = Clock::now() + table.delay;
    return is_new;
}

bool SourceLocks::may_be_tried(std::int32_t table_id) const {
    auto const found = tables_.find(table_id);
    return found == tables_.end() || Clock::now() >= found->second.next_try;
}

std::vector<std::int32_t> SourceLocks::waiting() const {
    std::vector<std::int32_t> ids;
    for (auto const& [id, table] : tables_) {
        if (!may_be_tried(id)) {
            ids.push_back(id);
        }
    }
    return ids;
}

}  // namespace pgrepl::replication
