#include "replication/stream/read_again.hpp"

namespace pgrepl::replication {

ReadAgain::Remedy ReadAgain::remedy_for(const catalog::StreamTable& table, const core::Position& applied) {
    if (table.state == catalog::TableState::kPending) {
        return Remedy::kAwaited;
    }
    auto const [reading, is_first] = tables_.try_emplace(table.table_id);
    if (is_first) {
        return Remedy::kFirst;
    }
    const core::Position& known_at = reading->second.known_at;
    return known_at.text.empty() || !log_.has_reached(applied, known_at) ? Remedy::kRepeat : Remedy::kNone;
}

/// The position of a structure that is still the same is kept: where the log grows faster than it is read, copies would
/// begin again without end.
void ReadAgain::has_begun(std::int32_t table_id, const std::string& definition) {
    auto const found = tables_.find(table_id);
    if (found == tables_.end() || (!found->second.known_at.text.empty() && found->second.definition == definition)) {
        return;
    }
    found->second = {definition, log_.high_mark()};
}

}  // namespace pgrepl::replication
