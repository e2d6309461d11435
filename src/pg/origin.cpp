// The origin of the session's records.

#include "pg/origin.hpp"

#include "pg/compat.hpp"

namespace pgrepl::pg {

namespace {

/// The session's own, while rows are marked.
std::uint16_t own_origin = PGREPL_NO_ORIGIN;
bool suspended = false;

}  // namespace

NotPassedOn::NotPassedOn() noexcept : saved_(PGREPL_SESSION_ORIGIN) {
    own_origin = saved_;
    PGREPL_SESSION_ORIGIN = DoNotReplicateId;
}

NotPassedOn::~NotPassedOn() { PGREPL_SESSION_ORIGIN = saved_; }

void NotPassedOn::suspend() noexcept {
    suspended = PGREPL_SESSION_ORIGIN == DoNotReplicateId;
    if (suspended) {
        PGREPL_SESSION_ORIGIN = own_origin;
    }
}

void NotPassedOn::go_on() noexcept {
    if (suspended) {
        PGREPL_SESSION_ORIGIN = DoNotReplicateId;
    }
}

}  // namespace pgrepl::pg
