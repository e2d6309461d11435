#include "source/mysql/stream/held_transactions.hpp"

#include <algorithm>
#include <utility>

namespace pgrepl::mysql {

void HeldTransactions::begin() { open_.emplace(); }

void HeldTransactions::add(const Event& event) {
    if (!open_) {
        return;
    }
    if (open_->bytes + event.body.size() > most_bytes_) {
        return discard();
    }
    open_->bytes += open_->events.emplace_back(event).bytes();
}

void HeldTransactions::keep(const std::string& xid) {
    (void)take(xid);
    if (!open_) {
        return;
    }
    open_->xid = xid;
    bytes_ += open_->bytes;
    kept_.push_back(std::move(*open_));
    open_.reset();
    while (bytes_ > most_bytes_) {
        bytes_ -= kept_.front().bytes;
        kept_.pop_front();
    }
}

void HeldTransactions::discard() { open_.reset(); }

std::optional<HeldTransactions::Events> HeldTransactions::take(const std::string& xid) {
    auto const found = std::find_if(kept_.begin(), kept_.end(), [&](const Transaction& t) { return t.xid == xid; });
    if (found == kept_.end()) {
        return std::nullopt;
    }
    Events events = std::move(found->events);
    bytes_ -= found->bytes;
    kept_.erase(found);
    return events;
}

}  // namespace pgrepl::mysql
