#include "replication/access/rights_at_source.hpp"

#include "targets/sha256.hpp"

namespace pgrepl::replication {

core::SourceError table_denied(const core::TableName& name) {
    return {core::SourceErrorKind::kTableDenied,
            0,
            "the account may not read table " + name.qualified() + " of the source",
            false,
            "",
            "GRANT SELECT on it at the source: it is then copied again. Or call replicator_remove_table(name, table)."};
}

bool RightsAtSource::are_to_be_asked_for() {
    Clock::time_point const now = Clock::now();
    if (now - asked_at_ < (now < soon_until_ ? kAskSoon : kAskEvery)) {
        return false;
    }
    asked_at_ = now;
    return true;
}

void RightsAtSource::met_statement() {
    asked_at_ = Clock::now();
    soon_until_ = asked_at_ + kAskEvery;
}

bool RightsAtSource::are_others() {
    now_ = target::sha256_hex(source_.rights());
    return now_ != known_;
}

std::optional<core::TableInfo> RightsAtSource::find_table(const core::TableName& name) {
    std::optional<core::TableInfo> info = source_.find_table(name);
    if (!info && are_others()) {
        throw table_denied(name);
    }
    // A right that was taken and given back at once hid it meanwhile.
    return info ? info : source_.find_table(name);
}

}  // namespace pgrepl::replication
