// The origin of the session's records.

#include "pg/origin.hpp"

#include "pg/compat.hpp"

namespace pgrepl::pg {

NotPassedOn::NotPassedOn() noexcept
    : origin_(PGREPL_SESSION_ORIGIN), position_(PGREPL_SESSION_ORIGIN_LSN), time_(PGREPL_SESSION_ORIGIN_TIMESTAMP) {
    PGREPL_SESSION_ORIGIN = DoNotReplicateId;
    PGREPL_SESSION_ORIGIN_LSN = InvalidXLogRecPtr;
    PGREPL_SESSION_ORIGIN_TIMESTAMP = 0;
}

NotPassedOn::~NotPassedOn() {
    PGREPL_SESSION_ORIGIN = origin_;
    PGREPL_SESSION_ORIGIN_LSN = position_;
    PGREPL_SESSION_ORIGIN_TIMESTAMP = time_;
}

void NotPassedOn::stamp_commit() noexcept {
    PGREPL_SESSION_ORIGIN_LSN = GetXLogInsertRecPtr();
    PGREPL_SESSION_ORIGIN_TIMESTAMP = GetCurrentTimestamp();
}

}  // namespace pgrepl::pg
